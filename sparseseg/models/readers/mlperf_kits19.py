"""The 3-D U-Net of MLPerf, trained on KiTS19: one checkpoint of PyTorch."""

from pathlib import Path
from typing import Any

from sparseseg.engine.model import Model
from sparseseg.errors import UserError
from sparseseg.models.readers.foreign import Foreign, ForeignFacts, assembled, renamed
from sparseseg.models.readers.unpickling import read_checkpoint
from sparseseg.nn.conv_unet import Architecture
from sparseseg.recipes.pretrained import Inference, Normaliser

KEY = "best_model_state_dict"
_SPACING = (1.6, 1.2, 1.2)
_PATCH = (128, 128, 128)
# Of KiTS19: what grey values are cut to, their mean and deviation.
_CT = Normaliser(kind="ct", low=-79.0, high=304.0, mean=101.0, deviation=76.9)
_INFERENCE = Inference(
    normalisers=(_CT,),
    resampling="linear",
    resample_first=True,
    orientation="slices-first",
    crop=False,
    sums="float32",
    peak=1.0,
    weights="root",
    whole_strides=True,
    padding=-2.2,
    mirror=(),
)
_NAMES = {1: "kidney", 2: "tumour"}


def is_file(path: Path) -> bool:
    """Tell whether a file may be such a checkpoint, from its name."""
    return path.is_file() and path.suffix in {".pth", ".pt"}


def read(path: Path, given: ForeignFacts) -> Model:
    """Read a checkpoint such as 3dunet_kits19_pytorch_checkpoint.pth.

    Raises `UserError` for one of another network, and for a damaged or hostile one.
    """
    plain = _state(path)
    try:
        architecture = _architecture(plain)
        outputs = int(plain["output.conv.0.weight"].shape[0])
    except (KeyError, AttributeError, ValueError, IndexError) as error:
        raise UserError(
            "{name} holds another network than MLPerf's 3-D U-Net "
            "({error} is missing or odd): it was not loaded",
            name=path.name,
            error=error,
        ) from error
    foreign = Foreign(
        network={"architecture": architecture.to_json()},
        states=[renamed(plain, _patterns(len(architecture.widths)), source=path.name)],
        spacing=_SPACING,
        patch=_PATCH,
        labels=range(outputs),
        names=_NAMES if outputs == 3 else {},
        inference=_INFERENCE,
        trained={"format": "mlperf-kits19"},
    )
    return assembled(foreign, given)


def _state(path: Path) -> dict[str, Any]:
    """Return the weights by their names."""
    checkpoint = read_checkpoint(path)
    state = checkpoint.get(KEY)
    if not isinstance(state, dict):
        words = ", ".join(sorted(map(str, checkpoint))[:6])
        raise UserError(
            "{name} holds {words}, and the only single checkpoint that "
            "sparseseg reads is that of MLPerf's KiTS19 model, which holds {key}",
            name=path.name,
            words=words[:160],
            key=KEY,
        )
    return {str(name).removeprefix("module."): tensor for name, tensor in state.items()}


def _architecture(state: dict[str, Any]) -> Architecture:
    """Return the network; how wide its levels are is told by the weights."""
    down = sum(
        name.endswith("conv1.0.weight") and name.startswith("downsample.")
        for name in state
    )
    names = ["input_block", *(f"downsample.{i}" for i in range(down)), "bottleneck"]
    widths = tuple(int(state[f"{name}.conv1.0.weight"].shape[0]) for name in names)
    levels = len(widths)
    cube, step = (3, 3, 3), (2, 2, 2)
    return Architecture(
        dims=3,
        widths=widths,
        kernels=(cube,) * levels,
        strides=((1, 1, 1), *(step,) * (levels - 1)),
        convs=(2,) * levels,
        up_kernels=(cube,) * (levels - 1),
        up_convs=(2,) * (levels - 1),
        conv_bias=False,
        heads="last",
        slope=0.0,
    )


def _patterns(levels: int) -> list[tuple[str, str]]:
    patterns = [
        (r"upsample\.(\d+)\.upsample_conv\.0\.(\w+)", r"ups.\1.\2"),
        (r"output\.conv\.0\.(\w+)", r"heads.0.\1"),
    ]
    for number in (0, 1):
        conv = rf"\.conv{number + 1}\.(\d)\.(\w+)"
        patterns += [
            (rf"upsample\.(\d+){conv}", rf"decoder.\1.{number}.\2.\3"),
            (rf"input_block{conv}", rf"encoder.0.{number}.\1.\2"),
            (rf"bottleneck{conv}", rf"encoder.{levels - 1}.{number}.\1.\2"),
        ]
        patterns += [
            (rf"downsample\.{i}{conv}", rf"encoder.{i + 1}.{number}.\1.\2")
            for i in range(levels - 2)
        ]
    return patterns
