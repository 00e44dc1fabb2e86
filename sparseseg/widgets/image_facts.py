"""What the card of step 1 says of an image."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from sparseseg.data.units import PIXEL
from sparseseg.language import say
from sparseseg.widgets.channels import channel_layers
from sparseseg.widgets.file_facts import facts_in
from sparseseg.widgets.geometry import channel_names, spacing_of

if TYPE_CHECKING:
    from napari.layers import Image

    from sparseseg.data.anatomy import Anatomy

_SPATIAL = 3
_TILTED = 0.5  # degrees


@dataclass(frozen=True, slots=True)
class ImageFacts:
    """What the user should check before painting, in words."""

    shape: str
    channels: str
    orientation: str
    """Empty where the file does not say it."""
    orientation_in_words: str
    remarks: tuple[str, ...]


def facts_of(layer: "Image") -> ImageFacts:
    """Describe a checked image layer."""
    known = facts_in(layer.metadata)
    anatomy = known.anatomy if known else None
    return ImageFacts(
        shape=_times(map(str, layer.data.shape[-_SPATIAL:])),
        channels=_channels(layer),
        orientation=_orientation(anatomy) if anatomy else "",
        orientation_in_words=_in_words(anatomy) if anatomy else "",
        remarks=tuple(_remarks(layer, anatomy)),
    )


def _channels(layer: "Image") -> str:
    own = layer.data.shape[0] if layer.ndim > _SPATIAL else 1
    names = channel_names(layer)
    count = own + len(channel_layers(layer))
    return f"{count} ({', '.join(names)})" if names else str(count)


def _orientation(anatomy: "Anatomy") -> str:
    z, y, x = anatomy.directions
    return f"{x}, {y}, {z} ({anatomy.stored}, {_hand(anatomy)})"


def _in_words(anatomy: "Anatomy") -> str:
    axes = zip("zyx", anatomy.words, anatomy.planes, strict=True)
    lines = [
        say("{axis} runs from {way}: slices are {name}", axis=axis, way=way, name=name)
        for axis, way, name in axes
    ]
    order = say(
        "{stored} is the order for x, y, z; it is {hand}",
        stored=anatomy.stored,
        hand=_hand(anatomy),
    )
    return "\n".join([*lines, order])


def _hand(anatomy: "Anatomy") -> str:
    return say("right-handed") if anatomy.right_handed else say("left-handed")


def _remarks(layer: "Image", anatomy: "Anatomy | None") -> Iterator[str]:
    yield from _remarks_on_size(layer)
    flat = [
        axis for axis, n in zip("zyx", layer.data.shape[-3:], strict=True) if n == 1
    ]
    if flat:
        yield say(
            "The image has a single slice across {flat}: there is nothing "
            "between slices to predict.",
            flat=", ".join(flat),
        )
    if anatomy is not None and anatomy.tilt > _TILTED:
        yield say(
            "The scan is tilted by {tilt:.0f}\N{DEGREE SIGN} against the "
            "patient. It is shown along its own slices; saved files keep the tilt.",
            tilt=anatomy.tilt,
        )


def _remarks_on_size(layer: "Image") -> Iterator[str]:
    spacing, unit = spacing_of(layer)
    names = {str(name) for name in layer.units[-_SPATIAL:]}
    if unit == PIXEL and len(names) > 1:
        yield say(
            "The axes have different units ({names}), so their "
            "spacing is left out: choose one unit above.",
            names=", ".join(sorted(names)),
        )
    elif unit == PIXEL and len(set(spacing)) == 1:
        yield say(
            "No voxel size is known, so voxels count as cubes. If they are not, type the "
            "size above before you annotate."
        )


def _times(parts: Iterable[str]) -> str:
    return " \N{MULTIPLICATION SIGN} ".join(parts)
