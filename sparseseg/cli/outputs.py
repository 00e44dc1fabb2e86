"""Whether results can be written, asked before any long work."""

from collections.abc import Iterable, Sequence
from pathlib import Path

from sparseseg.data.atomic import make_folder
from sparseseg.errors import UserError

MODEL_SUFFIX = ".safetensors"


def check_model_name(path: Path) -> None:
    """Raise `UserError` for a name that no model can be saved as."""
    if path.suffix != MODEL_SUFFIX:
        raise UserError(
            "a model is saved as NAME{model_suffix}, got {name!r}",
            model_suffix=MODEL_SUFFIX,
            name=path.name,
        )


def check_image_name(path: Path) -> None:
    """Raise `UserError` for a name whose ending is no format that can be written."""
    from sparseseg.data.files import check_output

    check_output(path)


def make_room(outputs: Sequence[Path], *, inputs: Iterable[str | Path | None]) -> None:
    """Make the folders of all files that a command will write.

    `inputs` are all that it reads; None stands for one that was not given. Raises
    `UserError` where a file could not be written later, or would replace an input or
    another result.
    """
    from sparseseg.data.formats.zarr import is_zarr
    from sparseseg.data.overwriting import check_overwrites

    check_overwrites(outputs, [name for name in inputs if name])
    for path in outputs:
        if path.is_dir() and not is_zarr(path):
            raise UserError("{path} is a folder: give the name of a file", path=path)
        make_folder(path.parent)
