"""Libraries that come with the extra `io`, asked for when they are needed."""

from importlib import import_module
from typing import Any

from sparseseg.errors import UserError


def library(module: str, files: str, package: str) -> Any:
    """Return an optional library, or raise `UserError` with what installs it."""
    try:
        return import_module(module)
    except ImportError as error:
        raise UserError(
            f"{files} files need {package}: pip install sparseseg[io]"
        ) from error
