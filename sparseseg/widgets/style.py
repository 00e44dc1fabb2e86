"""The dock's style sheet, made from the colours of a napari theme."""

from string import Template

from napari.utils.theme import get_theme

# Roles are dynamic properties: they say what a widget is, this sheet how that looks.
_SHEET = Template("""
QFrame[role="section"] { background: $background; border: 1px solid $primary;
    border-radius: 6px; }
QToolButton[role="heading"] { background: transparent; font-weight: 600;
    text-align: left; padding: 3px 2px; }
QToolButton[role="heading"]:hover { color: $strong; }
QToolButton[role="fold"] { background: transparent; color: $muted;
    text-align: left; padding: 2px; }
QToolButton[role="fold"]:hover { color: $strong; }
QWidget[role="strip"] { background: $foreground; border-top: 1px solid $primary; }
QLabel { background: transparent; padding: 0px; }
QLabel[role="number"] { background: $primary; color: $text; border-radius: 9px;
    font-weight: 600; min-width: 18px; max-width: 18px; min-height: 18px;
    max-height: 18px; padding: 0px; }
QLabel[role="hint"] { color: $muted; }
QLabel[role="summary"] { color: $muted; }
QLabel[role="remark"] { background: $warning_tint; border-left: 3px solid $warning;
    border-radius: 2px; padding: 4px 6px; }
QFrame[role="card"] { background: $foreground; border-radius: 4px; }
QFrame[level="error"] { background: $error_tint; border-left: 3px solid $error;
    border-radius: 2px; }
QFrame[level="warning"] { background: $warning_tint; border-left: 3px solid $warning;
    border-radius: 2px; }
QFrame[level="note"] { background: $note_tint; border-left: 3px solid $current;
    border-radius: 2px; }
QFrame[level] QToolButton { background: transparent; border: none; padding: 0px; }
QPushButton[role="primary"] { background: $accent; color: white; font-weight: 600; }
QPushButton[role="primary"]:hover { background: $accent_hover; }
QPushButton[role="primary"]:disabled { background: $foreground; color: $muted;
    border: none; font-weight: 400; }
QFrame[role="section"] QAbstractSpinBox { min-width: 44px; }
QDoubleSpinBox[role="edge"] { min-width: 30px; padding: 1px 4px; }
QFrame[role="section"] QPushButton { padding: 3px 6px; }
QTableWidget { background: $foreground; border-radius: 4px; gridline-color: $background; }
QTableWidget::item { padding: 0px 4px; border: none; }
QTableWidget::item:selected { background: $primary; color: $text; padding: 0px 4px;
    border: none; }
QHeaderView::section { background: $foreground; color: $muted; border: none;
    padding: 0px 4px; }
QProgressBar { background: $foreground; border: none; border-radius: 3px;
    text-align: center; min-height: 16px; max-height: 16px; }
QProgressBar::chunk { background: $current; border-radius: 3px; }
QPlainTextEdit { background: $foreground; border: 1px solid $primary;
    border-radius: 3px; padding: 2px; }
QScrollArea { border: none; }
""")


def style_sheet(theme_id: str) -> str:
    """Return the sheet for a napari theme such as "dark"."""
    theme = get_theme(theme_id)
    names = ("background", "foreground", "primary", "text", "warning", "current")
    colours = {name: getattr(theme, name).as_hex(format="long") for name in names}
    dark = theme.type == "dark"
    error = "#e5484d" if dark else "#c62a2f"
    return _SHEET.substitute(
        colours,
        accent="#3e63dd" if dark else "#3451b2",
        accent_hover="#5472e4" if dark else "#3e63dd",
        error=error,
        strong="#9eb1ff" if dark else "#2f4ab4",
        muted=tint(colours["text"], 165 if dark else 190),
        error_tint=tint(error, 60),
        warning_tint=tint(colours["warning"], 40 if dark else 70),
        note_tint=tint(colours["current"], 60),
    )


def tint(colour: str, alpha: int) -> str:
    """Return "#rrggbb" as a style-sheet colour of that opacity, 0 to 255."""
    red, green, blue = bytes.fromhex(colour[1:])
    return f"rgba({red}, {green}, {blue}, {alpha})"
