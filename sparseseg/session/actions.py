"""What can be asked of a session, and in which phases."""

from typing import Literal

from sparseseg.errors import UserError
from sparseseg.language import say
from sparseseg.session.events import PHASE_NAMES, Phase

Action = Literal[
    "train", "pause", "resume", "stop", "predict", "prune", "save", "load", "restart"
]

ALIVE = frozenset(Phase) - {Phase.LOST}
POSSIBLE: dict[Action, frozenset[Phase]] = {
    "train": frozenset({Phase.IDLE}),
    "pause": frozenset({Phase.PREPARING, Phase.TRAINING}),
    "resume": frozenset({Phase.PAUSED}),
    "stop": ALIVE,
    "predict": frozenset({Phase.IDLE, Phase.TRAINING, Phase.PAUSED}),
    "prune": ALIVE - {Phase.PREPARING},
    "save": ALIVE - {Phase.PREPARING},
    "load": frozenset({Phase.IDLE}),
    "restart": frozenset({Phase.LOST}),
}
"""The phases in which an action is possible."""

ACTION_NAMES = {
    "train": say("train"),
    "pause": say("pause"),
    "resume": say("resume"),
    "stop": say("stop"),
    "predict": say("predict"),
    "prune": say("prune"),
    "save": say("save"),
    "load": say("load"),
    "restart": say("restart"),
    "preview": say("preview"),
    "keep rules": say("keep rules"),
}


def check_possible(action: Action, phase: Phase, *, is_stopping: bool) -> None:
    """Raise `UserError` where an action is not possible, with the phases in which it is."""
    if is_stopping:
        raise UserError(
            "cannot {action} while stopping: try again in a moment",
            action=ACTION_NAMES[action],
        )
    if phase not in POSSIBLE[action]:
        raise UserError(
            "cannot {action} while {phase}, only while {phases}",
            action=ACTION_NAMES[action],
            phase=PHASE_NAMES[phase],
            phases=", ".join(PHASE_NAMES[phase] for phase in sorted(POSSIBLE[action])),
        )
