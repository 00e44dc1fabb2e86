"""The sizes that a network can take, and the sentence for those it cannot."""

from collections.abc import Sequence

from sparseseg.errors import UserError
from sparseseg.language import say


def check_multiple(name: str, shape: Sequence[int], multiple: Sequence[int]) -> None:
    """Raise `UserError`, with the nearest legal sizes, where a side is no multiple."""
    axes = "zyx"[-len(shape) :]
    wrong = [
        say(
            "{size} across {axis}, the nearest {nearest}",
            size=size,
            axis=axis,
            nearest=_nearest(size, step),
        )
        for axis, size, step in zip(axes, shape, multiple, strict=True)
        if size % step or size == 0
    ]
    if wrong:
        steps = " x ".join(map(str, multiple))
        raise UserError(
            "{name} takes sides that are multiples of {steps}, got {wrong}",
            name=name,
            steps=steps,
            wrong="; ".join(wrong),
        )


def _nearest(size: int, step: int) -> str:
    below = size // step * step
    if not below:
        return say("is {size}", size=step)
    return say("are {below} and {above}", below=below, above=below + step)
