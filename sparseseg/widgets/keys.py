"""The keys of the annotation's layer: registered with napari, so that its editor has them.

The free keys of napari's Labels layer under the left hand are used. Settings > Shortcuts
shows them in the group of the Labels layer, and keeps what the user changes.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any
from weakref import WeakSet

from napari.layers import Labels
from napari.settings import get_settings
from napari.utils.action_manager import action_manager

from sparseseg.language import say
from sparseseg.widgets.actions import PaintActions


@dataclass(frozen=True, slots=True)
class KeyAction:
    """One action that a key does."""

    name: str
    key: str
    """The key that it has unless the user chose another one."""
    words: str
    act: Callable[[PaintActions], None]
    is_repeatable: bool = False

    @property
    def full_name(self) -> str:
        """The name by which napari knows it."""
        return f"sparseseg:{self.name}"


NEXT_SUGGESTED = KeyAction(
    "next_suggested", "S", say("Next suggested slice"), PaintActions.next_suggested
)
ACTIONS = (
    KeyAction(
        "previous_annotated",
        "Q",
        say("Previous annotated slice"),
        lambda a: a.next_annotated(-1),
        is_repeatable=True,
    ),
    KeyAction(
        "next_annotated",
        "W",
        say("Next annotated slice"),
        lambda a: a.next_annotated(),
        is_repeatable=True,
    ),
    NEXT_SUGGESTED,
    KeyAction(
        "next_doubtful",
        "Shift-S",
        say("Next doubtful place of the prediction"),
        PaintActions.next_doubtful,
    ),
    KeyAction(
        "change_plane",
        "R",
        say("Slices across the next axis"),
        PaintActions.change_plane,
    ),
    KeyAction(
        "go_to_pointer",
        "C",
        say("All planes to the pointer"),
        PaintActions.go_to_pointer,
    ),
    KeyAction("next_class", "A", say("Next class"), lambda a: a.next_class()),
    KeyAction(
        "previous_class", "Shift-A", say("Previous class"), lambda a: a.next_class(-1)
    ),
    KeyAction(
        "larger_brush",
        "Shift-W",
        say("Larger brush"),
        lambda a: a.resize_brush(1),
        is_repeatable=True,
    ),
    KeyAction(
        "smaller_brush",
        "Shift-Q",
        say("Smaller brush"),
        lambda a: a.resize_brush(-1),
        is_repeatable=True,
    ),
    KeyAction(
        "complete",
        "D",
        say("Mark the slice complete (fill the rest)"),
        PaintActions.complete,
    ),
    KeyAction("lock", "Shift-D", say("Lock or unlock the slice"), PaintActions.lock),
    KeyAction(
        "accept_region",
        "G",
        say("Accept the proposed region at the pointer"),
        PaintActions.accept_region,
    ),
    KeyAction(
        "accept_slice",
        "Shift-G",
        say("Accept the slice as proposed or predicted"),
        PaintActions.accept_slice,
    ),
    KeyAction(
        "toggle_overlay",
        "T",
        say("Show the image alone, or all again"),
        PaintActions.toggle_overlay,
    ),
)

_DOCKS: WeakSet[PaintActions] = WeakSet()


def register(actions: PaintActions) -> None:
    """Let keys on this dock's layers act from now on."""
    if not _DOCKS:
        _register_with_napari()
    _DOCKS.add(actions)


def unregister(actions: PaintActions) -> None:
    """Let keys do nothing for a dock that is closed."""
    _DOCKS.discard(actions)


def key_of(action: KeyAction) -> str:
    """Return the keys that an action has now, as the user may have changed them."""
    bound = [
        str(key)
        for key, act in Labels.class_keymap.items()
        if getattr(act, "__name__", "") == action.full_name
    ]
    return ", ".join(bound)


def _register_with_napari() -> None:
    chosen = get_settings().shortcuts.shortcuts
    for action in ACTIONS:
        action_manager.register_action(
            action.full_name,
            _command(action),
            action.words,
            Labels,
            repeatable=action.is_repeatable,
        )
        if action.full_name not in chosen:
            action_manager.bind_shortcut(action.full_name, action.key)


def _command(action: KeyAction) -> Callable[[Any], None]:
    def command(layer: Any) -> None:
        for dock in _DOCKS:
            if dock.owns(layer):
                dock.run(action.act)
                return

    command.__name__ = action.full_name
    command.__doc__ = action.words
    return command
