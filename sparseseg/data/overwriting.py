"""No result is written over something that is read, or over another result."""

from collections.abc import Iterable, Sequence
from os import PathLike
from pathlib import Path

from sparseseg.data.parts import split_part
from sparseseg.errors import UserError

FilePath = str | PathLike[str]


def check_overwrites(outputs: Sequence[FilePath], inputs: Iterable[FilePath]) -> None:
    """Raise `UserError` where a result would replace an input or another result.

    To be called before long work. Files are compared as the file system knows them:
    through links, other spellings, and letters in capitals. A folder that is read is one
    image with all that lies in it. Inputs that are no path, such as the id of a model, are
    left out.
    """
    read = [path for name in inputs if (path := split_part(name)[0]).exists()]
    seen: list[Path] = []
    for output in map(Path, outputs):
        for source in read:
            if _is_same(output, source) or _is_inside(output, source):
                raise _replaced(output, source)
        if any(_is_same(output, other) for other in seen):
            raise UserError(
                "two results would be written to {output}: choose another name or "
                "folder for one of them",
                output=output,
            )
        seen.append(output)


def _replaced(output: Path, source: Path) -> UserError:
    if output == source:
        return UserError(
            "{output} is an input: choose another name for the result", output=output
        )
    return UserError(
        "{output} is an input ({source}): choose another name for the result",
        output=output,
        source=source,
    )


def _is_same(one: Path, other: Path) -> bool:
    if one.exists() and other.exists():
        return one.samefile(other)
    # Some file systems do not tell capitals from small letters.
    return str(one.resolve()).casefold() == str(other.resolve()).casefold()


def _is_inside(output: Path, source: Path) -> bool:
    """Tell whether one of both lies in the other, where that is one image."""
    written, read = output.resolve(), source.resolve()
    if written in read.parents:
        return True
    return read.is_dir() and read in written.parents
