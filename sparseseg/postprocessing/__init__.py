"""Rules that clean a prediction up, each said in a line of words."""

from sparseseg.postprocessing.cleaning import (
    PRESETS,
    check_rules,
    clean,
    needs_probabilities,
    read_rules,
)
from sparseseg.postprocessing.rules import Rule

__all__ = [
    "PRESETS",
    "Rule",
    "check_rules",
    "clean",
    "needs_probabilities",
    "read_rules",
]
