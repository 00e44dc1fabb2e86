"""How well predictions agree with dense truths, by the measures of the field."""

from sparseseg.evaluation.case import Pair, check_truth, evaluate
from sparseseg.evaluation.cases import evaluate_cases

__all__ = ["Pair", "check_truth", "evaluate", "evaluate_cases"]
