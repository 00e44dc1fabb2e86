"""Networks of MONAI, under the names that its weights have: written here, checked there."""

from collections.abc import Callable, Mapping
from typing import Any

from sparseseg.nn.monai.basic_unet import BasicUNet
from sparseseg.nn.monai.dynunet import DynUNet
from sparseseg.nn.monai.parts import Network
from sparseseg.nn.monai.segresnet import SegResNet
from sparseseg.nn.monai.unet import StridedUNet

NETWORKS: Mapping[str, Callable[..., Network]] = {
    "BasicUNet": BasicUNet,
    "DynUNet": DynUNet,
    "SegResNet": SegResNet,
    "UNet": StridedUNet,
}


def network_of(name: str, arguments: Mapping[str, Any]) -> Network:
    """Return a network of MONAI by its name and its own arguments, plain values.

    It maps (n, c, ...) to a tuple of logits. Raises `ValueError` or `TypeError` for
    arguments that are not known, or ask for more than a network may have.
    """
    if name not in NETWORKS:
        raise ValueError(f"{name!r} is none of {', '.join(NETWORKS)}")
    return NETWORKS[name](**arguments)
