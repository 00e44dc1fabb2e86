"""The model that a session has at hand, and whether it is in a file of the user's."""

from dataclasses import dataclass

from sparseseg.session.events import Rules, StepReport
from sparseseg.session.kind import ModelKind
from sparseseg.session.messages import Reply, Told
from sparseseg.settings.training import TrainSettings


@dataclass(slots=True)
class ModelAtHand:
    """What is known of the model in the training process, from what that process says."""

    is_there: bool = False
    is_saved: bool = True
    kind: ModelKind | None = None
    """None before the training process has told it."""
    is_file_kept: bool = True
    """Whether the file that is being loaded will stay."""

    def load(self, *, is_saved: bool) -> None:
        """Expect a model from a file; `remember` hears when it is there."""
        self.is_file_kept = is_saved

    def remember(self, reply: Reply) -> None:
        """Take what a reply says of the model."""
        match reply:
            case ModelKind():
                self.kind = reply
            case StepReport():
                self.is_there, self.is_saved = True, False
            case Rules():  # comes with a model that was loaded
                self.is_there, self.is_saved = True, self.is_file_kept
            case Told(signal="saved"):
                self.is_saved = True

    def is_replaced_by(self, settings: TrainSettings) -> bool:
        """Tell whether a training would begin anew where there is an unsaved model."""
        if not self.is_there or self.is_saved or self.kind is None:
            return False
        return not self.kind.fits(settings)

    def change(self) -> None:
        """Remember that the model is not what is in its file any more."""
        self.is_saved = self.is_saved and not self.is_there
