"""Every mistake gets one line and exit code 2; a bug gets a log and exit code 1."""

import re
import subprocess
import sys
from pathlib import Path
from typing import Any, NoReturn

import numpy as np
import pytest

import sparseseg
from sparseseg.cli.main import COMMANDS, main, parser
from sparseseg.cli.progress import bar, complain, note
from sparseseg.data.samples import Sample
from tests.cli.runs import Run

TRAIN = ("train", "image.tif", "annotation.tif", "--steps", 1)
SEGMENT = ("segment", "image.tif", "annotation.tif", "--steps", 1)

MISTAKES = {
    "a missing image": (
        ("train", "no.tif", "annotation.tif", "-o", "m.safetensors"),
        "no.tif: No such file",
    ),
    "a missing model": (
        ("predict", "no.safetensors", "image.tif", "-o", "p.tif"),
        "no model",
    ),
    "an annotation of another shape": (
        ("segment", "image.tif", "small.tif", "-o", "p.tif"),
        r"\(2, 2, 2\), the image has \(24, 24, 24\)",
    ),
    "a truth of another shape": (
        (*SEGMENT, "-o", "p.tif", "--truth", "small.tif"),
        "small.tif: has shape",
    ),
    "an image in place of its annotation": (
        ("segment", "truth.tif", "grey.tif", "-o", "p.tif"),
        "looks like an image",
    ),
    "a mask of 0 and 255": (
        ("segment", "image.tif", "mask.tif", "-o", "p.tif"),
        "255, which is background here: .* give --background 0",
    ),
    "a truth that is an annotation": (
        (*SEGMENT, "-o", "p.tif", "--truth", "annotation.tif"),
        "truth must hold classes 0 to 254, got 0 to 255",
    ),
    "a seed that torch cannot take": (
        (*TRAIN, "-o", "m.safetensors", "--seed", 2**70),
        f"got {2**70}",
    ),
    "an unknown recipe": (
        (*TRAIN, "-o", "m.safetensors", "--recipe", "vnet"),
        "no recipe 'vnet': choose three-view",
    ),
    "an empty annotation": (
        ("train", "image.tif", "empty.tif", "-o", "m.safetensors"),
        "nothing is annotated yet",
    ),
    "an image without annotation": (
        ("train", "image.tif", "-o", "m.safetensors"),
        "each image needs its annotation, got 1",
    ),
    "a model of another suffix": (
        (*TRAIN, "-o", "m.pt"),
        "NAME.safetensors, got 'm.pt'",
    ),
    "a kept model of another suffix": (
        (*SEGMENT, "-o", "p.tif", "--model-out", "m.pt"),
        "NAME.safetensors, got 'm.pt'",
    ),
    "a prediction of another suffix": ((*SEGMENT, "-o", "p.png"), "cannot write p.png"),
    "a prediction over its image": ((*SEGMENT, "-o", "image.tif"), "is an input"),
    "a folder that is a file": (
        (*SEGMENT, "-o", "truth.tif/p.tif"),
        "cannot make the folder truth.tif",
    ),
    "an output that is a folder": ((*SEGMENT, "-o", "folder.tif"), "is a folder"),
    "steps below one": ((*TRAIN[:-1], 0, "-o", "m.safetensors"), "at least 1, got 0"),
    "no time": (
        (*TRAIN[:3], "--minutes", 0, "-o", "m.safetensors"),
        "more than 0, got 0",
    ),
    "minutes and steps": (
        (*TRAIN, "--minutes", 1, "-o", "m.safetensors"),
        "not allowed with",
    ),
    "no output": (TRAIN, "required: -o; see sparseseg train --help"),
    "an unknown command": (("paint",), "invalid choice: 'paint'"),
    "no command": ((), "required: COMMAND"),
}


@pytest.fixture(autouse=True)
def bad_inputs(inputs: Path, sample: Sample) -> None:
    from sparseseg.data.files import write_labels
    from sparseseg.data.volume import Volume

    array = sample.annotation[:2, :2, :2]
    write_labels(inputs / "small.tif", array, like=Volume.from_array(array))
    (inputs / "folder.tif").mkdir(exist_ok=True)
    mask = np.where(sample.truth == 1, np.uint8(255), np.uint8(0))
    write_labels(inputs / "mask.tif", mask, like=sample.volume)
    noise = np.random.default_rng(0).integers(0, 200, mask.shape).astype(np.uint8)
    write_labels(inputs / "grey.tif", noise, like=sample.volume)


