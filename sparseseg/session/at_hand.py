"""The model that a session has at hand, and whether it is in a file of the user's."""

from dataclasses import dataclass

from sparseseg.session.events import Rules, StepReport
from sparseseg.session.messages import Reply, Told
from sparseseg.settings.training import TrainSettings


@dataclass(slots=True)
class ModelAtHand:
    """What is known of the model in the training process, from what that process says."""

    is_there: bool = False
    is_saved: bool = True
    settings: TrainSettings | None = None
    """Of its training; None for a model that was loaded."""
    is_file_kept: bool = True
    """Whether the file that is being loaded will stay."""

    def load(self, *, is_saved: bool) -> None:
        """Expect a model from a file; `remember` hears when it is there."""
        self.settings, self.is_file_kept = None, is_saved

    def remember(self, reply: Reply) -> None:
        """Take what a reply says of the model."""
        match reply:
            case StepReport():
                self.is_there, self.is_saved = True, False
            case Rules():  # comes with a model that was loaded
                self.is_there, self.is_saved = True, self.is_file_kept
            case Told(signal="saved"):
                self.is_saved = True

    def is_replaced_by(self, settings: TrainSettings) -> bool:
        """Tell whether a training would begin anew where there is an unsaved model."""
        if not self.is_there or self.is_saved or self.settings is None:
            return False
        kinds = [(s.recipe, s.parent, s.options) for s in (self.settings, settings)]
        return kinds[0] != kinds[1]
