"""The names of weights in nnU-Net 2 and in our network, for both directions."""

import re
from collections.abc import Mapping

from torch import Tensor

_CONV, _NORM = ("conv", "0"), ("norm", "1")
_PAIRS = (
    *(
        pair
        for theirs, ours in (_CONV, _NORM)
        for pair in (
            (f"encoder.stem.convs.0.{theirs}.*", f"stem.0.{ours}.*"),
            (f"encoder.stages.*.0.convs.*.{theirs}.*", f"encoder.*.*.{ours}.*"),
            (
                f"encoder.stages.*.blocks.*.conv1.{theirs}.*",
                f"encoder.*.*.first.{ours}.*",
            ),
            (
                f"encoder.stages.*.blocks.*.conv2.{theirs}.*",
                f"encoder.*.*.second.{ours}.*",
            ),
            (
                f"encoder.stages.*.blocks.*.skip.*.{theirs}.*",
                f"encoder.*.*.skip.*.{ours}.*",
            ),
            (f"decoder.stages.*.convs.*.{theirs}.*", f"decoder.*.*.{ours}.*"),
        )
    ),
    ("decoder.transpconvs.*.*", "ups.*.*"),
    ("decoder.seg_layers.*.*", "heads.*.*"),
)
_TWICE = re.compile(r"\.(conv|norm)\.(\w+)$")
_PLACES = dict((_CONV, _NORM))


def _pattern(name: str) -> str:
    return re.escape(name).replace(r"\*", r"(\w+)")


def _filled(name: str) -> str:
    parts = name.split("*")
    return "".join(f"{part}\\{n}" for n, part in enumerate(parts[:-1], 1)) + parts[-1]


TO_OURS = tuple((_pattern(theirs), _filled(ours)) for theirs, ours in _PAIRS)
"""Patterns of their names, each with our name."""
TO_THEIRS = tuple((_pattern(ours), _filled(theirs)) for theirs, ours in _PAIRS)


def once(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Leave out what nnU-Net names again: parts of a block, and the decoder's encoder."""
    return {
        name: tensor
        for name, tensor in state.items()
        if ".all_modules." not in name and not name.startswith("decoder.encoder.")
    }


def again(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Add these names, all of which nnU-Net asks for when it loads a network."""
    both: dict[str, Tensor] = {}
    for name, tensor in state.items():
        both[name] = tensor
        if found := _TWICE.search(name):
            place = f".all_modules.{_PLACES[found[1]]}.{found[2]}"
            both[name[: found.start()] + place] = tensor
    encoder = {n: tensor for n, tensor in both.items() if n.startswith("encoder.")}
    return both | {f"decoder.{name}": tensor for name, tensor in encoder.items()}
