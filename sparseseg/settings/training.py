"""The settings that a person may choose, declared once for forms, flags and files."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Annotated, Any, Literal

from sparseseg.errors import UserError
from sparseseg.language import say
from sparseseg.settings.cards import current_name, default_recipe

LARGEST_SEED = 2**63 - 1  # of torch
Device = Literal["auto", "cpu", "cuda", "mps"]


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainSettings:
    """What training may take, and for how long.

    The dictionaries are read by the form and by the command line: bounds and help.
    """

    recipe: Annotated[str, {"help": say("the recipe to train")}] = default_recipe()
    parent: Annotated[
        str,
        {"help": say("a model to start from: a file, or an id of `sparseseg models`")},
    ] = ""
    minutes: Annotated[
        float | None, {"min": 0.0, "help": say("training time in minutes")}
    ] = 3.0
    steps: Annotated[
        int | None,
        {"min": 1, "help": say("number of training steps, instead of minutes")},
    ] = None
    device: Annotated[Device, {"help": say("the device to compute on")}] = "auto"
    seed: Annotated[int, {"min": 0, "help": say("the seed of all random choices")}] = 0
    options: Annotated[
        Mapping[str, Any],
        {"help": say("an option of the recipe; may be repeated")},
    ] = field(default_factory=dict)
    held_out: Annotated[
        bool, {"help": say("hold a slice out, to measure how good the model is")}
    ] = True

    def __post_init__(self) -> None:
        object.__setattr__(self, "recipe", current_name(self.recipe))
        if self.minutes is not None and not 0 < self.minutes < float("inf"):
            raise UserError(
                "minutes must be more than 0, got {minutes:g}", minutes=self.minutes
            )
        if self.steps is not None and self.steps < 1:
            raise UserError("steps must be at least 1, got {steps}", steps=self.steps)
        if not 0 <= self.seed <= LARGEST_SEED:
            raise UserError(
                "seed must be 0 to {largest}, got {seed}",
                largest=LARGEST_SEED,
                seed=self.seed,
            )

    def to_json(self) -> dict[str, Any]:
        """Return the settings as a plain dictionary."""
        plain = {name: getattr(self, name) for name in self.__slots__}
        return {**plain, "options": dict(self.options)}
