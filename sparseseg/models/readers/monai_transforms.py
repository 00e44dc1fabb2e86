"""Transforms of MONAI as switches of our predictor; others are refused by their name."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sparseseg.errors import UserError
from sparseseg.language import say
from sparseseg.models.readers.described import Literals
from sparseseg.recipes.pretrained.steps import Centre, Clip, Scale, Step, Stretch
from sparseseg.recipes.pretrained.steps import Standardise as Standard

# What only loads, or changes type or order of axes as our own reading does.
_LOADING = {"LoadImage", "EnsureChannelFirst", "EnsureType", "ToTensor", "CastToType"}
_SAVING = {"SaveImage", "EnsureType", "ToTensor"}
# What says where a transform takes its input from, and not what it does.
_WIRING = {
    "keys", "allow_missing_keys", "dtype", "device", "to_tensor", "transform",
    "orig_keys", "meta_keys", "orig_meta_keys", "meta_key_postfix", "_desc_",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class InputRule:
    """What is done to a volume before the network sees it."""

    steps: tuple[Step, ...]
    spacing: tuple[float, float, float] | None
    """In the order of the network's axes, in mm."""
    turned: bool
    """Whether it is turned to right-anterior-superior."""
    resample_first: bool


@dataclass(frozen=True, slots=True)
class OutputRule:
    """What is done to the answer of the network."""

    regions: bool
    activate_first: bool


def plain(transform: Mapping[str, Any], literals: Literals) -> dict[str, Any]:
    """Return what a transform does, as plain values; only its name if it does nothing."""
    target = str(transform.get("_target_", ""))
    if name_of(target) in _LOADING | _SAVING:
        return {"_target_": target}
    kept = {name: value for name, value in transform.items() if name not in _WIRING}
    found: dict[str, Any] = literals.value(kept)
    return found


def preparing(transforms: Sequence[Mapping[str, Any]], dims: int) -> InputRule:
    """Read the preprocessing; raise `UserError` for what is not known."""
    steps: list[Step] = []
    spacing, turned, first = None, False, True
    for transform in transforms:
        name = name_of(transform["_target_"])
        if name in _LOADING:
            continue
        if name in ("Orientation", "Spacing") and dims != 3:
            raise UserError(
                "the bundle has {name} in 2-D, which is not known here", name=name
            )
        if name == "Orientation":
            turned = _turned(transform)
        elif name == "Spacing":
            spacing, first = _spacing(transform), not steps
        elif name in _GREY:
            if spacing and not first:
                raise UserError(
                    "the bundle changes grey values before and after Spacing, and "
                    "sparseseg only knows one of both: this bundle cannot be read"
                )
            steps += _GREY[name](_Arguments(name, transform))
        else:
            raise _unknown(name, say("preprocessing"))
    return InputRule(tuple(steps), spacing, turned, first)


def finishing(transforms: Sequence[Mapping[str, Any]], outputs: int) -> OutputRule:
    """Read the postprocessing; raise `UserError` for what is not known."""
    known = {name_of(transform["_target_"]): transform for transform in transforms}
    order = [name for name in known if name not in _SAVING]
    for name in order:
        if name not in ("Activations", "Invert", "AsDiscrete"):
            raise _unknown(name, say("postprocessing"))
    regions = outputs == 1
    if "Activations" in known:
        regions = _activation(known["Activations"])
    if "AsDiscrete" in known:
        _check_discrete(known["AsDiscrete"], regions=regions)
    if "Invert" not in known:
        return OutputRule(regions, activate_first=True)
    inverse = order.index("Invert")
    if known["Invert"].get("nearest_interp", True) or "AsDiscrete" in order[:inverse]:
        raise UserError(
            "the bundle inverts labels instead of probabilities, or with nearest_interp, "
            "which is not known here: this bundle cannot be read"
        )
    return OutputRule(regions, activate_first="Activations" in order[:inverse])


class _Arguments:
    """The arguments of a transform; those that nobody asked for are refused."""

    def __init__(self, name: str, given: Mapping[str, Any]) -> None:
        self.name = name
        self._given = {k: v for k, v in given.items() if k != "_target_"}

    def get(self, name: str, usual: Any) -> Any:
        return self._given.pop(name, usual)

    def number(self, name: str, usual: float | None = None) -> float:
        """Return an argument that has to be a number; raises `UserError` if not."""
        value = self.get(name, usual)
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise UserError(
                "{name} of the bundle has {argument} {value!r}, and a number is "
                "needed: this bundle cannot be read",
                name=self.name,
                argument=name,
                value=value,
            )
        return float(value)

    def check_rest(self) -> None:
        """Raise `UserError` where an argument was given that nobody asked for."""
        wrong = [k for k, v in self._given.items() if v not in (None, False)]
        if wrong:
            raise UserError(
                "{name} of the bundle has {wrong} "
                "{given}, which is not known here: this "
                "bundle cannot be read",
                name=self.name,
                wrong=wrong[0],
                given=str(self._given[wrong[0]])[:40],
            )


