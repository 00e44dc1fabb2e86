"""What the tools of the journal are called, and what is said of an undone step."""

from typing import TYPE_CHECKING

from sparseseg.language import say

if TYPE_CHECKING:
    from sparseseg.widgets.slices import SliceView

TOOL_NAMES = {
    "brush": say("brush"),
    "eraser": say("eraser"),
    "fill": say("fill"),
    "polygon": say("polygon"),
    "edit": say("edit"),
    "script": say("script"),
    "import": say("import"),
    "prediction": say("prediction"),
    "interpolation": say("interpolation"),
    "threshold": say("threshold"),
    "growing": say("growing"),
    "layer": say("layer"),
    "file": say("file"),
    "proposal": say("proposal"),
}


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
