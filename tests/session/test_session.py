"""A session with real processes, and the ways in which they can go wrong."""

import multiprocessing
import os
import signal
import subprocess
import sys
import threading
from dataclasses import replace
from multiprocessing.process import BaseProcess
from multiprocessing.shared_memory import SharedMemory
from pathlib import Path

import numpy as np
import pytest

from sparseseg.boxes import Box
from sparseseg.data.volume import Volume
from sparseseg.errors import UserError
from sparseseg.session import POSSIBLE, Session
from sparseseg.session.events import Phase, Progress, Rules
from sparseseg.settings.training import TrainSettings
from tests.session.ear import PATIENCE, Ear

ENDLESS = TrainSettings(recipe="well", minutes=None)
SHORT = TrainSettings(recipe="well", steps=5)
needs_posix = pytest.mark.skipif(os.name != "posix", reason="signals and file names")


def trainer() -> BaseProcess:
    (process,) = multiprocessing.active_children()
    return process


def test_a_run_walks_through_its_phases(
    session: Session, ear: Ear, volume: Volume
) -> None:
    arrays = session.open(volume)
    assert session.phase == Phase.IDLE
    session.train(SHORT)
    assert session.phase == Phase.PREPARING
    heard = ear.until("phase", lambda phase: phase == Phase.IDLE)
    session.predict()
    heard += ear.until("phase", lambda phase: phase == Phase.IDLE)
    assert [value for name, value in heard if name == "phase"] == [
        *(Phase.PREPARING, Phase.TRAINING, Phase.IDLE),
        *(Phase.PREDICTING, Phase.IDLE),
    ]
    assert np.all(arrays.prediction == 5)
    assert np.all(arrays.uncertainty == 250)
    end = [pair for pair in heard if pair[0] != "estimate"][-2:]
    assert end == [
        ("progress", Progress("predict", 1.0, 0.0)),
        ("phase", Phase.IDLE),
    ]


def test_a_prediction_of_an_unlike_volume_is_noted(
    session: Session, ear: Ear, volume: Volume
) -> None:
    session.open(replace(volume, name="unlike"))
    session.train(SHORT)
    ear.until("phase", lambda phase: phase == Phase.IDLE)

    session.predict()

    assert ear.wait("noted") == "the volume is unlike"


def test_a_prediction_that_is_unlike_the_training_is_noted_at_its_end(
    session: Session, ear: Ear, volume: Volume
) -> None:
    session.open(replace(volume, name="empty"))
    session.train(SHORT)
    ear.until("phase", lambda phase: phase == Phase.IDLE)

    session.predict()

    assert ear.wait("noted") == "nothing was found"


def test_strokes_are_seen_by_the_running_training(
    session: Session, ear: Ear, volume: Volume
) -> None:
    annotation = np.zeros(volume.shape, np.uint8)
    annotation[0, 0, :3] = 255
    arrays = session.open(volume, annotation)
    annotation[...] = 0  # it was copied
    session.train(ENDLESS)
    ear.wait("step", lambda step: step.loss == 3)
    arrays.annotation[3, :2, :4] = 1
    ear.wait("step", lambda step: step.loss == 3 + 8)


def test_a_preview_is_painted_while_training(
    session: Session, ear: Ear, volume: Volume
) -> None:
    arrays = session.open(volume)
    session.preview(1, 7, (0, 3))
    session.train(ENDLESS)
    painted = ear.wait("painted")
    assert painted.box == Box((0, 7, 0), (2, 8, 8))
    ear.wait("painted", lambda painted: painted.box == Box((3, 0, 0), (4, 8, 8)))
    ear.wait("progress", lambda progress: progress.job == "preview")
    assert session.phase == Phase.TRAINING
    session.pause()
    ear.wait("phase", lambda phase: phase == Phase.PAUSED)
    assert not np.delete(arrays.prediction[:, :7], 3, 0).any()


def test_pause_and_resume(session: Session, ear: Ear, volume: Volume) -> None:
    session.open(volume)
    session.train(ENDLESS)
    ear.wait("step")
    session.pause()
    ear.wait("phase", lambda phase: phase == Phase.PAUSED)
    session.predict()  # the process is alive; training is not
    heard = ear.until("phase", lambda phase: phase == Phase.PAUSED)
    assert "step" not in [name for name, _ in heard]
    session.resume()
    ear.wait("phase", lambda phase: phase == Phase.TRAINING)
    ear.wait("step")


