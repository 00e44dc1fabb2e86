"""What became of one volume of a batch."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from sparseseg.language import say

State = Literal["waiting", "running", "done", "skipped", "failed"]


@dataclass(frozen=True, slots=True, kw_only=True)
class VolumeEntry:
    """What became of one volume."""

    name: str
    state: State
    key: str
    """Of input, model and settings: another one makes it be done anew."""
    seconds: float = 0.0
    error: str = ""
    facts: Mapping[str, Any] | None = None
    """Volumes by class, estimated quality, scores; None if it failed."""

    @property
    def note(self) -> str:
        """What a person should know of the prediction, or why it could not be scored."""
        facts = self.facts or {}
        error = (facts.get("scores") or {}).get("error", "")
        return say("; also, ").join(filter(None, (facts.get("note", ""), error)))

    def to_json(self) -> dict[str, Any]:
        """Return plain values."""
        return {
            "name": self.name,
            "state": self.state,
            "key": self.key,
            "seconds": round(self.seconds, 2),
            "error": self.error,
            "facts": self.facts,
        }
