"""What a model was begun with, and whether a training asks for the same."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sparseseg.settings.cards import PRETRAINED, card
from sparseseg.settings.options import read_options
from sparseseg.settings.training import TrainSettings


@dataclass(frozen=True, slots=True)
class ModelKind:
    """The recipe of a model, what was chosen of it, and the model that it starts from."""

    recipe: str
    options: Mapping[str, Any]
    parent: str = ""

    def fits(self, settings: TrainSettings) -> bool:
        """Tell whether a training goes on with such a model, and does not begin anew.

        What is not chosen in the settings is as it is by default. A parent of a recipe
        of ours is trained further as it was begun, whatever is chosen.
        """
        if self.parent != settings.parent:
            return False
        if not self.parent and self.recipe != settings.recipe:
            return False
        if self.parent and self.recipe != PRETRAINED.name:
            return True
        kind = card(self.recipe).options
        wanted = read_options(kind, settings.options).to_json()
        has = kind().to_json() | dict(self.options)
        return all(has[name] == value for name, value in wanted.items())
