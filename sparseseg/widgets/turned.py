"""What is said of a step that was undone or made again."""

from typing import TYPE_CHECKING

from sparseseg.language import say
from sparseseg.project.tool_names import TOOL_NAMES

if TYPE_CHECKING:
    from sparseseg.widgets.slices import SliceView


def turned_words(action: str, tool: str, view: "SliceView", volume: str) -> str:
    """Say which step was undone or made again, and where."""
    named = TOOL_NAMES.get(tool, tool)
    if action == "undo":
        return say(
            "{tool} on slice {view} of {volume!r} was undone.",
            tool=named,
            view=view,
            volume=volume,
        )
    return say(
        "{tool} on slice {view} of {volume!r} was made again.",
        tool=named,
        view=view,
        volume=volume,
    )
