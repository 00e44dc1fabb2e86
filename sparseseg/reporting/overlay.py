"""A picture of a segmentation: three orthogonal slices with the classes over them."""

import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont
from PIL.ImageColor import getrgb
from scipy.ndimage import binary_dilation
from skimage.segmentation import find_boundaries

from sparseseg.classes import BACKGROUND, UNLABELLED, ClassTable
from sparseseg.data.atomic import replacing
from sparseseg.data.slices import AXES
from sparseseg.data.volume import Volume

Picture = NDArray[np.uint8]
Labels = NDArray[np.integer[Any]]

_WIDTH = 1400
_MARGIN = 20
_TEXT_SIZE = 24
_PAPER = (255, 255, 255)
_INK = (50, 50, 50)
_PERCENTILES = (1, 99)
_CLASS_OPACITY = 0.4
_MOSTLY = 0.5  # annotated: more than the lines in which other slices cross
_BACKGROUND_OPACITY = 0.3


def write_overlay(
    path: str | os.PathLike[str],
    volume: Volume,
    labels: Labels,
    table: ClassTable,
    *,
    annotation: NDArray[np.uint8] | None = None,
) -> None:
    """Write the picture that `overlay` makes as a PNG file."""
    picture = overlay(volume, labels, table, annotation=annotation)
    with replacing(path) as beside:
        Image.fromarray(picture).save(beside, format="PNG")


def overlay(
    volume: Volume,
    labels: Labels,
    table: ClassTable,
    *,
    annotation: NDArray[np.uint8] | None = None,
) -> Picture:
    """Paint slices across z, y, x: the annotation above, the labels below.

    They lie as far as can be from the annotated slices, where a prediction has to prove
    itself; without an annotation, in the middle. The first channel is shown in true proportions; the slices of a row have the same
    height, not the same scale. Returns an RGB picture, h, w, 3.
    """
    cuts = _cuts(volume, [_place(volume.shape, annotation, axis) for axis in range(3)])
    greys = _greys([cut.drawn(volume.array[0], smooth=True) for cut in cuts])
    rows = {} if annotation is None else {"annotation": annotation}
    strips: list[Picture] = []
    shown: set[int] = set()
    for title, values in {**rows, "prediction": labels}.items():
        planes = [cut.drawn(values, smooth=False) for cut in cuts]
        shown.update(*(map(int, np.unique(plane)) for plane in planes))
        strips.append(_captions(cuts, title))
        strips.append(_beside(list(map(_painter(table), greys, planes))))
    return _framed([*strips, _legend(table, shown, strips[0].shape[1])])


@dataclass(frozen=True, slots=True)
class _Cut:
    """One slice of the volume and how it is drawn."""

    axis: int
    index: int
    turned: bool
    """Whether z runs across the picture instead of down."""
    width: int
    height: int

    def drawn(self, array: NDArray[Any], *, smooth: bool) -> NDArray[Any]:
        """Return the slice of a z, y, x array at its size in the picture."""
        plane = array.take(self.index, axis=self.axis)
        upright = plane.T if self.turned else plane
        kind = np.float32 if smooth else np.uint8
        way = Image.Resampling.BICUBIC if smooth else Image.Resampling.NEAREST
        picture = Image.fromarray(np.ascontiguousarray(upright, kind))
        return np.asarray(picture.resize((self.width, self.height), way))

    @property
    def caption(self) -> str:
        """Where the slice lies, such as "z 50"."""
        return f"{AXES[self.axis]} {self.index}"


def _place(
    shape: tuple[int, ...], annotation: NDArray[np.uint8] | None, axis: int
) -> int:
    """Return the slice farthest from those that are mostly annotated."""
    places, middle = np.arange(shape[axis]), shape[axis] // 2
    if annotation is None:
        return middle
    others = tuple(other for other in range(3) if other != axis)
    share = np.count_nonzero(annotation, axis=others) / (annotation.size / shape[axis])
    annotated = np.flatnonzero(share > _MOSTLY)
    if not annotated.size or annotated.size == shape[axis]:
        return middle
    away = np.abs(places[:, None] - annotated).min(1)
    # What lies beyond all annotated slices is left to the ledger.
    inner = (places >= annotated[0]) & (places <= annotated[-1])
    chosen = np.where(inner, away, 0) if len(annotated) > 1 else away
    best = np.flatnonzero(chosen == chosen.max())
    return int(best[np.abs(best - middle).argmin()])


