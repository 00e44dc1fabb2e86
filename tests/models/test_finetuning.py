"""A pretrained model learns a person's classes from a few slices."""

import numpy as np
import pytest
import torch

from sparseseg import starting
from sparseseg.classes import ClassTable, LabelClass
from sparseseg.data.files import read
from sparseseg.data.labels import SparseLabels
from sparseseg.data.volume import Volume
from sparseseg.engine import trainee, training
from sparseseg.engine.model import Model
from sparseseg.errors import UserError
from sparseseg.models.readers import read_model
from sparseseg.nn.device import PLAIN
from sparseseg.recipes import Scene, Trained
from sparseseg.recipes.pretrained import start
from sparseseg.recipes.pretrained.patches import LabelledVolume
from sparseseg.settings.training import TrainSettings
from tests.models.paths import MLPERF, V1, V2, image


@pytest.fixture(autouse=True)
def plain(monkeypatch):
    monkeypatch.setattr(trainee, "probe", lambda *_: PLAIN)


def table(*names: str) -> ClassTable:
    return ClassTable(
        tuple(
            LabelClass(number, name, "#e69f00", "")
            for number, name in enumerate(names, start=1)
        )
    )


def painted(volume: Volume, *names: str) -> SparseLabels:
    annotation = np.zeros(volume.shape, np.uint8)
    annotation[10] = 255
    annotation[10, 10:25, 10:20] = 1
    annotation[10, 12:20, 22:28] = 2
    return SparseLabels(annotation, table=table(*names) if names else None)


def settings(parent, **changed) -> TrainSettings:
    return TrainSettings(
        **{"parent": str(parent), "steps": 2, "device": "cpu", **changed}
    )


def started(parent, *names: str, **changed) -> tuple[Model, Model]:
    volume = read(image(0))
    case = (volume, painted(volume, *names))
    return starting.create([case], settings(parent, **changed)), read_model(parent)


@pytest.mark.parametrize("parent", [V1, V2])
def test_rows_of_the_head_are_taken_over_by_number_where_nobody_gave_names(parent):
    model, old = started(parent)
    for new, known in zip(
        model.network.first.heads, old.network.first.heads, strict=True
    ):
        assert torch.equal(new.weight, known.weight)
    assert model.network.fresh.tolist() == [False, False, False]


def test_rows_of_the_head_are_taken_over_by_name():
    model, old = started(V2, "Tumor", "vessel")
    new, known = model.network.first.heads[-1], old.network.first.heads[-1]
    assert torch.equal(new.weight[:2], known.weight[[0, 2]])
    assert not torch.equal(new.weight[2], known.weight[1])
    assert model.network.fresh.tolist() == [False, False, True]
    # Liver is known, but its number is taken by a class of another name.
    assert model.table.names == ("Tumor", "vessel")


def test_classes_that_nobody_painted_stay_where_one_of_the_models_is_painted():
    volume = read(image(0))
    annotation = np.zeros(volume.shape, np.uint8)
    annotation[10, 10:25] = 1
    annotation[10, 30:] = 255
    case = (volume, SparseLabels(annotation))
    model, old = starting.create([case], settings(V2)), read_model(V2)
    assert model.plan.outputs == (255, 1, 2)
    assert model.table.names[1] == "tumor"
    weights = [m.network.first.heads[-1].weight for m in (model, old)]
    assert torch.equal(*weights)
    other = SparseLabels(annotation, table=table("vessel"))
    assert starting.create([(volume, other)], settings(V2)).plan.outputs == (255, 1)


def trained(*classes: LabelClass, outputs=(255, 1, 2)) -> Trained:
    """Return a parent of these classes and outputs."""
    old = read_model(V2)
    plan = old.plan.with_outputs(outputs)
    return Trained(plan, old.network, ClassTable(classes))


def of_classes(*classes: LabelClass):
    """Return a volume where only the first of these classes is painted."""
    volume = read(image(0))
    annotation = np.zeros(volume.shape, np.uint8)
    annotation[10, 10:25] = classes[0].number
    annotation[10, 30:] = 255
    return volume, SparseLabels(annotation, table=ClassTable(classes))


def called(number: int, name: str, key: str = "") -> LabelClass:
    return LabelClass(number, name, "#e69f00", key)


LIVER, TUMOUR = called(1, "liver", "1"), called(2, "tumour", "2")


@pytest.mark.parametrize(
    ("classes", "outputs", "names", "rows"),
    [
        # The table of the parent itself, as the window gives it to an annotation.
        ((LIVER, TUMOUR), (255, 1, 2), ("liver", "tumour"), [0, 1, 2]),
        # The same under another number.
        (
            (LIVER, called(7, "Tumour")),
            (255, 1, 7),
            ("liver", "Tumour"),
            [0, 1, 2],
        ),
        # The number is that of another class, which nobody has painted.
        ((LIVER, called(2, "cyst")), (255, 1), ("liver", "cyst"), [0, 1]),
        # The key is that of another class.
        (
            (LIVER, called(3, "cyst", "2")),
            (255, 1, 2),
            ("liver", "tumour", "cyst"),
            [0, 1, 2],
        ),
    ],
)
def test_classes_of_the_table_that_nobody_painted_stay_as_the_parent_knows_them(
    classes, outputs, names, rows
):
    parent = trained(LIVER, TUMOUR)
    plan, found, known = start.planned(parent, [of_classes(*classes)], {})
    assert (plan.outputs, found.names, known) == (outputs, names, rows)


def test_a_class_of_the_parent_that_has_no_output_is_not_taken_over():
    parent = trained(LIVER, TUMOUR, outputs=(255, 1))
    plan, found, _ = start.planned(parent, [of_classes(LIVER)], {})
    assert (plan.outputs, found.names) == ((255, 1), ("liver",))