@pytest.mark.slow
def test_a_process_that_waits_takes_the_first_volume(
    session: Session, ear: Ear, volume: Volume
) -> None:
    session.get_ready()
    (waiting,) = multiprocessing.active_children()
    session.get_ready()
    session.open(volume)
    session.train(SHORT)
    ear.wait("step")
    assert multiprocessing.active_children() == [waiting]
    session.get_ready()
    assert multiprocessing.active_children() == [waiting]


@pytest.mark.slow
def test_a_process_that_died_while_it_waited_is_replaced(
    session: Session, ear: Ear, volume: Volume
) -> None:
    session.get_ready()
    (waiting,) = multiprocessing.active_children()
    waiting.kill()
    waiting.join()
    session.open(volume)
    session.train(SHORT)
    ear.wait("step")


@pytest.mark.slow
def test_a_session_that_was_only_ready_leaves_no_process(session: Session) -> None:
    session.get_ready()
    (waiting,) = multiprocessing.active_children()
    session.close()
    waiting.join(PATIENCE)
    assert waiting.exitcode == 0


@pytest.mark.slow
def test_stop_ends_the_process_and_training_goes_on_from_its_snapshot(
    session: Session, ear: Ear, volume: Volume
) -> None:
    session.open(volume)
    session.train(ENDLESS)
    reached = ear.wait("step", lambda step: step.step > 20)
    session.stop()
    with pytest.raises(UserError, match="cannot train while stopping"):
        session.train(ENDLESS)
    ear.wait("phase", lambda phase: phase == Phase.IDLE)
    assert not multiprocessing.active_children()
    session.train(SHORT)
    assert ear.wait("step").step > reached.step


def test_a_killed_process_is_told_and_replaced(
    session: Session, ear: Ear, volume: Volume
) -> None:
    arrays = session.open(volume)
    arrays.annotation[2, 2, 2] = 1
    session.train(ENDLESS)
    ear.wait("step", lambda step: step.step > 10)
    session.pause()  # leaves a snapshot
    ear.wait("phase", lambda phase: phase == Phase.PAUSED)
    trainer().kill()
    ear.wait("phase", lambda phase: phase == Phase.LOST)
    sentence = ear.wait("failed")
    assert "Nothing you painted is lost" in sentence
    assert "Press Restart to go on from the model of" in sentence
    session.restart()
    assert ear.wait("step").step > 10
    assert arrays.annotation.sum() == 1
    assert ear.wait("step").loss == 1


@pytest.mark.slow
def test_a_training_that_was_stopped_does_not_come_back(
    session: Session, ear: Ear, volume: Volume
) -> None:
    arrays = session.open(volume)
    session.train(ENDLESS)
    ear.wait("score")  # the network wins
    session.stop()
    ear.wait("phase", lambda phase: phase == Phase.IDLE)
    session.predict()
    ear.wait("painted", lambda painted: painted.method == "network")
    trainer().kill()
    ear.wait("phase", lambda phase: phase == Phase.LOST)
    session.restart()
    assert session.phase == Phase.IDLE
    arrays.prediction[...] = 0
    session.predict()
    ear.wait("phase", lambda phase: phase == Phase.PREDICTING)
    ear.wait("phase", lambda phase: phase == Phase.IDLE)
    assert arrays.prediction.min() >= 3


@needs_posix
def test_a_process_that_dies_early_is_told_with_its_signal(
    session: Session, ear: Ear, volume: Volume
) -> None:
    session.open(volume)
    os.kill(trainer().pid or 0, signal.SIGKILL)
    assert ear.wait("failed") == (
        "The training process ended: SIGKILL, probably because the memory of this "
        "machine was full; close other programs, or choose a smaller patch or a smaller "
        "part of the volume. Nothing you painted is lost. "
        "Press Restart to go on from the beginning."
    )
    session.restart()
    session.train(SHORT)
    ear.wait("phase", lambda phase: phase == Phase.IDLE)


def test_an_error_the_user_can_mend_is_told_and_the_session_lives_on(
    session: Session, ear: Ear, volume: Volume
) -> None:
    session.open(volume)
    session.train(TrainSettings(recipe="wrong"))
    assert ear.wait("failed") == "nothing is painted yet: paint a slice"
    ear.wait("phase", lambda phase: phase == Phase.IDLE)
    session.train(SHORT)
    ear.wait("step")


