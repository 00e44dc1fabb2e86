"""Rules that clean a prediction up, each said in a line of words."""

from sparseseg.postprocessing.cleaning import (
    PRESETS,
    check_rules,
    chosen_rules,
    clean,
    needs_probabilities,
    read_rules,
)
from sparseseg.postprocessing.grammar import FORMS
from sparseseg.postprocessing.rules import Rule

__all__ = [
    "FORMS",
    "PRESETS",
    "Rule",
    "check_rules",
    "chosen_rules",
    "clean",
    "needs_probabilities",
    "read_rules",
]