def _cuts(volume: Volume, places: Sequence[int]) -> list[_Cut]:
    """Lay three slices in a row; z runs along their longer side."""
    extent = [n * s for n, s in zip(volume.shape, volume.spacing, strict=True)]
    is_flat = extent[0] < extent[1]
    turned = [axis > 0 and is_flat for axis in range(3)]
    sides = [[e for a, e in enumerate(extent) if a != axis] for axis in range(3)]
    aspects = [
        down / across if turn else across / down
        for (down, across), turn in zip(sides, turned, strict=True)
    ]
    height = (_WIDTH - 4 * _MARGIN) / sum(aspects)
    return [
        _Cut(axis, at, turned[axis], max(1, round(height * aspect)), round(height))
        for axis, (at, aspect) in enumerate(zip(places, aspects, strict=True))
    ]


def _greys(planes: list[NDArray[np.float32]]) -> list[NDArray[np.float32]]:
    """Stretch the planes together to 0..255, less the darkest and brightest voxels."""
    values = np.concatenate([plane[np.isfinite(plane)] for plane in planes])
    low, high = np.percentile(values, _PERCENTILES) if values.size else (0, 0)
    scale = 255 / (high - low) if high > low else 0
    finite = (np.where(np.isfinite(plane), plane, low) for plane in planes)
    return [((plane - low) * scale).clip(0, 255) for plane in finite]


def _painter(table: ClassTable) -> "_Painter":
    colours = np.zeros((256, 3), np.float32)
    for number in (*table.numbers, BACKGROUND):
        colours[number] = getrgb(table.colour_of(number))
    opacity = np.full((256, 1), _CLASS_OPACITY, np.float32)
    opacity[UNLABELLED], opacity[BACKGROUND] = 0, _BACKGROUND_OPACITY
    return _Painter(colours, opacity)


@dataclass(frozen=True, slots=True)
class _Painter:
    """Colours and opacities by label value."""

    colours: NDArray[np.float32]
    opacity: NDArray[np.float32]

    def __call__(self, grey: NDArray[np.float32], labels: NDArray[np.uint8]) -> Picture:
        """Lay half transparent classes with solid outlines over a grey picture."""
        opacity = self.opacity[labels]
        painted = (1 - opacity) * grey[..., None] + opacity * self.colours[labels]
        is_class = (labels != UNLABELLED) & (labels != BACKGROUND)
        edge = find_boundaries(labels, mode="inner")
        outline = binary_dilation(edge) & is_class
        painted[outline] = self.colours[labels[outline]]
        return painted.astype(np.uint8)


def _captions(cuts: Sequence[_Cut], title: str) -> Picture:
    first, *others = cuts
    words = [f"{title}, {first.caption}", *(cut.caption for cut in others)]
    texts = zip(words, cuts, strict=True)
    return _beside([_text([(text, None)], cut.width) for text, cut in texts])


def _legend(table: ClassTable, shown: Iterable[int], width: int) -> Picture:
    names = {c.number: c.name for c in table.classes} | {BACKGROUND: "background"}
    entries = [(names[n], table.colour_of(n)) for n in sorted(shown) if n in names]
    return _text(entries, width)


def _text(entries: Sequence[tuple[str, str | None]], width: int) -> Picture:
    """Write words in a line, each after a square of its colour if it has one."""
    canvas = Image.new("RGB", (width, 2 * _TEXT_SIZE), _PAPER)
    draw, font = ImageDraw.Draw(canvas), ImageFont.load_default(_TEXT_SIZE)
    x, top = 0.0, _TEXT_SIZE // 2
    for words, colour in entries:
        if colour is not None:
            draw.rectangle((x, top, x + _TEXT_SIZE, top + _TEXT_SIZE), fill=colour)
            x += 1.5 * _TEXT_SIZE
        draw.text((x, 1.5 * _TEXT_SIZE), words, fill=_INK, font=font, anchor="ls")
        x += draw.textlength(words, font=font) + 1.5 * _TEXT_SIZE
    return np.asarray(canvas)


def _beside(pictures: Sequence[Picture]) -> Picture:
    gap = np.full((pictures[0].shape[0], _MARGIN, 3), _PAPER, np.uint8)
    return np.hstack([pictures[0], *(p for q in pictures[1:] for p in (gap, q))])


def _framed(strips: Sequence[Picture]) -> Picture:
    margin = ((_MARGIN // 2, _MARGIN // 2), (_MARGIN, _MARGIN), (0, 0))
    return np.pad(np.vstack(strips), margin, constant_values=_PAPER[0])
