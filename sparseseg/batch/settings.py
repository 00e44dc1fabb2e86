"""What a batch is told: declared once for the form, the command line and its file."""

import json
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Annotated, Any, get_type_hints

from sparseseg.errors import UserError
from sparseseg.language import say
from sparseseg.memory import parse_size

LEAST_MEMORY = 2**30


@dataclass(frozen=True, slots=True, kw_only=True)
class BatchSettings:
    """Where volumes are, what is done to them, and where it goes."""

    model: Annotated[str, {"help": say("a file, or an id of `sparseseg models`")}]
    folder: Annotated[str, {"help": say("the folder with the volumes, or one volume")}]
    output: Annotated[str, {"help": say("the folder for the predictions")}]
    pattern: Annotated[
        str, {"help": say("the names of the volumes, such as *.nii.gz or **/*.tif")}
    ] = "*"
    ending: Annotated[
        str,
        {
            "help": say(
                "of the predictions, such as .nii.gz; if empty, that of the image"
            )
        },
    ] = ""
    memory: Annotated[str, {"help": say("the maximum memory, such as 4GB")}] = "4GB"
    uncertainty: Annotated[bool, {"help": say("write NAME-uncertainty as well")}] = (
        False
    )
    truth: Annotated[
        str, {"help": say("a folder with dense truths of the same names, for scores")}
    ] = ""
    clean: Annotated[
        tuple[str, ...],
        {
            "help": say(
                "a rule to clean up by; if empty, those of the model; 'none' for none"
            )
        },
    ] = ()
    options: Annotated[
        dict[str, str], {"help": say("an option of the model's recipe")}
    ] = field(default_factory=dict)
    times: Annotated[
        bool, {"help": say("predict each point of time of a series by itself")}
    ] = False
    resume: Annotated[bool, {"help": say("skip volumes that are done")}] = True
    device: Annotated[str, {"help": say("the device to compute on")}] = "auto"
    scheduler: Annotated[
        str,
        {
            "help": say(
                "the address of a Dask scheduler, such as tcp://host:8786, or local:N "
                "for N processes here; if empty, this process does all"
            )
        },
    ] = ""

    def __post_init__(self) -> None:
        if self.bytes < LEAST_MEMORY:
            raise UserError(
                "a batch needs at least 1GB of memory, got {memory}: give more",
                memory=self.memory,
            )

    @property
    def bytes(self) -> int:
        """The memory in bytes."""
        return parse_size(self.memory)

    def absolute(self) -> "BatchSettings":
        """Return the same with paths that do not depend on the current folder."""
        model = Path(self.model)
        return replace(
            self,
            model=str(model.absolute()) if model.exists() else self.model,
            folder=str(Path(self.folder).absolute()),
            output=str(Path(self.output).absolute()),
            truth=str(Path(self.truth).absolute()) if self.truth else "",
        )

    def to_json(self) -> dict[str, Any]:
        """Return plain values."""
        return {**asdict(self), "clean": list(self.clean)}

    @classmethod
    def from_json(cls, data: Any, source: str) -> "BatchSettings":
        """Rebuild settings; raise `UserError` for a file that holds none."""
        if not isinstance(data, dict):
            raise UserError("{source} holds no settings of a batch", source=source)
        try:
            _check_words(data)
            clean = tuple(map(str, data.get("clean", ())))
            return cls(**{**data, "clean": clean})
        except (TypeError, ValueError) as error:
            raise UserError(
                "{source} holds wrong settings ({error})", source=source, error=error
            ) from error


def _check_words(data: dict[str, Any]) -> None:
    for name, kind in get_type_hints(BatchSettings).items():
        if kind is str and not isinstance(data.get(name, ""), str):
            raise TypeError(
                say("{name} is {value} and no text", name=name, value=data[name])
            )


def read_settings(path: Path) -> dict[str, Any]:
    """Read a file of settings; raise `UserError` for one that is none."""
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise UserError(
            "cannot read the settings {path}: {error}", path=path, error=error
        ) from error
    if not isinstance(data, dict):
        raise UserError("{path} holds no settings of a batch", path=path)
    return data
