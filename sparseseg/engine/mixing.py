"""Answers that are made of others: their mean, or each class by what is best at it."""

from collections.abc import Callable, Collection, Mapping, Sequence
from functools import partial
from typing import Literal

import torch
from torch import Tensor, nn

from sparseseg.boxes import Box
from sparseseg.engine.predictor import Predictor, network_probabilities
from sparseseg.engine.propagation import Walk, interpolated, mixed
from sparseseg.progress import Method
from sparseseg.recipes import Answering, Scene

Part = Literal["network", "unguided", "trees", "beside", "walker", "interpolation"]
"""What answers on its own; "beside" are trees that stand beside a network in a mean."""

SHARES: Mapping[Method, Mapping[Part, float]] = {
    "network": {"network": 1},
    "unguided": {"unguided": 1},
    "forest": {"beside": 2 / 3, "unguided": 1 / 3},
    "trees": {"trees": 1},
    "mixed": {"network": 2 / 3, "walker": 1 / 3},
    "near": {"beside": 2 / 9, "unguided": 1 / 9, "walker": 2 / 3},
    "walked": {"walker": 2 / 3, "network": 1 / 3},
    "walker": {"walker": 1},
    "interpolation": {"interpolation": 1},
}
"""What a method takes the geometric mean of, and how much each counts.

A network may know what no walker ever reaches; where it errs, the walker often does not.
A forest counts most beside a network, which is too sure if it knows a few slices.
"""


def without_annotation(recipe: Answering) -> Method:
    """Return what answers in a volume that nobody annotated: a forest helps if there is one."""
    return "forest" if recipe.has_classifiers else "network"


Mix = Callable[[Tensor, Box], Tensor]
"""Mixes what a network says of a box with another answer."""


def made_of(method: Method, model: Predictor) -> tuple[Method, ...]:
    """Return the methods that answer: one, or those that classes are taken from."""
    if method != "classwise":
        return (method,)
    return tuple(dict.fromkeys(model.by_class.values()))


def parts_of(methods: Collection[Method]) -> set[Part]:
    """Return what has to answer so that all these methods can."""
    return {part for method in methods for part in SHARES[method]}


def told_by(method: Method, model: Predictor, parts: Mapping[Part, Tensor]) -> Tensor:
    """Return the answer (k, z, y, x) of any method from those of its parts."""
    if method != "classwise":
        return combined(method, parts)
    answers = {each: combined(each, parts) for each in made_of(method, model)}
    return of_classes(model, answers)


def of_classes(model: Predictor, answers: Mapping[Method, Tensor]) -> Tensor:
    """Take each class from its own answer (k, z, y, x), and the background from their mean."""
    mean = torch.stack([*answers.values()]).mean(0)
    by_class = model.by_class
    chosen = [by_class.get(value) for value in model.plan.classes]
    told = [
        (answers[method] if method else mean)[output]
        for output, method in enumerate(chosen)
    ]
    found = torch.stack(told)
    return found / found.sum(0).clamp_min(_LEAST)


_LEAST = 1e-6


def combined(method: Method, parts: Mapping[Part, Tensor]) -> Tensor:
    """Return the answer (k, z, y, x) of a method from those of its parts."""
    (first, total), *others = SHARES[method].items()
    found = parts[first]
    for part, share in others:
        total += share
        found = mixed(found, parts[part], share=1 - share / total)
    return found


def needs(method: Method, model: Predictor, *parts: Part) -> bool:
    """Tell whether a method asks one of these parts."""
    return not parts_of(made_of(method, model)).isdisjoint(parts)


def seen_by(method: Method, model: Predictor, scene: Scene) -> Scene:
    """Return what a network sees of a scene: where no slices lead it, the image alone."""
    is_bare = needs(method, model, "unguided", "trees", "beside")
    is_led = needs(method, model, "network")
    return scene.without(scene.slices) if is_bare and not is_led else scene


def of_trees(
    recipe: Answering, network: nn.Module, natural: Tensor
) -> dict[Part, Tensor]:
    """Return what trees answer alone, and beside a network, from what they say (k, ...)."""
    return {
        "trees": recipe.favoured(network, natural, beside=False),
        "beside": recipe.favoured(network, natural, beside=True),
    }


