"""Whether a model can be exported, and why not: known before any work is begun."""

from collections.abc import Callable

from sparseseg.engine.model import Model
from sparseseg.errors import UserError
from sparseseg.models.exporting import check_program
from sparseseg.models.nnunet_folder import check_folder
from sparseseg.settings.exports import ExportFormat

_CHECKS: dict[ExportFormat, Callable[[Model], None]] = {
    "onnx": check_program,
    "bioimageio": check_program,
    "nnunet": check_folder,
}


def obstacles(model: Model) -> dict[ExportFormat, str]:
    """Say for each format why a model cannot be exported; leave out where it can."""
    found: dict[ExportFormat, str] = {}
    for name, check in _CHECKS.items():
        try:
            check(model)
        except UserError as error:
            found[name] = str(error)
    return found