def test_a_bug_is_told_with_its_log_and_the_session_lives_on(
    session: Session, ear: Ear, volume: Volume
) -> None:
    session.open(volume)
    session.train(TrainSettings(recipe="mad"))
    sentence = ear.wait("failed")
    assert sentence.startswith("ZeroDivisionError: by zero. This is a bug in sparseseg")
    log = Path(sentence.rpartition(" ")[-1])
    assert "Traceback" in log.read_text()
    ear.wait("phase", lambda phase: phase == Phase.IDLE)
    session.train(SHORT)
    ear.wait("step")
    session.close()
    log.unlink()  # it is there after the session, for the user to send
    log.parent.rmdir()


def test_a_prediction_without_a_model_is_told(
    session: Session, ear: Ear, volume: Volume
) -> None:
    session.open(volume)
    session.predict()
    assert "there is no model yet" in ear.wait("failed")
    ear.wait("phase", lambda phase: phase == Phase.IDLE)


def test_a_model_is_saved_and_loaded(
    session: Session, ear: Ear, volume: Volume, tmp_path: Path
) -> None:
    session.open(volume)
    session.train(SHORT)
    ear.wait("phase", lambda phase: phase == Phase.IDLE)
    session.copy(tmp_path / "copy.safetensors")
    assert ear.wait("copied") == str(tmp_path / "copy.safetensors")
    assert not session.is_saved
    session.save(tmp_path / "model.safetensors")
    assert ear.wait("saved") == str(tmp_path / "model.safetensors")
    arrays = session.open(volume)  # starts without a model
    session.load(tmp_path / "model.safetensors")
    assert ear.wait("loaded") == "model.safetensors"
    session.predict()
    ear.wait("phase", lambda phase: phase == Phase.IDLE)
    assert np.all(arrays.prediction == 5)


def test_rules_are_saved_with_a_model_and_told_when_it_is_loaded(
    session: Session, ear: Ear, volume: Volume, tmp_path: Path
) -> None:
    session.open(volume)
    session.train(SHORT)
    ear.until("phase", lambda phase: phase == Phase.IDLE)
    session.keep_rules(("keep 1 largest of 1",))
    session.save(tmp_path / "model")
    ear.wait("saved")
    session.keep_rules(())
    session.load(tmp_path / "model")
    assert ear.wait("rules") == Rules(("keep 1 largest of 1",))


@pytest.mark.slow
def test_rules_outlive_the_process(
    session: Session, ear: Ear, volume: Volume, tmp_path: Path
) -> None:
    session.open(volume)
    session.train(ENDLESS)
    ear.wait("step")
    session.keep_rules(("keep 1 largest of 1",))
    session.stop()
    ear.wait("phase", lambda phase: phase == Phase.IDLE)
    session.save(tmp_path / "model")
    ear.wait("saved")
    assert "keep 1 largest of 1" in (tmp_path / "model").read_text()


def test_a_model_that_cannot_be_read_or_written_is_told(
    session: Session, ear: Ear, volume: Volume, tmp_path: Path
) -> None:
    session.open(volume)
    session.load(tmp_path / "none.safetensors")
    assert "there is no model" in ear.wait("failed")
    session.save(tmp_path / "none.safetensors")
    assert "no model to save yet" in ear.wait("failed")
    session.train(SHORT)
    ear.wait("step")
    session.save(tmp_path / "no such folder" / "model.safetensors")
    assert "cannot write" in ear.wait("failed")


@pytest.mark.slow
def test_another_volume_takes_the_place_of_the_first(
    session: Session, ear: Ear, volume: Volume
) -> None:
    first = session.open(volume)
    session.train(ENDLESS)
    ear.wait("step")
    other = Volume.from_array(np.ones((2, 4, 4), np.float32))
    second = session.open(other)
    assert session.phase == Phase.IDLE
    assert second.annotation.shape == (2, 4, 4)
    assert first.annotation.shape == volume.shape
    second.annotation[0, 0, :2] = 1
    session.train(SHORT)
    ear.wait("step", lambda step: step.loss == 2)  # the loss counts what is painted
    assert len(multiprocessing.active_children()) == 1