@pytest.mark.parametrize("mistake", MISTAKES)
def test_a_mistake_is_answered_in_one_line(run: Run, mistake: str) -> None:
    arguments, sentence = MISTAKES[mistake]
    code, stdout, stderr = run(*arguments)
    assert (code, stdout) == (2, "")
    assert stderr.startswith("sparseseg: ")
    assert stderr.count("\n") == 1
    assert re.search(sentence, stderr), stderr


def test_a_bug_leaves_its_traceback_in_a_file(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        "sparseseg.data.files.read_dense", raises(ZeroDivisionError("?!"))
    )
    code, _, stderr = run("evaluate", "truth.tif", "truth.tif")
    assert code == 1
    assert stderr.count("\n") == 1
    log = Path(re.search(r"report it with (\S+) \(ZeroDivisionError: \?!\)", stderr)[1])  # type: ignore[index]
    assert "Traceback" in log.read_text()
    log.unlink()


def test_what_the_system_refuses_is_no_bug(run: Run) -> None:
    name = f"{'a' * 300}.tif"
    code, _, stderr = run("predict", "m.safetensors", "image.tif", "-o", name)
    assert code == 2
    assert re.search(r"the system refuses .*: File name too long$", stderr.strip())


def test_too_little_memory_is_no_bug(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sparseseg.data.files.read_dense", raises(MemoryError()))
    code, _, stderr = run("evaluate", "truth.tif", "truth.tif")
    assert code == 2
    assert "not enough memory" in stderr


def test_ctrl_c_says_that_nothing_was_saved(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sparseseg.data.files.read_dense", raises(KeyboardInterrupt()))
    code, stdout, stderr = run("evaluate", "truth.tif", "truth.tif")
    assert (code, stdout) == (130, "")
    assert stderr == "sparseseg: stopped: nothing was saved\n"


def test_every_command_has_json_and_says_what_it_is_for(
    capsys: pytest.CaptureFixture[str],
) -> None:
    for command in COMMANDS:
        with pytest.raises(SystemExit):
            main([command.name, "--help"])
        words = capsys.readouterr().out
        assert "--json" in words
        assert command.help in words


def test_the_version_is_that_of_the_package(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        parser().parse_args(["--version"])
    assert capsys.readouterr().out.split() == ["sparseseg", sparseseg.__version__]


def test_a_note_stays_in_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    note("one\n  two")
    assert capsys.readouterr().err == "sparseseg: one two\n"


def test_a_bar_is_shown_on_a_terminal_only(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with bar("training") as show:
        show(0.5, "step 1")
    assert capsys.readouterr().err == ""
    monkeypatch.setattr("sys.stderr.isatty", lambda: True)
    with bar("training") as show:
        show(0.5, "step 1")
    shown = capsys.readouterr().err
    assert "training" in shown
    assert "50%" in shown


def raises(error: BaseException) -> Any:
    def fails(*_: object) -> NoReturn:
        raise error

    return fails


def test_a_reader_that_leaves_early_hears_no_complaint() -> None:
    script = "import sys; from sparseseg.cli.main import main; sys.exit(main())"
    listing = subprocess.Popen(
        [sys.executable, "-c", script, "models", "list"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    assert listing.stdout is not None
    listing.stdout.close()
    _, stderr = listing.communicate(timeout=100)
    assert (listing.returncode, stderr) == (141, b"")


def test_of_several_processes_the_first_says_a_note_and_each_its_own_error(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("TORCHELASTIC_RUN_ID", "a run")
    for rank in ("0", "1"):
        monkeypatch.setenv("RANK", rank)
        note(f"note of {rank}")
        complain(f"error of {rank}")
    said = capsys.readouterr().err.splitlines()
    assert said == [
        f"sparseseg: {words}" for words in ("note of 0", "error of 0", "error of 1")
    ]
