"""Training and prediction in a process of their own."""

from sparseseg.session.session import POSSIBLE, Session
from sparseseg.session.shared import SharedArrays

__all__ = ["POSSIBLE", "Session", "SharedArrays"]