def test_a_call_at_the_wrong_time_names_action_and_phase(
    session: Session, volume: Volume
) -> None:
    with pytest.raises(UserError, match="cannot train: open a volume first"):
        session.train(ENDLESS)
    session.open(volume)
    with pytest.raises(UserError, match="cannot pause while idle, only while prep"):
        session.pause()
    session.train(ENDLESS)
    with pytest.raises(UserError, match="cannot train while preparing, only while id"):
        session.train(ENDLESS)


def test_every_phase_has_a_way_out() -> None:
    assert frozenset().union(*POSSIBLE.values()) == frozenset(Phase)


def test_a_slice_outside_is_refused(session: Session, volume: Volume) -> None:
    session.open(volume)
    for axis, index in [(3, 0), (0, 6), (1, -1)]:
        with pytest.raises(UserError, match=f"no slice {index} across axis {axis}"):
            session.preview(axis, index)
        with pytest.raises(UserError, match=f"no slice {index} across axis {axis}"):
            session.preview(0, 0, (axis, index))


def test_an_annotation_that_does_not_fit_is_refused(
    session: Session, volume: Volume
) -> None:
    with pytest.raises(UserError, match=r"shape \(2, 2, 2\), the volume \(6, 8, 8\)"):
        session.open(volume, np.zeros((2, 2, 2), np.uint8))
    with pytest.raises(UserError, match="must be uint8, not int64"):
        session.open(volume, np.zeros(volume.shape, np.int64))  # type: ignore[arg-type]


def test_a_volume_that_is_refused_leaves_the_open_one_alone(
    session: Session, ear: Ear, volume: Volume
) -> None:
    session.open(volume)
    session.train(ENDLESS)
    with pytest.raises(UserError):
        session.open(volume, np.zeros((2, 2, 2), np.uint8))
    ear.wait("step")


@pytest.mark.slow
def test_a_listener_that_fails_does_not_silence_the_session(
    session: Session, ear: Ear, volume: Volume
) -> None:
    def fail(_: object) -> None:
        raise RuntimeError("a widget is gone")

    session.events.phase.connect(fail)
    session.open(volume)
    session.train(SHORT)
    ear.wait("step")


def test_closing_leaves_nothing_behind_and_the_arrays_stay(
    session: Session, ear: Ear, volume: Volume
) -> None:
    arrays = session.open(volume)
    name = session._desk.shared.layouts["annotation"].name  # type: ignore[union-attr]
    session.train(ENDLESS)
    ear.wait("step")
    view = arrays.annotation[1:, ::2]
    session.close()
    session.close()
    assert session.phase == Phase.IDLE
    assert not multiprocessing.active_children()
    assert not [t for t in threading.enumerate() if t.name.startswith("sparseseg")]
    if os.name == "posix":
        with pytest.raises(FileNotFoundError):
            SharedMemory(name)
    view[...] = 7
    assert arrays.annotation.max() == 7
    with pytest.raises(UserError, match="this session is closed"):
        session.open(volume)


def test_closing_ends_a_step_that_never_ends(session: Session, volume: Volume) -> None:
    session.open(volume)
    session.train(TrainSettings(recipe="stuck"))
    session.close()
    assert not multiprocessing.active_children()


def test_stopping_ends_a_step_that_never_ends(
    session: Session, ear: Ear, volume: Volume, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sparseseg.session.process.STOP_SECONDS", 0.1)
    session.open(volume)
    session.train(TrainSettings(recipe="stuck"))
    session.stop()
    ear.wait("phase", lambda phase: phase == Phase.IDLE)
    assert not multiprocessing.active_children()


SCRIPT = """
import os, signal, sys, threading
import numpy as np
from sparseseg.settings.training import TrainSettings
from sparseseg.data.volume import Volume
from sparseseg.session import Session

print("script runs", flush=True)
session = Session(engine="tests.session.fake_engine")
arrays = session.open(Volume.from_array(np.ones((4, 8, 8), np.uint8)))
stepped = threading.Event()
session.events.step.connect(lambda step: stepped.set())
session.train(TrainSettings(recipe="well", minutes=None))
assert stepped.wait(30)
assert "torch" not in sys.modules, "the window does not need it"
print(session._desk.shared.layouts["annotation"].name, flush=True)
"""


def run_script(path: Path, end: str) -> tuple[int, str, str]:
    """Run the script to its end, and wait until nobody holds its output any more."""
    path.write_text(SCRIPT + end)
    paths = {"PYTHONPATH": os.pathsep.join(sys.path), "TMPDIR": str(path.parent)}
    process = subprocess.Popen(
        [sys.executable, path],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, **paths},
    )
    out, err = process.communicate(timeout=PATIENCE)
    return process.returncode, out, err


