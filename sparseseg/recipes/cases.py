"""Volumes with their annotations: what there is to be learned from them."""

from collections.abc import Iterator, Sequence
from typing import Any

from numpy.typing import NDArray

from sparseseg.classes import BACKGROUND, ClassTable
from sparseseg.data.intensity import channel_of
from sparseseg.data.labels import SparseLabels
from sparseseg.data.volume import Volume
from sparseseg.errors import UserError
from sparseseg.language import say

Case = tuple[Volume, SparseLabels]


def named(cases: Sequence[Case], known: ClassTable) -> ClassTable:
    """Return a table of all classes, with the names of the annotations where given."""
    named = {entry.number: entry for entry in known.classes}
    for _, labels in cases:
        plain = ClassTable.numbered(set(labels.numbers()) - set(named))
        named |= {entry.number: entry for entry in plain.classes}
        given = labels.table.classes if labels.has_names else ()
        named |= {entry.number: entry for entry in given}
    return ClassTable(tuple(named[number] for number in sorted(named)))


def outputs_of(cases: Sequence[Case]) -> tuple[int, ...]:
    """Return the annotation values that a network has to tell apart, background first."""
    if not cases:
        raise UserError("there is nothing to train on: give an image and an annotation")
    numbers = sorted({number for _, labels in cases for number in labels.numbers()})
    background = any(labels.has_background() for _, labels in cases)
    return (BACKGROUND, *numbers) if background else tuple(numbers)


def channels_of(volumes: Sequence[Volume]) -> Iterator[tuple[NDArray[Any], ...]]:
    """Yield each channel, of all volumes; of one on disk, a part of a few planes."""
    for channel in range(volumes[0].channels):
        yield tuple(channel_of(volume.array, channel) for volume in volumes)


def check(cases: Sequence[Case], outputs: Sequence[int]) -> None:
    """Raise `UserError` for volumes and annotations that nothing can be learned from."""
    for volume, labels in cases:
        if labels.shape != volume.shape:
            raise UserError(
                "the annotation has shape {shape} and the image {volume_shape} "
                "(z, y, x): annotate this image",
                shape=labels.shape,
                volume_shape=volume.shape,
            )
    channels = {volume.channels for volume, _ in cases}
    if len(channels) > 1:
        raise UserError(
            "the images have {channels} channels: train on images of one kind",
            channels=sorted(channels),
        )
    if not outputs:
        raise UserError("nothing is annotated yet: paint at least one slice")
    if len(outputs) == 1:
        raise UserError(_only_one(outputs[0]))


def _only_one(value: int) -> str:
    if value == BACKGROUND:
        only, missing = (
            say("background"),
            say("paint what you want to find as a class (1 to 254)"),
        )
    else:
        only = say("class {number}", number=value)
        missing = say("paint its surroundings as background (255) or as another class")
    return say(
        "only {only} is annotated, and a model needs at least two kinds of voxels: "
        "{missing}",
        only=only,
        missing=missing,
    )
