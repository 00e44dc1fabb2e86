"""Scores in words: tables of equal width, with a line on how they were measured."""

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from sparseseg.language import say

if TYPE_CHECKING:
    from sparseseg.evaluation.estimate import DiceEstimate

_HEADS = {
    "iou": "IoU",
    "dice": "Dice",
    "voe": "VOE",
    "rvd": "RVD",
    "surface_distance": "ASSD",
    "hausdorff95": "HD95",
    "max_surface_distance": "max",
    "surface_dice": "sDice",
}
_NAME, _COLUMN = 16, 8


def as_table(scores: Mapping[str, Any], names: Mapping[int, str] | None = None) -> str:
    """Return the scores of each class, by its name, and the voxels that they are of."""
    scored = say(
        "on the {annotated:.1%} of the voxels not annotated",
        annotated=1 - scores["annotated"],
    )
    return "\n".join([*_table(scores, names or {}), scored])


def estimate_in_words(estimate: "DiceEstimate") -> str:
    """Say how good a prediction is between the slices, or why nothing can be said."""
    if estimate.mean is None:
        return estimate.reason
    words = say("estimated mean Dice {estimate}", estimate=estimate)
    return "; ".join(filter(None, (words, estimate.reason)))


def estimate_facts(estimate: "DiceEstimate") -> dict[str, Any]:
    """Return what other programs read: `reason`, if there is one, and `estimate`."""
    reason = {"reason": estimate.reason} if estimate.reason else {}
    return {**reason, "estimate": estimate.to_json()}


def as_tables(scores: Mapping[str, Any]) -> str:
    """Return the mean over several volumes and the scores of all voxels as one."""
    number = len(scores["cases"])
    lines = [
        say("per case, mean over {number} cases", number=number),
        *_table(scores["per_case"], {}),
        *_left_out(scores["counted"], number),
        "",
        say("global, all voxels as one volume"),
        *_table(scores["global"], {}),
    ]
    return "\n".join(lines)


def distances_in_words(unit: str, tolerance: float | None) -> str:
    """Return what the distances in a table are, and their unit."""
    words = say(
        "ASSD, HD95, max: mean, 95th percentile and largest distance in {unit}",
        unit=unit,
    )
    if tolerance is None:
        return words
    return say(
        "{words}\nsDice: share of the surfaces within {tolerance:g} {unit}",
        words=words,
        tolerance=tolerance,
        unit=unit,
    )


def burden_in_words(burden: Mapping[str, Any]) -> str:
    """Return the error of the tumour burden, and over how many cases it is."""
    if burden["rmse"] is None:
        return say("tumour burden: no case has the organ")
    return say(
        "tumour burden: RMSE {rmse:.4f} over {counted} cases",
        rmse=burden["rmse"],
        counted=burden["counted"],
    )


def _table(scores: Mapping[str, Any], names: Mapping[int, str]) -> Iterator[str]:
    measures = [name for name in _HEADS if name in scores]
    yield _line("", [_HEADS[name] for name in measures])
    for number in scores["iou"]:
        name = names.get(number, _plain(number))[: _NAME - 1]
        yield _line(name, [_cell(scores[m].get(number, "")) for m in measures])
    if not any(scores["iou"]):
        yield say("no class is in either: there is no mean")
        return
    means = [scores.get(f"mean_{name}", "") for name in measures]
    yield _line(say("mean of classes"), [_cell(mean) for mean in means])


def _line(name: str, cells: list[str]) -> str:
    columns = "".join(f"{cell:>{_COLUMN}}" for cell in cells)
    return f"{name:<{_NAME}}{columns}".rstrip()


def _cell(value: float | str | None) -> str:
    if isinstance(value, str):
        return value
    return "-" if value is None else f"{value:.3f}"


def _left_out(counted: Mapping[str, Mapping[int, int]], number: int) -> Iterator[str]:
    """Say which means go over fewer cases than there are."""
    for measure, of_class in counted.items():
        for c, cases in of_class.items():
            if cases < number:
                yield say(
                    "{measure} of {plain}: {cases} of {number} cases",
                    measure=_HEADS[measure],
                    plain=_plain(c),
                    cases=cases,
                    number=number,
                )


def _plain(number: int) -> str:
    return say("class {number}", number=number) if number else "background"
