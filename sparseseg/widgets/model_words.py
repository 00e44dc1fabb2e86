"""What the picker says of a model, and of how it fits an image."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sparseseg.classes import ClassTable
from sparseseg.data.units import PIXEL, Spacing, convert
from sparseseg.language import say, say_count
from sparseseg.models.store.entries import ModelEntry
from sparseseg.models.store.folder import Stored
from sparseseg.progress import uses_in_words

_FAR = 1.5
_BADGES = {
    "yes": say("commercial use allowed"),
    "no": say("not for commercial use"),
    "unclear": say("commercial use unclear"),
    "yours": say("your own model"),
}
_STATUS = {
    "format-verified": say(
        "reader checked against the library, these weights never run by us"
    ),
    "weights-verified": say("these very weights were run"),
    "unverified": say("not checked"),
}
_FORMATS = {
    "nnunet-v1": "nnU-Net 1",
    "nnunet-v2": "nnU-Net 2",
    "mlperf-kits19": "MLPerf",
    "monai-bundle": "MONAI",
    "bioimageio": "BioImage.IO",
}
_MEGA = 2**20


@dataclass(frozen=True, slots=True)
class Pick:
    """One line of the picker: a model that is known, here, or both."""

    id: str
    entry: ModelEntry | None = None
    stored: Stored | None = None

    @property
    def title(self) -> str:
        """Its name for people."""
        return self.entry.title if self.entry else self.id

    @property
    def commercial(self) -> str:
        """Whether it may be used commercially."""
        if self.entry:
            return self.entry.licence.commercial
        derived = self.stored.history.get("derived_from", {}) if self.stored else {}
        return str(derived.get("licence", {}).get("commercial", "yours"))

    @property
    def modality(self) -> str:
        """The kind of image it is for, if that is known."""
        return self.entry.modality if self.entry else ""

    @property
    def classes(self) -> Mapping[int, str]:
        """What it tells apart."""
        if self.stored and self.stored.is_whole:
            return self.stored.classes
        return self.entry.classes if self.entry else {}

    @property
    def spacing(self) -> Spacing | None:
        """Its voxel size z, y, x in mm."""
        plan = self._plan
        if plan:
            axes = plan.get("inference", {}).get("axes", [0, 1, 2])
            z, y, x = (plan["spacing"][axes.index(axis)] for axis in range(3))
            return z, y, x
        return self.entry.spacing if self.entry else None

    @property
    def unit(self) -> str:
        """The unit of its voxel size."""
        return str(self._plan.get("unit", "mm")) if self._plan else "mm"

    @property
    def range(self) -> tuple[float, float] | None:
        """The grey values that it expects, if that is known."""
        found = self._plan.get("inference", {}).get("normalisers", [])
        if found and found[0]["kind"] == "ct":
            return found[0]["low"], found[0]["high"]
        return self.entry.range if self.entry else None

    @property
    def origin(self) -> str:
        """What its file says of how it was trained."""
        history = self.stored.history if self.stored else {}
        trained = history.get("trained", {})
        if trained.get("format") in _FORMATS:
            words = [_FORMATS[trained["format"]], *map(str, _told(trained))]
            return say("Written by {words}.", words=", ".join(words))
        recipe = self.recipe
        if not recipe:
            return ""
        return say("Trained here with the recipe {recipe}.", recipe=recipe)

    @property
    def recipe(self) -> str:
        """The recipe that it follows, if it is here."""
        return str(self._plan.get("recipe", ""))

    @property
    def table(self) -> ClassTable:
        """Its classes; none if it is not here."""
        known = self.stored.description.get("classes") if self.stored else None
        return ClassTable() if known is None else ClassTable.from_json(known)

    @property
    def _plan(self) -> Mapping[str, Any]:
        return self.stored.description.get("plan", {}) if self.stored else {}


def _told(trained: Mapping[str, Any]) -> list[Any]:
    names = ("dataset", "trainer", "configuration")
    found = [trained[name] for name in names if trained.get(name)]
    folds = trained.get("folds")
    if not isinstance(folds, int) or not folds:
        return found
    return [*found, say_count("{count} fold", "{count} folds", folds)]


def fits(pick: Pick, *, word: str, modality: str, commercial: str, here: bool) -> bool:
    """Tell whether a model passes the filters; `word` is of organ, class or name."""
    organs = pick.entry.organ if pick.entry else ()
    words = " ".join((pick.id, pick.title, *organs, *pick.classes.values())).lower()
    return (
        word.lower() in words
        and modality in ("", pick.modality)
        and commercial in ("", pick.commercial)
        and (pick.stored is not None or not here)
    )


def line(pick: Pick) -> str:
    """Return the line of the list."""
    place = "\N{BLACK CIRCLE}" if pick.stored else "\N{WHITE CIRCLE}"
    return f"{place} {pick.title}"


def card(pick: Pick) -> str:
    """Return what is to be known of a model before it is used."""
    classes = ", ".join(f"{n} {name}" for n, name in pick.classes.items())
    entry, size = pick.entry, _size(pick)
    badge = _BADGES[pick.commercial]
    lines = [classes, say("{badge}; {size}.", badge=badge, size=size)]
    if pick.origin:
        lines.append(pick.origin)
    if entry:
        lines.append(_sentence(_STATUS[entry.status]))
        lines.append(
            say(
                "Weights: {weights}. Data: {data}.",
                weights=entry.licence.weights,
                data=entry.licence.data,
            )
        )
        lines += entry.citation
        lines += [entry.notes] if entry.notes else []
    if pick.stored:
        lines += map(_sentence, uses_in_words(pick.stored.history))
    return "\n".join(lines)


def fit_words(
    pick: Pick,
    spacing: Spacing | None,
    unit: str,
    grey: tuple[float, float] | None,
) -> tuple[str, bool]:
    """Compare a model with an image: words, and whether they are a warning."""
    if spacing is None:
        return say("Open an image to see whether the model fits it."), False
    compared = [_voxel_words(pick, spacing, unit)]
    if grey is not None and pick.range is not None:
        compared.append(_grey_words(grey, pick.range))
    told, warns = [words for words, _ in compared], any(bad for _, bad in compared)
    if warns:
        told.append(say("These do not match: try three slices before you trust it."))
    return "\n".join(told), warns


def _voxel_words(pick: Pick, spacing: Spacing, unit: str) -> tuple[str, bool]:
    """Compare the voxel sizes: words, and whether they are a warning."""
    known = pick.spacing
    if known is None:
        words = say("The file of the model contains its voxel size: download it first.")
        return words, False
    if PIXEL in (unit, pick.unit):
        words = say(
            "The model was trained on voxels of {times} {unit}.",
            times=_times(known),
            unit=pick.unit,
        )
        mend = say("Your image has no voxel size: set the layer's scale and units.")
        return f"{words}\n{mend}", True
    own = [convert(side, unit, pick.unit) for side in spacing]
    ratios = [a / b for a, b in zip(own, known, strict=True)]
    words = say(
        "Voxels z, y, x: yours {times}, the model's {model} {unit}.",
        times=_times(own),
        model=_times(known),
        unit=pick.unit,
    )
    return words, max(*ratios, *(1 / ratio for ratio in ratios)) > _FAR


def _grey_words(
    grey: tuple[float, float], known: tuple[float, float]
) -> tuple[str, bool]:
    """Compare the darkest and brightest values: words, and whether they are a warning."""
    (darkest, brightest), (low, high) = grey, known
    words = say(
        "Grey values: yours {darkest:g} to {brightest:g}, the model's "
        "{low:g} to {high:g}.",
        darkest=darkest,
        brightest=brightest,
        low=low,
        high=high,
    )
    is_narrow = brightest - darkest < (high - low) / 20
    return words, brightest < low or darkest > high or is_narrow


def _sentence(words: str) -> str:
    return say("{words}.", words=f"{words[0].upper()}{words[1:]}")


def _times(sides: Any) -> str:
    return " \N{MULTIPLICATION SIGN} ".join(f"{side:.3g}" for side in sides)


def _size(pick: Pick) -> str:
    if pick.stored:
        return say("here, {bytes:.0f} MB", bytes=pick.stored.bytes / _MEGA)
    known = pick.entry.files[0].bytes if pick.entry and pick.entry.files else None
    size = (
        say("{known:.0f} MB to fetch", known=known / _MEGA)
        if known
        else say("size not known")
    )
    return say("online, {size}", size=size)
