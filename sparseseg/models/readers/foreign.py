"""What the adapters of foreign formats share: from names and numbers to a model."""

import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from sparseseg.classes import BACKGROUND, PALETTE, ClassTable, LabelClass
from sparseseg.data.intensity import GreyCurve
from sparseseg.engine.model import Model
from sparseseg.errors import UserError
from sparseseg.language import say
from sparseseg.recipes.plan import Plan
from sparseseg.recipes.pretrained import Inference, Normaliser
from sparseseg.recipes.pretrained.folds import Folds
from sparseseg.recipes.pretrained.inference import Orientation
from sparseseg.recipes.pretrained.networks import made

_PLAIN = GreyCurve((0.0, 1.0), (0.0, 1.0))
_MOST_CLASSES = 254


@dataclass(frozen=True, slots=True, kw_only=True)
class ForeignFacts:
    """What a file does not say of a model, and its entry in the index or a person does."""

    classes: Mapping[int, str] = field(default_factory=dict)
    orientation: Orientation = "stored"
    folds: tuple[str, ...] = ()
    """Of those that are there; all if none is named."""
    configuration: str = ""
    """Which of several networks, for example 3d_fullres."""
    history: Mapping[str, Any] = field(default_factory=dict)
    """What is kept with the model: where it is from, and its licence."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Foreign:
    """A model as an adapter has read it."""

    network: Mapping[str, Any]
    """Which network; see `recipes.pretrained.networks.made`."""
    states: Sequence[Mapping[str, Tensor]]
    """The weights of each fold under the names of that network."""
    spacing: tuple[float, float, float]
    unit: str = "mm"
    patch: tuple[int, int, int]
    labels: Sequence[int]
    """The label of each output in order; without background where outputs overlap."""
    names: Mapping[int, str]
    inference: Inference
    trained: Mapping[str, Any]
    """What the file says of its training."""
    licence: str = ""
    """What the file says that one may do with the weights."""


def assembled(foreign: Foreign, given: ForeignFacts) -> Model:
    """Return the model; raise `UserError` where the weights are not its network's."""
    regions = foreign.inference.regions
    outputs = len(foreign.labels)
    networks = [
        _network(len(foreign.inference.normalisers), outputs, foreign.network, state)
        for state in foreign.states
    ]
    values = [value for value in foreign.labels if value != 0]
    if len(values) > _MOST_CLASSES or max(values, default=0) > _MOST_CLASSES:
        raise UserError(
            "the model has {values} classes, and an annotation can hold "
            "{most_classes}: this model cannot be read",
            values=max(values),
            most_classes=_MOST_CLASSES,
        )
    background = (BACKGROUND,) if regions or 0 in foreign.labels else ()
    names = {**foreign.names, **given.classes}
    plan = Plan(
        recipe="pretrained",
        outputs=(*background, *values),
        spacing=foreign.spacing,
        unit=foreign.unit,
        curves=tuple(map(_curve, foreign.inference.normalisers)),
        patch=foreign.patch,
        network={**foreign.network, "folds": len(networks)},
        inference=foreign.inference.to_json(),
    )
    # Once through its checks, as if it came from a file of ours.
    plan = Plan.from_json(plan.to_json())
    history = {**_origin(foreign), **given.history}
    network = Folds(networks)
    network.fresh.zero_()
    return Model(plan, class_table(values, names), network=network, history=history)


def _origin(foreign: Foreign) -> dict[str, Any]:
    """Return what is kept of where a model came from."""
    found: dict[str, Any] = {"trained": dict(foreign.trained)}
    if foreign.licence:
        # Whether it allows commercial use is for a person to read.
        licence = {"weights": foreign.licence, "commercial": "unclear"}
        found["derived_from"] = {"licence": licence}
    return found


def class_table(values: Sequence[int], names: Mapping[int, str]) -> ClassTable:
    """Return a table of classes, each with a name of its own."""
    taken: set[str] = set()
    classes = []
    for value in sorted(set(values)):
        name = _printable(names.get(value, "")) or f"class {value}"
        if name in taken:
            name = f"{name[:70]} {value}"
        taken.add(name)
        classes.append(LabelClass(value, name, PALETTE[(value - 1) % len(PALETTE)]))
    return ClassTable(tuple(classes))


def renamed(
    state: Mapping[str, Any], patterns: Sequence[tuple[str, str]], *, source: str
) -> dict[str, Tensor]:
    """Return weights under our names; each name has to match one of the patterns.

    Raises `UserError` for a weight that the network does not have.
    """
    compiled = [(re.compile(pattern), new) for pattern, new in patterns]
    result: dict[str, Tensor] = {}
    for name, tensor in state.items():
        found = next(((p, new) for p, new in compiled if p.fullmatch(name)), None)
        if found is None or not isinstance(tensor, Tensor):
            raise UserError(
                "{source} holds {name!r}, which no network that sparseseg knows "
                "has: this model cannot be read",
                source=source,
                name=name[:80],
            )
        result[found[0].sub(found[1], name)] = tensor
    return result


def chosen_folds(there: Sequence[str], given: ForeignFacts) -> list[str]:
    """Return the folds to read; raise `UserError` for one that is not there."""
    missing = [fold for fold in given.folds if fold not in there]
    if missing or not there:
        if not there:
            raise UserError("the model has no fold: fetch it again")
        raise UserError(
            "the model has no fold {missing}, it has {there}",
            missing=", ".join(missing),
            there=", ".join(there),
        )
    return sorted(given.folds or there)


@contextmanager
def reading(folder: Path, library: str) -> Iterator[None]:
    """Raise `UserError` for what is not laid out as a library does."""
    try:
        yield
    except (
        LookupError,
        TypeError,
        ValueError,
        ArithmeticError,
        AttributeError,
    ) as error:
        raise UserError(
            "the model in {name} does not have the layout of {library} "
            "({kind}: {error}): fetch it again",
            name=folder.name,
            library=library,
            kind=type(error).__name__,
            error=error,
        ) from error


def _network(
    channels: int, outputs: int, given: Mapping[str, Any], state: Mapping[str, Tensor]
) -> nn.Module:
    # Without memory at first: what a file asks for may be more than there is.
    with torch.device("meta"):
        network = made(channels, outputs, given)
    wanted = {name: tuple(t.shape) for name, t in network.state_dict().items()}
    found = {name: tuple(t.shape) for name, t in state.items()}
    if wanted != found:
        name = sorted(wanted.items() ^ found.items())[0][0]
        raise UserError(
            "the weights are not those of the network that the model names: {name} "
            "is {found} and should be "
            "{wanted}",
            name=name,
            found=found.get(name, say("missing")),
            wanted=wanted.get(name, say("absent")),
        )
    if not all(bool(torch.isfinite(t).all()) for t in state.values()):
        raise UserError("the weights hold values that are not numbers: fetch it again")
    network.load_state_dict(
        {name: _single(tensor) for name, tensor in state.items()}, assign=True
    )
    return network.eval()


def _single(tensor: Tensor) -> Tensor:
    return tensor.float() if tensor.is_floating_point() else tensor


def _curve(normaliser: Normaliser) -> GreyCurve:
    if normaliser.kind != "ct" or normaliser.low >= normaliser.high:
        return _PLAIN
    ends = normaliser.low, normaliser.high
    low, high = ((end - normaliser.mean) / normaliser.deviation for end in ends)
    return GreyCurve(ends, (low, high))


def _printable(name: str) -> str:
    return "".join(c for c in str(name) if c.isprintable()).strip()[:76]
