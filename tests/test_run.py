"""The start script sets up what is missing and hands on what it is asked for."""

import importlib.util
import signal
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest

SCRIPT = Path(__file__).parent.parent / "run.py"


@pytest.fixture
def run() -> Iterator[ModuleType]:
    """Return run.py as a module of its own, free to be changed by a test."""
    spec = importlib.util.spec_from_file_location("run", SCRIPT)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    handler = signal.getsignal(signal.SIGINT)
    yield module
    signal.signal(signal.SIGINT, handler)


def writes(text: str, path: Path, code: int = 0) -> list[str]:
    """Return a command that appends a word and what follows it to a file."""
    script = (
        f"import sys; print({text!r}, *sys.argv[1:], file=open({str(path)!r}, 'a'))"
    )
    return [sys.executable, "-c", f"{script}; sys.exit({code})"]


def test_the_checks_stop_at_the_first_that_fails(
    run: ModuleType, tmp_path: Path
) -> None:
    log = tmp_path / "log"
    run.CHECKS = [writes("lint", log), writes("types", log, 3), writes("tests", log)]
    assert run.check([]) == 3
    assert log.read_text().split() == ["lint", "types"]


def test_only_the_tests_are_given_the_options(run: ModuleType, tmp_path: Path) -> None:
    log = tmp_path / "log"
    run.CHECKS = [writes("lint", log), writes("tests", log)]
    assert run.check(["-k", "labels"]) == 0
    assert log.read_text().splitlines() == ["lint", "tests -k labels"]


def test_a_library_that_cannot_be_loaded_is_asked_for_by_its_package(
    run: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(run, "is_loadable", lambda library: library != "libGL.so.1")
    monkeypatch.setattr("shutil.which", lambda program: program)
    assert run.missing_system_packages() == ["libgl1"]


def test_without_apt_the_missing_packages_are_named(
    run: ModuleType,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(run, "missing_system_packages", lambda: ["libgl1", "xvfb"])
    monkeypatch.setattr("sys.platform", "linux")
    monkeypatch.setattr("shutil.which", lambda program: None)
    run.install_system_packages()
    assert "libgl1 xvfb" in capsys.readouterr().err


def test_an_attempt_that_fails_is_followed_by_the_next(
    run: ModuleType, tmp_path: Path
) -> None:
    log = tmp_path / "log"
    attempts = [["no-such-program"], writes("two", log, 1), writes("three", log)]
    run.run_first_working(*attempts, writes("four", log))
    assert log.read_text().split() == ["two", "three"]


def test_a_python_that_is_too_old_is_refused_before_anything_is_set_up(
    run: ModuleType, capsys: pytest.CaptureFixture[str]
) -> None:
    run.OLDEST_PYTHON = (99, 0)
    run.set_up = None
    assert run.main(["test"]) == 2
    assert "needs Python" in capsys.readouterr().err


def test_other_words_are_handed_to_sparseseg(
    run: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    commands: list[list[str]] = []
    monkeypatch.setattr(run, "set_up", lambda: None)
    monkeypatch.setattr(run, "wait_for", lambda command: commands.append(command))
    run.main(["doctor", "--json"])
    assert commands == [[run.PYTHON, "-m", "sparseseg", "doctor", "--json"]]
