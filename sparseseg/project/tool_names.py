"""What the tools of the journal are called."""

from sparseseg.language import say

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
