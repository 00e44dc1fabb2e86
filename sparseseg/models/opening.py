"""A model by its path or by its id: what every command and the window take."""

from pathlib import Path

from sparseseg.engine.model import Model
from sparseseg.errors import UserError
from sparseseg.models.readers.formats import read_model
from sparseseg.models.store.entries import entries
from sparseseg.models.store.folder import stored


def open_model(name: str) -> Model:
    """Return the model of a file or folder, or of the store.

    Raises `UserError` for one that is not here, with how to get it.
    """
    path = Path(name)
    if path.exists():
        return read_model(path)
    here = {model.id: model.path for model in stored()}
    if name in here:
        return Model.load(here[name])
    if name in entries():
        raise UserError(
            "the model {name} is not here yet: run `sparseseg models download {name}`",
            name=name,
        )
    if path.suffix or len(path.parts) > 1:
        return read_model(path)  # says what is wrong with it
    raise UserError(
        "there is no file and no model {name!r}: `sparseseg models list` shows the "
        "models",
        name=name,
    )
