"""Pickles of strangers, read without letting any of them call anything."""

import _codecs
import pickle
import re
from collections import OrderedDict
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy import dtypes

from sparseseg.errors import UserError
from sparseseg.language import say

_LARGEST_PLANS = 64 * 2**20
_REFUSED = re.compile(r"(?:GLOBAL |global )([\w.]+)")


def read_pickle(path: Path) -> Any:
    """Read plain values and arrays from a pickle.

    Raises `UserError` for one that asks for anything else, which is then not looked up,
    let alone called.
    """
    size = path.stat().st_size
    if size > _LARGEST_PLANS:
        raise UserError(
            "{name} has {size} bytes, where plans of nnU-Net have some thousands: "
            "it is not read",
            name=path.name,
            size=size,
        )
    try:
        with path.open("rb") as file:
            return _Unpickler(file).load()
    except UserError:
        raise
    except Exception as error:
        raise UserError(
            "{name} is damaged or cut short ({kind}): fetch it again",
            name=path.name,
            kind=type(error).__name__,
        ) from error


def read_checkpoint(path: Path) -> dict[str, Any]:
    """Read tensors and plain values from a file that `torch.save` wrote.

    Raises `UserError` for one that holds anything else, such as a whole module.
    """
    try:
        with torch.serialization.safe_globals(_ALLOWED):
            found = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:
        asked = _REFUSED.search(str(error))
        if asked:
            raise _refused(path.name, asked.group(1)) from error
        raise UserError(
            "{name} is damaged, cut short or no checkpoint of PyTorch "
            "({kind}): fetch it again",
            name=path.name,
            kind=type(error).__name__,
        ) from error
    if not isinstance(found, dict):
        raise UserError(
            "{name} holds a {kind}, and a checkpoint is a "
            "dictionary: give the file that the training wrote",
            name=path.name,
            kind=type(found).__name__,
        )
    return found


def _refused(name: str, asked: str) -> UserError:
    return UserError(
        "{name} asks for {asked}, and a model file may not run code: it was not "
        "loaded; fetch the model from its official source",
        name=name,
        asked=asked,
    )


def _latin(text: str, encoding: str = "latin1") -> bytes:
    # What pickles of the second protocol hold bytes in.
    if encoding not in {"latin1", "latin-1"}:
        raise pickle.UnpicklingError(encoding)
    return _codecs.encode(text, "latin1")


# How NumPy's arrays and scalars are made, wherever it keeps that now.
_ARRAY: Any = np.zeros(1).__reduce__()[0]
_SCALAR: Any = np.float64(0).__reduce__()[0]
_NAMES: dict[str, Any] = {
    "collections.OrderedDict": OrderedDict,
    "numpy.dtype": np.dtype,
    "numpy.ndarray": np.ndarray,
    "numpy.core.multiarray._reconstruct": _ARRAY,
    "numpy._core.multiarray._reconstruct": _ARRAY,
    "numpy.core.multiarray.scalar": _SCALAR,
    "numpy._core.multiarray.scalar": _SCALAR,
    "_codecs.encode": _latin,
}
_DTYPES = [
    getattr(dtypes, name)
    for name in dtypes.__all__
    if name.endswith("DType")
    and name not in {"ObjectDType", "StringDType", "VoidDType"}
]
_ALLOWED: list[Any] = [
    *((value, name) for name, value in _NAMES.items() if name != "_codecs.encode"),
    *_DTYPES,
]


class _Unpickler(pickle.Unpickler):
    """Finds what is in a short table, and nothing else."""

    def find_class(self, module: str, name: str) -> Any:
        full = f"{module}.{name}"
        if full not in _NAMES:
            raise _refused(say("the pickle"), full)
        return _NAMES[full]

    def persistent_load(self, pid: Any) -> Any:
        raise _refused(say("the pickle"), say("an object outside of the file"))