def _range(given: _Arguments) -> list[Step]:
    low, high = given.number("a_min"), given.number("a_max")
    steps: list[Step] = [Centre((low,), (high - low if high != low else 1.0,))]
    return steps + _mapped(given)


def _mapped(given: _Arguments) -> list[Step]:
    """Return how 0..1 is brought to b_min..b_max, and cut there if wanted."""
    low, high = given.get("b_min", None), given.get("b_max", None)
    clip = bool(given.get("clip", False))
    given.check_rest()
    steps: list[Step] = []
    if low is not None and high is not None:
        low, high = float(low), float(high)
        if (low, high) != (0.0, 1.0):
            steps.append(Scale((high - low,), (low,)))
    if clip:
        steps.append(Clip(low, high))
    return steps


def _percentiles(given: _Arguments) -> list[Step]:
    low, high = given.number("lower"), given.number("upper")
    joint = not given.get("channel_wise", False)
    return [Stretch(low, high, joint=joint), *_mapped(given)]


def _extent(given: _Arguments) -> list[Step]:
    low, high = given.number("minv", 0.0), given.number("maxv", 1.0)
    joint = not given.get("channel_wise", False)
    given.check_rest()
    return [Stretch(joint=joint), Scale((high - low,), (low,))]


def _standard(given: _Arguments) -> list[Step]:
    mean, deviation = given.get("subtrahend", None), given.get("divisor", None)
    nonzero = bool(given.get("nonzero", False))
    joint = not given.get("channel_wise", False)
    given.check_rest()
    if mean is None and deviation is None:
        return [Standard(joint=joint, nonzero=nonzero)]
    if nonzero or mean is None or deviation is None:
        raise UserError(
            "NormalizeIntensity of the bundle has only one of subtrahend and divisor, or "
            "nonzero as well, which is not known here: this bundle cannot be read"
        )
    return [Centre(_values(mean), tuple(v or 1.0 for v in _values(deviation)))]


_GREY: dict[str, Callable[[_Arguments], list[Step]]] = {
    "ScaleIntensityRange": _range,
    "ScaleIntensityRangePercentiles": _percentiles,
    "ScaleIntensity": _extent,
    "NormalizeIntensity": _standard,
}


def _values(value: Any) -> tuple[float, ...]:
    return tuple(map(float, value)) if isinstance(value, list) else (float(value),)


def name_of(target: str) -> str:
    """Return the name of a transform without what says that it takes a dictionary."""
    name = target.rsplit(".", 1)[-1]
    return name.removesuffix("Dict").removesuffix("d").removesuffix("D")


def _turned(transform: Mapping[str, Any]) -> bool:
    codes = str(transform.get("axcodes"))
    if codes.upper() != "RAS":
        raise UserError(
            "the bundle turns volumes to {codes!r}, and sparseseg only knows RAS: "
            "this bundle cannot be read",
            codes=codes[:20],
        )
    return True


def _spacing(transform: Mapping[str, Any]) -> tuple[float, float, float]:
    given = _Arguments("Spacing", transform)
    sides, mode = given.get("pixdim", None), given.get("mode", "bilinear")
    edge = given.get("padding_mode", "border")
    given.check_rest()
    sides = [sides] * 3 if isinstance(sides, int | float) else sides
    if mode not in ("bilinear", ["bilinear"]) or edge not in ("border", ["border"]):
        raise UserError(
            "the bundle resamples by {mode!r}, {edge!r}, and sparseseg only knows "
            "'bilinear', 'border': this bundle cannot be read",
            mode=mode,
            edge=edge,
        )
    if not isinstance(sides, list) or len(sides) != 3 or not min(sides) > 0:
        raise UserError(
            "the bundle has voxels of {sides} mm: sparseseg needs three sides above 0",
            sides=str(sides)[:60],
        )
    x, y, z = map(float, sides)
    return x, y, z


def _activation(transform: Mapping[str, Any]) -> bool:
    sigmoid, softmax = (bool(transform.get(k)) for k in ("sigmoid", "softmax"))
    if sigmoid == softmax or transform.get("other"):
        raise UserError(
            "the bundle has an activation that is neither softmax nor sigmoid: this "
            "bundle cannot be read"
        )
    return sigmoid


def _check_discrete(transform: Mapping[str, Any], *, regions: bool) -> None:
    threshold = transform.get("threshold", 0.5 if regions else None)
    argmax = bool(transform.get("argmax"))
    wrong = argmax if regions else not argmax or threshold is not None
    if wrong or transform.get("to_onehot") or threshold not in (None, 0.5):
        raise UserError(
            "the bundle makes labels in a way that is not known here: sparseseg knows "
            "softmax with argmax, and sigmoid with the threshold 0.5"
        )


def _unknown(name: str, where: str) -> UserError:
    return UserError(
        "the bundle has {name!r} in its {where}, which is not known here: this "
        "bundle cannot be read",
        name=name[:60],
        where=where,
    )
