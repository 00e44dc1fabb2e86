"""Libraries that come with an extra such as `io`, asked for when they are needed."""

from importlib import import_module
from typing import Any

from sparseseg.errors import UserError


def library(module: str, files: str, package: str, *, extra: str = "io") -> Any:
    """Return an optional library, or raise `UserError` with what installs it."""
    try:
        return import_module(module)
    except ImportError as error:
        raise UserError(
            "{files} files need {package}: pip install sparseseg[{extra}]",
            files=files,
            package=package,
            extra=extra,
        ) from error