@pytest.mark.slow
@needs_posix
def test_the_training_process_ends_with_its_window(tmp_path: Path) -> None:
    kill = "os.kill(os.getpid(), signal.SIGKILL)"
    code, out, err = run_script(tmp_path / "window.py", kill)
    assert (code, err) == (-signal.SIGKILL, "")
    with pytest.raises(FileNotFoundError):
        SharedMemory(out.split()[-1])


@pytest.mark.slow
def test_a_script_without_guard_runs_once_and_may_forget_to_close(
    tmp_path: Path,
) -> None:
    code, out, err = run_script(tmp_path / "script.py", "")
    assert (code, err) == (0, "")
    assert out.count("script runs") == 1


def trained(session: Session, ear: Ear) -> int:
    """Train to the end, and return the steps of the model."""
    session.train(SHORT)
    ear.until("phase", lambda phase: phase == Phase.IDLE)
    session.predict()
    ear.until("phase", lambda phase: phase == Phase.IDLE)
    assert session.current is not None
    return int(session.current.prediction.max())


@pytest.mark.slow
def test_the_model_goes_along_to_another_volume_and_back(
    session: Session, ear: Ear, volume: Volume
) -> None:
    first = session.open(volume)
    first.annotation[1] = 7
    steps = trained(session, ear)
    second = session.open(Volume.from_array(np.zeros((3, 4, 4), np.uint8)))
    assert session.current is second
    session.predict()
    ear.until("phase", lambda phase: phase == Phase.IDLE)
    assert (second.prediction == steps).all()
    session.go_over(first)
    assert session.current is first
    assert (first.annotation[1] == 7).all()
    assert (first.prediction == steps).all()
    assert trained(session, ear) == 2 * steps


def test_a_volume_that_is_let_go_gives_its_memory_back(
    session: Session, volume: Volume
) -> None:
    first = session.open(volume)
    session.open(volume)
    session.let_go(first)
    with pytest.raises(UserError, match="not open any more"):
        session.go_over(first)
    first.annotation[0] = 1  # a layer may still show it


@pytest.mark.slow
def test_a_model_that_was_not_saved_stays_in_the_folder(
    volume: Volume, tmp_path: Path
) -> None:
    for is_saved in (False, True):
        folder = tmp_path / str(is_saved)
        folder.mkdir()
        session = Session(engine="tests.session.fake_engine", folder=folder)
        ear = Ear(session.events)
        session.open(volume)
        assert (session.has_model, session.is_saved) == (False, True)
        trained(session, ear)
        assert (session.has_model, session.is_saved) == (True, False)
        if is_saved:
            session.save(tmp_path / "m.safetensors")
            ear.wait("saved")
            assert session.is_saved
        session.close()
        assert (folder / "snapshot.safetensors").exists() is not is_saved


def test_another_recipe_would_replace_a_model_that_was_not_saved(
    session: Session, ear: Ear, volume: Volume, tmp_path: Path
) -> None:
    other = TrainSettings(recipe="other", steps=5)
    session.open(volume)
    assert not session.replaces_model(other)
    trained(session, ear)
    assert session.replaces_model(other)
    assert not session.replaces_model(TrainSettings(steps=7))
    session.save(tmp_path / "m.safetensors")
    ear.wait("saved")
    assert not session.replaces_model(other)


@pytest.mark.slow
def test_a_model_that_is_forgotten_is_not_trained_further(
    session: Session, ear: Ear, volume: Volume
) -> None:
    session.open(volume)
    steps = trained(session, ear)
    session.forget_model()
    assert not session.has_model
    assert trained(session, ear) == steps


def test_a_loaded_model_is_known_and_counts_as_saved(
    session: Session, ear: Ear, volume: Volume, tmp_path: Path
) -> None:
    (tmp_path / "m.safetensors").write_text("[3, []]")
    session.open(volume)
    for is_saved in (True, False):
        session.load(tmp_path / "m.safetensors", is_saved=is_saved)
        ear.wait("loaded")
        assert (session.has_model, session.is_saved) == (True, is_saved)
