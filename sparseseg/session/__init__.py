"""Training and prediction in a process of their own."""

from sparseseg.session.actions import POSSIBLE
from sparseseg.session.messages import SNAPSHOT
from sparseseg.session.session import Session
from sparseseg.session.shared import SharedArrays

__all__ = ["POSSIBLE", "SNAPSHOT", "Session", "SharedArrays"]
