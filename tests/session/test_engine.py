import pytest

from sparseseg.data.labels import SparseLabels
from sparseseg.data.samples import blobs
from sparseseg.models.readers import read_model
from sparseseg.project.project import Project
from sparseseg.session.engine import Engine
from sparseseg.session.events import Exports
from sparseseg.session.messages import Others
from sparseseg.starting import create
from tests.miniature import SHAPE, blob_case, settings, shrink
from tests.models.paths import V2


@pytest.fixture(autouse=True)
def few_pixels(monkeypatch):
    shrink(monkeypatch)


def test_each_depth_of_a_model_is_told_with_its_size_and_its_score():
    engine = Engine()
    assert engine.depths.available == ()
    model = engine._model = create([blob_case()], settings(recipe="unetplusplus"))
    model.history["held_out_by_depth"] = {"1": 0.5, "3": 0.75}
    told = engine.depths
    assert told.available == (1, 2, 3, 4)
    assert told.parameters == tuple(
        model.at_depth(depth).parameters for depth in told.available
    )
    assert told.held_out == (0.5, None, 0.75, None)


def test_what_a_model_cannot_be_exported_as_is_known_before_any_work():
    engine = Engine()
    assert engine.exports == Exports()
    engine._model = create([blob_case()], settings())
    assert list(engine.exports.obstacles) == ["nnunet"]
    assert "only a network of nnU-Net" in engine.exports.obstacles["nnunet"]
    engine._model = read_model(V2)
    assert sorted(engine.exports.obstacles) == ["bioimageio", "onnx"]


def test_a_model_goes_on_only_if_the_next_training_starts_from_the_same(
    monkeypatch, tmp_path
):
    made = []

    def created(cases, chosen):
        made.append(chosen.parent)
        return create(cases, settings())

    monkeypatch.setattr("sparseseg.session.engine.create", created)
    engine = Engine()
    volume, labels = blob_case()
    engine.open(volume, labels.array)
    for parent in ("", "", "mine", "mine", ""):
        next(engine.train(settings(parent=parent)))
    assert made == ["", "mine", ""]
    # A process that takes the place of another one knows it as well.
    engine.save(tmp_path / "snapshot.safetensors")
    engine.load(tmp_path / "snapshot.safetensors", parent="mine")
    next(engine.train(settings(parent="mine")))
    assert made == ["", "mine", ""]


def test_other_volumes_of_a_project_are_learned_from(tmp_path, monkeypatch):
    first, second = (blobs(SHAPE, classes=2, seed=seed) for seed in (0, 1))
    with Project.new(tmp_path / "project") as project:
        labels = SparseLabels(second.annotation, table=second.table)
        name = project.add_volume(second.volume, labels).name
    seen = []

    def work(model, cases, settings):
        seen.extend(cases)
        yield from ()

    monkeypatch.setattr("sparseseg.session.engine.work", work)
    engine = Engine()
    engine.open(first.volume, first.annotation)
    others = Others(tmp_path / "project", (name,))
    list(engine.train(settings(), first.table, others))
    (_, own), (volume, labels) = seen
    assert own.array is first.annotation
    assert (volume.array == second.volume.array).all()
    assert (labels.array == second.annotation).all()
    assert labels.table == first.table
