import pytest

from sparseseg.session.engine import Engine
from sparseseg.starting import create
from tests.miniature import blob_case, settings, shrink


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


def test_a_model_goes_on_only_if_the_next_training_starts_from_the_same(monkeypatch):
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