def test_all_but_the_head_is_kept_and_so_are_spacing_and_grey_values():
    model, old = started(V2, "a", "b")
    state, known = model.network.first.state_dict(), old.network.first.state_dict()
    same = {n for n in state if not n.startswith("heads.")}
    assert all(torch.equal(state[n], known[n]) for n in same)
    assert model.plan.spacing == old.plan.spacing
    assert model.plan.inference == old.plan.inference
    assert len(model.network.folds) == 1


def test_fresh_rows_learn_faster_than_known_ones():
    model, _ = started(V2, "tumor", "vessel", held_out=False)
    before = model.network.first.heads[-1].weight.detach().clone()
    network = model.network.train()
    optimizer = model.recipe.optimizer(network)
    for head in network(torch.randn(1, 1, 16, 32, 32)):
        head.square().mean().backward(retain_graph=True)
    optimizer.step()
    after = network.first.heads[-1].weight.detach()
    moved = (after - before).abs().mean((1, 2, 3, 4))
    assert 50 < float(moved[2] / moved[0]) < 200


@pytest.mark.parametrize(("encoder", "moves"), [("frozen", False), ("slow", True)])
def test_the_encoder_learns_as_was_chosen(encoder, moves):
    volume = read(image(0))
    case = (volume, painted(volume))
    chosen = settings(V2, options={"encoder": encoder}, steps=3, held_out=False)
    model = starting.create([case], chosen)
    before = {n: t.clone() for n, t in model.network.first.state_dict().items()}
    list(training.train(model, [case], chosen))
    after = model.network.first.state_dict()
    changed = {n for n in before if not torch.equal(before[n], after[n])}
    assert any(n.startswith("encoder.") for n in changed) is moves
    assert any(n.startswith("decoder.") for n in changed)


@pytest.mark.slow
def test_a_second_channel_is_taken_in():
    volume = read(image(0))
    two = Volume(np.repeat(volume.array, 2, 0), volume.spacing, volume.unit)
    case = (two, painted(two))
    model = starting.create([case], settings(V2))
    old = read_model(V2).network.first
    new = model.network.first
    seen = torch.randn(1, 1, 16, 32, 32)
    with torch.inference_mode():
        first = old.encoder[0][0][0](seen)
        both = new.encoder[0][0][0](seen.repeat(1, 2, 1, 1, 1))
    assert torch.allclose(first, both, atol=1e-4)
    list(training.train(model, [case], settings(V2)))
    assert model.predict(two).labels.shape == two.shape


@pytest.mark.slow
def test_it_learns_what_was_painted_and_is_saved_with_where_it_came_from(tmp_path):
    volume = read(image(1))
    case = (volume, painted(volume, "box", "bar"))
    chosen = settings(V2, steps=60, held_out=False, options={"mirror": False})
    model = starting.create([case], chosen)
    losses = [step.loss for step in training.train(model, [case], chosen)]
    assert np.mean(losses[-15:]) < np.mean(losses[:15])
    model.save(tmp_path / "mine.safetensors")
    again = Model.load(tmp_path / "mine.safetensors")
    assert again.history["parent"]["trained"]["format"] == "nnunet-v2"
    assert again.table.names == ("box", "bar")
    assert again.predict(volume).labels.max() <= 2


def test_a_thin_slice_is_not_lost_on_a_coarser_grid():
    volume = read(image(0))
    fine = Volume(volume.array, (0.4, 1.0, 1.0), "mm")
    model = read_model(V2)
    labels = painted(fine)
    wide = LabelledVolume(Scene.of(model.plan, fine, labels))
    size = wide.ready.image.shape[1:]
    assert size[0] < 8
    _, target = wide.patch((16, 48, 48), np.random.default_rng(0))
    assert set(target.unique().tolist()) == {-1, 0, 1, 2}


def test_a_model_of_overlapping_regions_gives_no_rows():
    old = read_model(V2)
    volume = read(image(0))
    parent = Trained(_with_regions(old.plan), old.network, old.table)
    plan, _, rows = start.planned(parent, [(volume, painted(volume))], {})
    assert plan.outputs == (255, 1, 2)
    assert rows == [None, None, None]


def _with_regions(plan):
    from dataclasses import replace

    return replace(plan, inference={**plan.inference, "regions": True})


def test_training_without_a_parent_is_refused():
    volume = read(image(0))
    case = (volume, painted(volume))
    with pytest.raises(UserError, match="starts from a model: give one with --from"):
        starting.create([case], TrainSettings(recipe="pretrained"))


def test_a_parent_that_is_not_there_is_said_so():
    volume = read(image(0))
    with pytest.raises(UserError, match="no file and no model 'gone'"):
        starting.create([(volume, painted(volume))], settings("gone"))


@pytest.mark.slow
def test_the_network_of_mlperf_learns_too():
    volume = read(image(0))
    case = (volume, painted(volume))
    chosen = settings(MLPERF, steps=1, held_out=False)
    model = starting.create([case], chosen)
    assert len(list(training.train(model, [case], chosen))) == 1


def test_the_teacher_says_what_the_model_said_at_first_and_nothing_of_new_classes():
    model, old = started(V2, "tumor", "vessel")
    image_ = torch.randn(1, 1, 16, 32, 32)
    with torch.inference_mode():
        before = old.network(image_)[0]
    first = model.network.taught(image_)
    with torch.no_grad():
        for weight in model.network.parameters():
            weight.add_(0.1)
    told = model.network.taught(image_)
    assert torch.equal(told, first)
    assert torch.allclose(told[:, 1], before[:, 2], atol=1e-5)
    assert torch.isinf(told[:, 2]).all()
    assert not [name for name in model.network.state_dict() if "teacher" in name]