def favour(recipe: Answering, network: nn.Module, method: Method) -> float:
    """Return the power of how frequent an output is, that the answer of a method is over."""
    favours = {
        "trees": recipe.favour(network, beside=False),
        "beside": recipe.favour(network, beside=True),
    }
    return sum(share * favours.get(part, 0.0) for part, share in SHARES[method].items())


def by_network(methods: Collection[Method]) -> float:
    """Return how much of some answers is the network's, with guidance or without."""
    shares = [SHARES[method].get(part, 0.0) for method in methods for part in _NETWORKS]
    return sum(shares) / len(methods)


_NETWORKS: tuple[Part, ...] = ("network", "unguided")


def alone(
    method: Method, model: Predictor, scene: Scene, walked: Walk | None
) -> Callable[[Box], Tensor] | None:
    """Return what answers in place of a network, or None if it is needed."""
    if needs(method, model, *_NETWORKS):
        return None
    if method == "classwise":
        return partial(_classwise, walked, model, scene, None)
    if method == "trees":
        return partial(told_by_trees, model, scene, beside=False)
    return walked or partial(interpolated, scene)


def mix_of(
    method: Method, model: Predictor, scene: Scene, walked: Walk | None
) -> Mix | None:
    """Return how a method mixes what the network says, or None if it does not."""
    if method in ("forest", "classwise"):
        together = _with_forest if method == "forest" else partial(_classwise, walked)
        return partial(together, model, scene)
    if walked is None or not needs(method, model, "walker"):
        return None
    has_forest = method == "mixed" and model.recipe.has_classifiers
    is_single = has_forest and len(scene.slices) == 1
    if not is_single and method != "near":
        return partial(_with_walk, method, walked)
    share = _OF_ONE_SLICE if is_single else _NEAR
    return partial(_with_both, model, scene, walked, share=share)


def weighed(mix: Mix | None, factors: Sequence[float]) -> Mix | None:
    """Return what mixes, and then multiplies outputs by factors (k), if there are any."""
    return partial(_weighed, mix, factors) if factors else mix


def _weighed(
    mix: Mix | None, factors: Sequence[float], found: Tensor, box: Box
) -> Tensor:
    answer = mix(found, box) if mix else found
    answer = answer * answer.new_tensor(factors)[:, None, None, None]
    return answer / answer.sum(0)


def told_by_trees(model: Predictor, scene: Scene, box: Box, *, beside: bool) -> Tensor:
    """Return what trees answer of a box (k, z, y, x), alone or `beside` a network."""
    with torch.inference_mode():
        natural = model.recipe.trees(model.network, scene, box)
        return model.recipe.favoured(model.network, natural, beside=beside)


def _classwise(
    walked: Walk | None, model: Predictor, scene: Scene, found: Tensor | None, box: Box
) -> Tensor:
    """Ask all methods that classes are taken from; `found` is what the network said."""
    needed = parts_of(made_of("classwise", model))
    bare = scene.without(scene.slices)
    parts: dict[Part, Tensor] = {}
    if found is not None:
        parts["network" if "network" in needed else "unguided"] = found
    if "unguided" in needed - parts.keys():
        parts["unguided"] = network_probabilities(model, bare, box)
    if needed & {"trees", "beside"}:
        with torch.inference_mode():
            natural = model.recipe.trees(model.network, bare, box)
            parts |= of_trees(model.recipe, model.network, natural)
    if walked is not None:
        parts["walker"] = walked(box)
    return told_by("classwise", model, parts)


def _with_forest(model: Predictor, scene: Scene, found: Tensor, box: Box) -> Tensor:
    trees = told_by_trees(model, scene, box, beside=True)
    return combined("forest", {"beside": trees, "unguided": found})


def _with_both(
    model: Predictor,
    scene: Scene,
    walked: Walk,
    found: Tensor,
    box: Box,
    *,
    share: float,
) -> Tensor:
    """Mix what is learned of grey values, which has this share, with a walk."""
    learned = _with_forest(model, scene, found, box)
    return mixed(learned, walked(box), share)


_NEAR, _OF_ONE_SLICE = 1 - SHARES["near"]["walker"], 4 / 5


def _with_walk(method: Method, walked: Walk, found: Tensor, box: Box) -> Tensor:
    return combined(method, {"network": found, "walker": walked(box)})
