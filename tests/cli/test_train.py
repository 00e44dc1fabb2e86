"""`train` writes a model, also when it is stopped early."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from sparseseg.data.samples import Sample
from sparseseg.engine.model import Model
from sparseseg.errors import UserError
from sparseseg.progress import Step
from tests.cli.runs import Run, last_object, two_steps


@pytest.fixture
def interrupted(monkeypatch: pytest.MonkeyPatch) -> None:
    def train(*arguments: Any, team: None) -> Iterator[Step]:
        yield from two_steps(*arguments)
        raise KeyboardInterrupt

    monkeypatch.setattr("sparseseg.engine.training.work", train)


@pytest.mark.slow
def test_training_writes_a_model_and_says_what_it_took(
    run: Run, tmp_path: Path
) -> None:
    target = tmp_path / "new" / "m.safetensors"
    arguments = ("train", "image.tif", "annotation.tif", "--steps", 3, "--json")
    code, stdout, _ = run(*arguments, "-o", target)
    answer = last_object(stdout)
    assert code == 0
    assert answer["model"] == str(target)
    assert (answer["recipe"], answer["step"]) == ("three-view", 3)
    assert list(answer)[-1] == "estimate"
    assert Model.load(target).history["settings"]["steps"] == 3


@pytest.mark.usefixtures("no_training")
def test_without_json_the_answer_is_in_words(run: Run, tmp_path: Path) -> None:
    target = tmp_path / "m.safetensors"
    _, stdout, _ = run("train", "image.tif", "annotation.tif", "-o", target)
    first, second = stdout.splitlines()
    assert first == f"{target}: 2 steps in 0 s"
    assert second.startswith("no estimate: ")


@pytest.mark.usefixtures("no_training")
def test_several_volumes_are_learned_from_together(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[int] = []

    def train(model: Model, cases: Any, settings: Any, *, team: None) -> Iterator[Step]:
        seen.append(len(cases))
        return two_steps(model, cases, settings)

    monkeypatch.setattr("sparseseg.engine.training.work", train)
    pair = ("image.tif", "annotation.tif")
    assert run("train", *pair, *pair, "-o", tmp_path / "m.safetensors")[0] == 0
    assert seen == [2]


@pytest.mark.usefixtures("interrupted")
def test_ctrl_c_saves_the_model_so_far(run: Run, tmp_path: Path) -> None:
    target = tmp_path / "m.safetensors"
    code, stdout, stderr = run("train", "image.tif", "annotation.tif", "-o", target)
    assert (code, stdout) == (130, "")
    assert f"the model after step 2 was saved to {target}" in stderr
    assert Model.load(target).history["step"] == 2


@pytest.mark.usefixtures("interrupted")
def test_ctrl_c_in_segment_keeps_the_model_beside_the_prediction(
    run: Run, tmp_path: Path
) -> None:
    target = tmp_path / "p.tif"
    code, _, stderr = run("segment", "image.tif", "annotation.tif", "-o", target)
    assert code == 130
    assert "p.tif.safetensors" in stderr
    assert Model.load(tmp_path / "p.tif.safetensors").history["step"] == 2
    assert not target.exists()


@pytest.mark.usefixtures("no_training")
def test_a_model_can_be_trained_further(
    run: Run, tmp_path: Path, model_file: Path
) -> None:
    target = tmp_path / "m.safetensors"
    arguments = ("train", "image.tif", "annotation.tif", "--from", model_file)
    assert run(*arguments, "-o", target)[0] == 0
    old, new = Model.load(model_file), Model.load(target)
    weights = new.network.state_dict()
    assert all(weights[n].equal(w) for n, w in old.network.state_dict().items())


def test_a_model_does_not_change_its_recipe(
    run: Run, tmp_path: Path, model_file: Path
) -> None:
    arguments = ("train", "image.tif", "annotation.tif", "--from", model_file)
    target = tmp_path / "m.safetensors"
    code, _, stderr = run(*arguments, "--recipe", "unet3d", "-o", target)
    assert code == 2
    assert "cannot go on with unet3d" in stderr


def test_a_foreign_numbering_is_translated(
    run: Run, tmp_path: Path, sample: Sample
) -> None:
    from sparseseg.data.files import write_labels

    foreign = sample.annotation.copy()
    foreign[sample.annotation == 0], foreign[sample.annotation == 255] = 7, 0
    write_labels(tmp_path / "foreign.tif", foreign, like=sample.volume)
    flags = (
        "--unlabelled",
        7,
        "--background",
        0,
        "--annotation",
        tmp_path / "foreign.tif",
    )
    _, stdout, _ = run("evaluate", "truth.tif", "truth.tif", "--json", *flags)
    assert last_object(stdout)["annotated"] == pytest.approx(
        (sample.annotation > 0).mean()
    )


@pytest.mark.parametrize(
    "results", [("train", "-o"), ("segment", "-o", "p.tif", "--model-out")]
)
def test_the_model_that_a_training_starts_from_is_not_replaced(
    run: Run, tmp_path: Path, model_file: Path, results: tuple[str, ...]
) -> None:
    parent = tmp_path / "parent.safetensors"
    parent.write_bytes(model_file.read_bytes())
    command, *before = results
    data = ("image.tif", "annotation.tif", "--from", parent)
    code, _, stderr = run(command, *data, *before, parent)
    assert code == 2
    assert "is an input" in stderr
    assert parent.read_bytes() == model_file.read_bytes()


@pytest.mark.usefixtures("no_training")
@pytest.mark.parametrize("command", ["train", "segment"])
def test_what_was_learned_outlives_a_full_disk(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, command: str
) -> None:
    def save(model: Model, path: Path) -> None:
        if path.parent.name == "full":
            raise UserError(f"cannot write {path}: no space is left on its disk")
        path.write_bytes(b"model")

    monkeypatch.setattr(Model, "save", save)
    full = tmp_path / "full" / f"kept-by-{command}.safetensors"
    results = {"train": ("-o", full), "segment": ("-o", "p.tif", "--model-out", full)}
    data = ("image.tif", "annotation.tif", "--steps", 2)
    code, _, stderr = run(command, *data, *results[command])
    assert code == 2
    assert "no space is left" in stderr
    kept = Path(full.name)
    assert str(kept) in stderr
    assert kept.read_bytes() == b"model"
