"""A whole annotation as bytes: the planes across z one after the other, compressed."""

import zlib
from math import prod

import numpy as np

from sparseseg.boxes import Triple
from sparseseg.errors import UserError
from sparseseg.project.deltas import Labels

_LEVEL = 1  # most of an annotation is unlabelled, which any level makes small


def packed_array(array: Labels) -> bytes:
    """Return an annotation compressed, plane by plane, so that no copy is made."""
    writer = zlib.compressobj(_LEVEL)
    parts = [writer.compress(np.ascontiguousarray(plane).data) for plane in array]
    return b"".join([*parts, writer.flush()])


def unpacked_array(packed: bytes, shape: Triple) -> Labels:
    """Return what `packed_array` was given; `UserError` for bytes of another shape."""
    array = np.empty(shape, np.uint8)
    reader, left, size = zlib.decompressobj(), packed, prod(shape[1:])
    try:
        for plane in array:
            raw = reader.decompress(left, size)
            left = reader.unconsumed_tail
            if len(raw) != size:
                raise UserError("a snapshot of the journal is too short")
            plane[...] = np.frombuffer(raw, np.uint8).reshape(shape[1:])
        if reader.decompress(left, 1):
            raise UserError("a snapshot of the journal is too long")
    except zlib.error as error:
        raise UserError(
            "a snapshot of the journal is damaged ({error})", error=error
        ) from error
    return array
