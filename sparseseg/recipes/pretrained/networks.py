"""Which network a model that came from elsewhere has: told by names and plain numbers."""

from collections.abc import Mapping
from typing import Any

from torch import nn

from sparseseg.nn.conv_unet import Architecture, ConvUNet
from sparseseg.nn.monai import network_of
from sparseseg.nn.onnx_program import OnnxProgram

_USUAL_WIDTH = 32


def made(channels: int, outputs: int, network: Mapping[str, Any]) -> nn.Module:
    """Return the network, with weights to be filled.

    It is named by one key: `architecture` of `ConvUNet`, `monai` with name and
    arguments, or `onnx`. Raises `ValueError` or `TypeError` for what is none.
    """
    if "monai" in network:
        given = network["monai"]
        found = network_of(str(given["name"]), given["arguments"])
        if (found.outputs, given["arguments"].get("in_channels", 1)) != (
            outputs,
            channels,
        ):
            raise ValueError(
                f"a network of {given['arguments'].get('in_channels', 1)} channels and "
                f"{found.outputs} outputs for {channels} and {outputs}"
            )
        return found
    if "onnx" in network:
        return OnnxProgram(outputs=outputs, **network["onnx"])
    return ConvUNet(channels, outputs, Architecture.from_json(network["architecture"]))


def learns(network: Mapping[str, Any]) -> bool:
    """Tell whether such a network can be trained further here."""
    return "architecture" in network


def width_of(network: Mapping[str, Any]) -> int:
    """Return how many features there are of each voxel, or a usual number."""
    if "architecture" in network:
        return Architecture.from_json(network["architecture"]).widths[0]
    if "monai" in network:
        arguments = network["monai"]["arguments"]
        for name in ("channels", "features", "filters"):
            if arguments.get(name):
                return int(arguments[name][0])
        return int(arguments.get("init_filters", _USUAL_WIDTH))
    return _USUAL_WIDTH
