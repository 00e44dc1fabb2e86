"""The network that the plans of nnU-Net 2 describe, in their old layout and their new."""

from collections.abc import Mapping
from typing import Any

from sparseseg.errors import UserError
from sparseseg.language import say
from sparseseg.nn.conv_unet import Architecture, Sides

_MOST_LEVELS = 20
_NETWORKS = {"PlainConvUNet": False, "ResidualEncoderUNet": True}
_PACKAGES = (
    "",
    "dynamic_network_architectures.architectures.unet.",
    "dynamic_network_architectures.architectures.residual_unet.",
)
_CONVS = {"torch.nn.modules.conv.Conv2d": 2, "torch.nn.modules.conv.Conv3d": 3}
_NORMS = tuple(f"torch.nn.modules.instancenorm.InstanceNorm{n}d" for n in (2, 3))
_ACTIVATIONS = ("torch.nn.LeakyReLU", "torch.nn.modules.activation.LeakyReLU")


def architecture_of(configuration: Mapping[str, Any]) -> Architecture:
    """Return the network of a configuration; raise `UserError` for one that is not known."""
    if "architecture" in configuration:
        return _new_layout(configuration["architecture"])
    return _old_layout(configuration)


def _new_layout(data: Mapping[str, Any]) -> Architecture:
    residual = _is_residual(str(data["network_class_name"]))
    kwargs = data["arch_kwargs"]
    dims = looked_up(kwargs["conv_op"], _CONVS, say("convolution"))
    looked_up(kwargs["norm_op"], dict.fromkeys(_NORMS, True), say("normalisation"))
    looked_up(kwargs["nonlin"], dict.fromkeys(_ACTIVATIONS, True), say("activation"))
    if kwargs.get("dropout_op") is not None:
        raise UserError("the network drops features at random, which is not known here")
    levels = int(kwargs["n_stages"])
    norm = kwargs.get("norm_op_kwargs") or {}
    if not norm.get("affine", False):
        raise UserError(
            "the normalisation of the network has no weights: not known here"
        )
    blocks = kwargs["n_blocks_per_stage" if residual else "n_conv_per_stage"]
    kernels = _sides(kwargs["kernel_sizes"], levels, dims)
    bias = bool(kwargs["conv_bias"])
    return Architecture(
        dims=2 if dims == 2 else 3,
        widths=_whole(kwargs["features_per_stage"], levels),
        kernels=kernels,
        strides=_sides(kwargs["strides"], levels, dims),
        convs=_whole(blocks, levels),
        up_kernels=kernels[-2::-1],
        up_convs=_whole(kwargs["n_conv_per_stage_decoder"], levels - 1),
        residual=residual,
        conv_bias=bias,
        up_bias=bias,
        slope=float((kwargs.get("nonlin_kwargs") or {}).get("negative_slope", 0.01)),
        epsilon=float(norm.get("eps", 1e-5)),
    )


def _old_layout(data: Mapping[str, Any]) -> Architecture:
    residual = _is_residual(str(data["UNet_class_name"]))
    levels = len(data["pool_op_kernel_sizes"])
    dims = len(data["patch_size"])
    most, base = int(data["unet_max_num_features"]), int(data["UNet_base_num_features"])
    kernels = _sides(data["conv_kernel_sizes"], levels, dims)
    return Architecture(
        dims=2 if dims == 2 else 3,
        widths=tuple(min(base * 2**level, most) for level in range(levels)),
        kernels=kernels,
        strides=_sides(data["pool_op_kernel_sizes"], levels, dims),
        convs=_whole(data["n_conv_per_stage_encoder"], levels),
        up_kernels=kernels[-2::-1],
        up_convs=_whole(data["n_conv_per_stage_decoder"], levels - 1),
        residual=residual,
    )


def _is_residual(name: str) -> bool:
    known = {package + n: r for package in _PACKAGES for n, r in _NETWORKS.items()}
    return bool(looked_up(name, known, say("network")))


def looked_up(name: Any, table: Mapping[str, Any], what: str) -> Any:
    """Look a name up, nothing is ever imported by it; raise `UserError` for another one."""
    if name not in table:
        raise UserError(
            "the model has the {what} {name!r}, which is not known here: "
            "it was not loaded",
            what=what,
            name=str(name)[:80],
        )
    return table[name]


def _sides(values: Any, levels: int, dims: int) -> tuple[Sides, ...]:
    every = _each(values, levels)
    return tuple(
        tuple(map(int, side)) if isinstance(side, list) else (int(side),) * dims
        for side in every
    )


def _whole(values: Any, count: int) -> tuple[int, ...]:
    return tuple(map(int, _each(values, count)))


def _each(values: Any, count: int) -> list[Any]:
    """Return one value a level, which the plans may give once for all."""
    if not isinstance(values, list):
        return [values] * count if count < _MOST_LEVELS else []
    if len(values) != count:
        raise ValueError(f"{len(values)} values for {count} levels")
    return values
