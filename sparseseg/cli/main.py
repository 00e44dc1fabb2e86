"""The parser of the command line, and what becomes of errors."""

import errno
import gettext
import io
import json
import os
import sys
import tempfile
import traceback
import warnings
from argparse import ArgumentParser
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from functools import partial
from typing import TYPE_CHECKING, Any, NoReturn, TypeGuard

import sparseseg
from sparseseg import language
from sparseseg.cli.batch import BATCH
from sparseseg.cli.demo import DEMO
from sparseseg.cli.depths import DEPTHS
from sparseseg.cli.doctor import DOCTOR
from sparseseg.cli.doubts import DOUBTS
from sparseseg.cli.evaluate import EVALUATE
from sparseseg.cli.mesh import MESH
from sparseseg.cli.models import MODELS
from sparseseg.cli.objects import OBJECTS
from sparseseg.cli.predict import PREDICT
from sparseseg.cli.progress import complain, note
from sparseseg.cli.project import PROJECT
from sparseseg.cli.segment import SEGMENT
from sparseseg.cli.suggest import SUGGEST
from sparseseg.cli.train import TRAIN
from sparseseg.errors import Note, UserError
from sparseseg.language import say
from sparseseg.threads import let_threads_sleep

if TYPE_CHECKING:
    from sparseseg.cli.command import Answer

COMMANDS = (
    *(DEMO, TRAIN, SEGMENT, PREDICT, BATCH, DEPTHS, EVALUATE),
    *(SUGGEST, DOUBTS, OBJECTS, MESH, MODELS, PROJECT, DOCTOR),
)

_ABOUT = say("Volumetric segmentation learned from a few annotated slices.")
_BUG, _MENDABLE, _INTERRUPTED, _PIPE_CLOSED = 1, 2, 130, 141


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code.

    0 is success, 2 what the user can mend, 1 a bug of ours, 130 Ctrl-C, and 141 where
    the reader of the output has gone. Results go to stdout, all else to stderr.
    """
    let_threads_sleep()
    if isinstance(sys.stdout, io.TextIOWrapper):
        # The name of a file need not be text.
        sys.stdout.reconfigure(errors="backslashreplace")
    try:
        _speak()
        with _printed_notes():
            return _run(arguments)
    except UserError as error:
        complain(str(error))
        return _MENDABLE
    except KeyboardInterrupt as stop:
        note(say("stopped: {stop}", stop=str(stop) or say("nothing was saved")))
        return _INTERRUPTED
    except Exception as error:  # noqa: BLE001  # no traceback is shown to a user
        return _refused(error) if _is_refusal(error) else _report(error)


def _speak() -> None:
    """Let the words of argparse itself come from our catalogue, as it asks `gettext`."""
    gettext.bindtextdomain(language.DOMAIN, language.CATALOGUES)
    gettext.textdomain(language.DOMAIN)
    os.environ["LANGUAGE"] = language.chosen()
    if asked := language.unknown():
        raise UserError(
            "there is no language {asked!r}: set {variable} to one of {names}",
            asked=asked,
            variable=language.VARIABLE,
            names=", ".join(language.LANGUAGES),
        )


def parser() -> ArgumentParser:
    """Return the parser of all commands."""
    root = _Parser(prog="sparseseg", description=_ABOUT)
    version = f"%(prog)s {sparseseg.__version__}"
    words = say("show program's version number and exit")
    root.add_argument("--version", action="version", version=version, help=words)
    commands = root.add_subparsers(metavar="COMMAND", required=True)
    for command in COMMANDS:
        sub = commands.add_parser(
            command.name,
            help=command.help,
            description=say("{help}.", help=command.help),
        )
        command.add_flags(sub)
        words = say("print one JSON object as the last line")
        sub.add_argument("--json", action="store_true", help=words)
        sub.set_defaults(run=command.run)
    return root


class _Parser(ArgumentParser):
    """A parser that answers a mistake with one line instead of its whole usage."""

    def error(self, message: str) -> NoReturn:
        raise UserError("{message}; see {prog} --help", message=message, prog=self.prog)


def _run(arguments: Sequence[str] | None) -> int:
    chosen = parser().parse_args(arguments)
    # What other programs read is English; an error is told in the language of the user.
    with language.speaking(language.ENGLISH) if chosen.json else nullcontext():
        answer: Answer = chosen.run(chosen)
    try:
        print(json.dumps(answer.data) if chosen.json else answer.text, flush=True)
    except BrokenPipeError:
        # The reader has enough, as `head` has; at its exit Python would complain of that.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return _PIPE_CLOSED
    return answer.code


@contextmanager
def _printed_notes() -> Iterator[None]:
    """Print each note as one line instead of as a warning with its place in the code."""
    with warnings.catch_warnings():
        warnings.simplefilter("always", Note)
        warnings.showwarning = partial(_show, warnings.showwarning)
        yield


def _show(
    otherwise: Callable[..., None], message: Warning | str, *others: Any, **more: Any
) -> None:
    if isinstance(message, Note):
        note(str(message))
    else:
        otherwise(message, *others, **more)


def _is_refusal(error: Exception) -> TypeGuard[OSError]:
    """Tell whether the system said no: such an error is in no code of ours."""
    return isinstance(error, OSError) and error.errno in _REFUSALS


_REFUSALS = {
    *(errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS, errno.EACCES, errno.EPERM),
    *(errno.ENAMETOOLONG, errno.EIO, errno.EMFILE, errno.ENFILE, errno.ELOOP),
}


def _refused(error: OSError) -> int:
    what = error.filename or say("a file")
    note(
        say("the system refuses {what}: {strerror}", what=what, strerror=error.strerror)
    )
    return _MENDABLE


def _report(error: Exception) -> int:
    if isinstance(error, MemoryError) or type(error).__name__ == "OutOfMemoryError":
        complain(
            say(
                "there is not enough memory: crop the volume, or train with --device cpu"
            )
        )
        return _MENDABLE
    with tempfile.NamedTemporaryFile(
        "w", prefix="sparseseg-", suffix=".log", delete=False, encoding="utf-8"
    ) as log:
        traceback.print_exception(error, file=log)
    complain(
        say(
            "bug, please report it with {name} ({kind}: {error})",
            name=log.name,
            kind=type(error).__name__,
            error=error,
        )
    )
    return _BUG
