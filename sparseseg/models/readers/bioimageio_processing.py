"""Pre- and postprocessing of BioImage.IO as steps of our predictor."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sparseseg.errors import UserError
from sparseseg.language import say
from sparseseg.recipes.pretrained.steps import (
    Centre,
    Clip,
    Scale,
    Standardise,
    Step,
    Stretch,
)

_TINY = 1e-6
_FLOATS = ("float32", "float64", "float16")
_SPACE = {"z", "y", "x"}


@dataclass(frozen=True, slots=True)
class AnswerRule:
    """What makes probabilities of the answer: "sigmoid", "softmax" or ""."""

    activation: str
    is_clipped: bool = False


def preparing(described: Sequence[Mapping[str, Any]], dims: int) -> tuple[Step, ...]:
    """Read the preprocessing; raise `UserError` for what is not known."""
    steps: list[Step] = []
    for item in described:
        name, kwargs = _item(item)
        if name == "ensure_dtype" and kwargs.get("dtype") in _FLOATS:
            continue
        if name not in _STEPS:
            raise _unknown(name, say("preprocessing"))
        steps.append(_STEPS[name](kwargs, dims))
    return tuple(steps)


def finishing(described: Sequence[Mapping[str, Any]]) -> AnswerRule:
    """Read the postprocessing; raise `UserError` for what is not known."""
    activation, clipped = "", False
    for item in described:
        name, kwargs = _item(item)
        if name in ("sigmoid", "softmax") and not activation:
            activation = name
        elif name == "clip":
            clipped = (kwargs.get("min"), kwargs.get("max")) == (0, 1)
        elif name == "binarize" and kwargs.get("threshold") == 0.5:
            continue
        elif name != "ensure_dtype":
            raise _unknown(name, say("postprocessing"))
    return AnswerRule(activation, clipped)


def _clip(kwargs: Mapping[str, Any], dims: int) -> Step:
    known = {"min", "max"}
    if not set(kwargs) <= known:
        raise _unknown(
            say("clip with {kwargs}", kwargs=sorted(set(kwargs) - known)[0]),
            say("preprocessing"),
        )
    low, high = (kwargs.get(name) for name in ("min", "max"))
    return Clip(
        None if low is None else float(low), None if high is None else float(high)
    )


def _linear(kwargs: Mapping[str, Any], dims: int) -> Step:
    _check_channel(kwargs)
    return Scale(_values(kwargs.get("gain", 1.0)), _values(kwargs.get("offset", 0.0)))


def _standard(kwargs: Mapping[str, Any], dims: int) -> Step:
    if kwargs.get("mode") == "fixed":
        return _fixed(kwargs, dims)
    joint = _joint(kwargs, dims)
    return Standardise(joint=joint, added=float(kwargs.get("eps", _TINY)))


def _fixed(kwargs: Mapping[str, Any], dims: int) -> Step:
    _check_channel(kwargs)
    deviation = tuple(value + _TINY for value in _values(kwargs["std"]))
    return Centre(_values(kwargs["mean"]), deviation)


def _spread(kwargs: Mapping[str, Any], dims: int) -> Step:
    if kwargs.get("reference_tensor"):
        raise _unknown(say("scale_range by another tensor"), say("preprocessing"))
    return Stretch(
        float(kwargs.get("min_percentile", 0.0)),
        float(kwargs.get("max_percentile", 100.0)),
        joint=_joint(kwargs, dims),
        added=float(kwargs.get("eps", _TINY)),
    )


_STEPS: dict[str, Callable[[Mapping[str, Any], int], Step]] = {
    "clip": _clip,
    "scale_linear": _linear,
    "zero_mean_unit_variance": _standard,
    "fixed_zero_mean_unit_variance": _fixed,
    "scale_range": _spread,
}


def _joint(kwargs: Mapping[str, Any], dims: int) -> bool:
    """Tell whether channels are measured together; space always is."""
    axes = kwargs.get("axes")
    if axes is None:
        return True
    named = {"c" if axis == "channel" else str(axis) for axis in axes}
    space = _SPACE if dims == 3 else _SPACE - {"z"}
    if named - {"b", "batch", "c"} != space:
        raise _unknown(
            say("normalisation along {named}", named="-".join(sorted(named))),
            say("preprocessing"),
        )
    return "c" in named


def _check_channel(kwargs: Mapping[str, Any]) -> None:
    """Raise `UserError` for values along another axis than that of the channels."""
    axis = kwargs.get("axis", "channel")
    if axis not in (None, "channel", "c"):
        raise _unknown(
            say("values along {axis!r}", axis=str(axis)[:20]), say("preprocessing")
        )


def _item(given: Mapping[str, Any]) -> tuple[str, Mapping[str, Any]]:
    name = str(given.get("id", given.get("name", "")))
    return name, given.get("kwargs") or {}


def _values(value: Any) -> tuple[float, ...]:
    return tuple(map(float, value)) if isinstance(value, list) else (float(value),)


def _unknown(name: str, where: str) -> UserError:
    return UserError(
        "the model has {name!r} in its {where}, which is not known here: this "
        "model cannot be read",
        name=name[:60],
        where=where,
    )
