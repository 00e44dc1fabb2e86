"""The volumes of a batch that need a person most, to be annotated in a project."""

from pathlib import Path

from sparseseg.batch.items import SETTINGS, STATE_FOLDER, Item, find_items
from sparseseg.batch.manifest import Manifest
from sparseseg.batch.settings import BatchSettings, read_settings
from sparseseg.errors import UserError
from sparseseg.reporting.triage import worst_first


def worst_images(output: Path, count: int) -> list[Path]:
    """Return the images of the first volumes in the report of a batch.

    `output` is the folder of its predictions, or the report in it. Volumes that failed
    are left out: they cannot be read. Raises `UserError` for a folder without a batch.
    """
    if count < 1:
        raise UserError("--worst is 1 or more, got {count}", count=count)
    folder = output.parent if output.is_file() else output
    known = folder / STATE_FOLDER / SETTINGS
    if not known.is_file():
        raise UserError(
            "{folder} holds no batch: give the folder that `sparseseg batch` wrote its "
            "predictions to",
            folder=folder,
        )
    items = _items(known)
    done = [entry for entry in Manifest(folder).entries if entry.facts is not None]
    names = [entry.name for entry in worst_first(done) if entry.name in items]
    if not names:
        raise UserError(
            "the batch in {folder} has no volume that is done and still there: run it "
            "again",
            folder=folder,
        )
    # Points of time of one series lie in one file.
    return list(dict.fromkeys(items[name].image for name in names))[:count]


def _items(settings: Path) -> dict[str, Item]:
    known = BatchSettings.from_json(read_settings(settings), str(settings))
    return {item.name: item for item in find_items(known)}
