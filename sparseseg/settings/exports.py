"""What a model is exported as: declared once for the window and the command line."""

from dataclasses import dataclass
from typing import Annotated, Literal

from sparseseg.boxes import Triple
from sparseseg.errors import UserError
from sparseseg.language import say

ExportFormat = Literal["onnx", "bioimageio", "nnunet"]
ENDINGS: dict[ExportFormat, str] = {"onnx": ".onnx", "bioimageio": ".zip", "nnunet": ""}
"""How the name of the result ends; nnU-Net has a folder."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ExportSettings:
    """Raises `UserError` for a patch that is none."""

    format: Annotated[
        ExportFormat,
        {
            "help": say(
                "one ONNX file, a package of BioImage.IO, or a folder of nnU-Net 2"
            )
        },
    ] = "onnx"
    patch: Annotated[
        str, {"help": say("the fixed input of ONNX, z, y and x in voxels")}
    ] = "32x64x64"
    authors: Annotated[
        tuple[str, ...],
        {"help": say("who made the model, for a package; may be repeated")},
    ] = ()
    licence: Annotated[
        str,
        {
            "help": say(
                "under which others may use it, for a package: such as CC-BY-4.0"
            )
        },
    ] = ""

    def __post_init__(self) -> None:
        _ = self.sides

    @property
    def sides(self) -> Triple:
        """The patch as voxels z, y, x."""
        sides = self.patch.strip().lower().split("x")
        if len(sides) != 3 or not all(side.isdecimal() for side in sides):
            raise UserError(
                "a patch is ZxYxX, such as 32x64x64, got {patch!r}", patch=self.patch
            )
        z, y, x = map(int, sides)
        return z, y, x

    def check_named(self, *, authors: str, licence: str) -> None:
        """Raise `UserError` for a package without authors or licence.

        `authors` and `licence` are what these two are called where the user gives them.
        """
        if self.format == "bioimageio" and not (self.authors and self.licence):
            raise UserError(
                "a package of BioImage.IO names its authors and its licence: give "
                "{authors} and {licence}, such as A. Maker and CC-BY-4.0",
                authors=authors,
                licence=licence,
            )
