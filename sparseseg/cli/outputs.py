"""Whether results can be written, asked before any long work."""

from collections.abc import Iterable
from pathlib import Path

from sparseseg.data.atomic import make_folder
from sparseseg.errors import UserError

MODEL_SUFFIX = ".safetensors"


def check_model_name(path: Path) -> None:
    """Raise `UserError` for a name that no model can be saved as."""
    if path.suffix != MODEL_SUFFIX:
        raise UserError(f"a model is saved as NAME{MODEL_SUFFIX}, got {path.name!r}")


def check_image_name(path: Path) -> None:
    """Raise `UserError` for a name whose ending is no format that can be written."""
    from sparseseg.data.files import check_output

    check_output(path)


def make_room(path: Path, *, inputs: Iterable[str] = ()) -> None:
    """Make the folder of a file that will be written; no input is overwritten.

    Raises `UserError` where the file could not be written later.
    """
    if path.is_dir():
        raise UserError(f"{path} is a folder: give the name of a file")
    if any(path.resolve() == Path(name).resolve() for name in inputs):
        raise UserError(f"{path} is an input: choose another name for the result")
    make_folder(path.parent)
