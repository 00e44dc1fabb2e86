import numpy as np
import pytest
import torch

from sparseseg import starting
from sparseseg.boxes import Box
from sparseseg.data.labels import SparseLabels
from sparseseg.data.volume import Volume
from sparseseg.engine import prediction
from sparseseg.engine.output import Output
from sparseseg.engine.prediction import ThisProcess, predict, predict_by, tune
from sparseseg.engine.tiling import plan_tiles, tile_within
from sparseseg.engine.training import train
from sparseseg.errors import UserError
from sparseseg.nn.device import PLAIN, Precision
from sparseseg.recipes import Scene
from sparseseg.recipes.three_view import ThreeViewRecipe
from sparseseg.work import result_of
from tests.miniature import (
    SHAPE,
    blob_case,
    fresh_model,
    predict_all,
    settings,
    shrink,
)


@pytest.fixture(autouse=True)
def few_pixels(monkeypatch):
    shrink(monkeypatch)


@pytest.fixture
def labelled():
    return blob_case()


@pytest.fixture
def model(labelled):
    return outspoken(fresh_model(labelled))


def outspoken(model):
    """Let the correction of a fresh network say something."""
    torch.manual_seed(0)
    torch.nn.init.normal_(model.network.head.weight, std=0.5)
    return model


def tiled(monkeypatch, *size):
    def tile(self, plan, shape):
        return size

    monkeypatch.setattr(ThreeViewRecipe, "tile", tile)


def unwritten(shape=SHAPE) -> Output:
    return Output(np.full(shape, 77, np.uint8))


def writing(tiles):
    """Leave out the tiles that only tell how far a prediction is."""
    return (tile for tile in tiles if np.prod(tile.write.shape))


def test_every_voxel_is_written_exactly_once(model, labelled, monkeypatch):
    tiled(monkeypatch, 5, 16, 9)
    out, times = unwritten(), np.zeros(SHAPE, int)
    tiles = []
    for tile in writing(predict(model, labelled[0], out)):
        tiles.append(tile)
        times[tile.write.slices] += 1
        assert ((out.labels != 77) == (times > 0)).all()
    assert (times == 1).all()
    assert [t.done for t in tiles] == list(range(1, tiles[0].total + 1))
    assert set(np.unique(out.labels)) <= {0, 1, 2}


@pytest.mark.parametrize("size", [(4, 4, 16), (4, 4, 20), (4, 4, 24)])
def test_tiles_make_the_same_prediction_as_the_whole(monkeypatch, size):
    labelled = blob_case((4, 4, 64))
    model = outspoken(fresh_model(labelled))
    whole = predict_all(model, *labelled)
    tiled(monkeypatch, *size)
    parts = predict_all(model, *labelled)
    np.testing.assert_allclose(parts.probabilities, whole.probabilities, atol=1e-3)


def asked_how_frequent(monkeypatch, factors):
    """Let a forest find outputs so many times as frequent; return what it was asked of."""
    asked = []

    def shifted(self, network, scene):
        asked.append(scene.volume)
        yield 0.5
        return factors

    monkeypatch.setattr(ThreeViewRecipe, "shifted", shifted)
    return asked


def test_where_nothing_is_annotated_classes_are_expected_as_frequent_as_they_are(
    model, labelled, monkeypatch
):
    volume, _ = labelled
    factors = torch.ones(len(model.plan.outputs))
    factors[model.plan.classes.index(2)] = 1e9
    asked = asked_how_frequent(monkeypatch, factors)
    here, there = unwritten(), unwritten()
    for _ in predict(model, volume, here, method="forest"):
        pass
    workers = ThisProcess(model, volume)
    for _ in predict_by(workers, model, volume, there, box=None, method="forest"):
        pass
    assert asked == [volume, volume]
    assert (here.labels == 2).all()
    assert (there.labels == 2).all()


@pytest.mark.parametrize("method", ["forest", "network"])
def test_an_annotation_tells_how_frequent_classes_are(
    model, labelled, monkeypatch, method
):
    volume, labels = labelled
    asked = asked_how_frequent(monkeypatch, torch.ones(len(model.plan.outputs)))
    for _ in predict(model, volume, unwritten(), labels=labels, method=method):
        pass
    assert asked == []


def test_a_model_of_several_volumes_expects_what_it_has_seen_of_them(monkeypatch):
    one, other = blob_case(), blob_case()
    for cases, is_asked in (([one], True), ([one, other], False)):
        model = starting.create(cases, settings())
        for _ in train(model, cases, settings(steps=1)):
            pass
        scene = Scene.of(model.plan, one[0])
        found = result_of(model.recipe.shifted(model.network, scene))
        assert (found is not None) is is_asked


def test_labels_are_the_most_probable_classes(model, labelled):
    found = predict_all(model, labelled[0])
    assert found.classes == (0, 1, 2)
    np.testing.assert_array_equal(found.labels, found.probabilities.argmax(0))
    np.testing.assert_allclose(found.probabilities.sum(0), 1, atol=1e-5)


def test_uncertainty_is_entropy_as_a_share_of_the_largest(model, labelled):
    volume, labels = labelled
    found = predict_all(model, volume, labels)
    p = found.probabilities.astype(float).clip(1e-12)
    np.testing.assert_allclose(
        found.uncertainty, -(p * np.log(p)).sum(0) / np.log(3), atol=1e-4
    )
    assert 0 <= found.uncertainty.min() < found.uncertainty.max() <= 1


def test_uncertainty_in_bytes_is_the_same_in_255_steps(model, labelled):
    volume, _ = labelled
    out = Output(np.zeros(SHAPE, np.uint8), np.zeros(SHAPE, np.uint8))
    assert all(predict(model, volume, out))
    expected = np.round(255 * predict_all(model, volume).uncertainty)
    np.testing.assert_allclose(out.uncertainty, expected, atol=1)
    assert out.uncertainty.max() > 2


def test_interpolation_follows_the_annotated_slices(model, labelled):
    volume, labels = labelled
    out = unwritten()
    assert all(predict(model, volume, out, labels=labels, method="interpolation"))
    middle = SHAPE[0] // 2
    expected = np.where(labels.array[middle] == 255, 0, labels.array[middle])
    assert (out.labels[middle] == expected).mean() > 0.9


@pytest.mark.parametrize("blank", [None, SparseLabels(np.zeros(SHAPE, np.uint8))])
def test_interpolation_without_labels_is_refused(model, labelled, blank):
    with pytest.raises(UserError, match="nothing is annotated to interpolate from"):
        next(
            predict(
                model, labelled[0], unwritten(), labels=blank, method="interpolation"
            )
        )


@pytest.mark.parametrize("axis", [0, 1, 2])
@pytest.mark.parametrize("method", ["network", "interpolation"])
def test_a_single_slice_is_written_and_nothing_else(model, labelled, axis, method):
    volume, labels = labelled
    start, stop = [0, 0, 0], list(SHAPE)
    start[axis], stop[axis] = 3, 4
    box = Box(tuple(start), tuple(stop))
    out = unwritten()
    work = predict(model, volume, out, labels=labels, box=box, method=method)
    tiles = list(writing(work))
    assert [t.write for t in tiles] == [box]
    written = np.zeros(SHAPE, bool)
    written[box.slices] = True
    np.testing.assert_array_equal(out.labels != 77, written)


def test_annotation_guides_the_prediction(model, labelled):
    volume, labels = labelled
    guided, alone = (predict_all(model, volume, shown) for shown in (labels, None))
    assert not np.allclose(guided.probabilities, alone.probabilities, atol=1e-3)


def test_output_of_another_shape_is_refused(model, labelled):
    with pytest.raises(UserError, match=r"the output has shape \(2, 2, 2\)"):
        next(predict(model, labelled[0], unwritten((2, 2, 2))))


def test_a_volume_with_other_channels_is_refused(model):
    pair = Volume(np.zeros((2, *SHAPE)))
    with pytest.raises(UserError, match="trained on 1 channel"):
        next(predict(model, pair, unwritten()))


def failing_above(monkeypatch, voxels, error):
    """Let the memory not suffice for a tile of more voxels."""
    old = ThreeViewRecipe.work

    def work(self, network, scene, box):
        if np.prod(box.shape) > voxels:
            raise error
        return old(self, network, scene, box)

    monkeypatch.setattr(ThreeViewRecipe, "work", work)


@pytest.mark.parametrize(
    "error",
    [
        MemoryError(),
        torch.OutOfMemoryError("CUDA out of memory"),
        RuntimeError("DefaultCPUAllocator: not enough memory: you tried to allocate"),
    ],
)
def test_a_tile_that_does_not_fit_is_halved_until_it_does(
    model, labelled, monkeypatch, error
):
    expected = unwritten()
    list(predict(model, labelled[0], expected))
    failing_above(monkeypatch, np.prod(SHAPE) // 3, error)
    out = unwritten()
    tiles = list(writing(predict(model, labelled[0], out)))
    assert (out.labels == expected.labels).mean() > 0.99
    assert len(tiles) == 1


def test_a_voxel_that_does_not_fit_is_the_end(model, labelled, monkeypatch):
    failing_above(monkeypatch, 0, MemoryError())
    with pytest.raises(MemoryError):
        list(predict(model, labelled[0], unwritten()))


def test_other_failures_are_not_hidden(model, labelled, monkeypatch):
    failing_above(monkeypatch, 0, RuntimeError("shapes do not match"))
    with pytest.raises(RuntimeError, match="shapes do not match"):
        list(predict(model, labelled[0], unwritten()))


def test_tiles_are_as_small_as_the_memory_asks(model):
    size = (200, 200, 200)
    spacing = model.plan.spacing
    whole = model.recipe.tile_bytes(model.plan, size, spacing)
    assert tile_within(model, size, whole, spacing) == size
    half = tile_within(model, size, whole // 4, spacing)
    assert model.recipe.tile_bytes(model.plan, half, spacing) <= whole // 4


def test_a_large_tile_tells_how_far_it_is(model, labelled):
    tiles = list(predict(model, labelled[0], unwritten()))
    *told, last = (tile.done / tile.total for tile in tiles)
    assert told == sorted(told)
    assert len(told) > 1
    assert max(told) < last == 1


def test_the_more_memory_the_larger_the_tiles(model):
    big = Scene.of(model.plan, Volume(np.zeros((1, 600, 600, 600), np.uint8)))
    sizes = []
    for memory in (None, 2**33, 2**30):
        model.memory = memory
        sizes.append(plan_tiles(model, big)[0].write.shape)
    usual, large, small = map(np.prod, sizes)
    assert small < usual < large
    few = Scene.of(model.plan, Volume(np.zeros((1, 300, 300, 300), np.uint8)))
    model.memory = 2**33
    assert np.prod(plan_tiles(model, few)[0].write.shape) <= usual
    model.memory = None


def test_less_memory_than_a_small_tile_takes_tells_how_much_is_missing(model):
    with pytest.raises(UserError, match=r"takes about 0\.4 GB, .* give 0\.5 GB more"):
        tile_within(model, (64, 64, 64), 1, model.plan.spacing)


def test_a_large_volume_is_predicted_in_the_fastest_precision(
    model, labelled, monkeypatch
):
    chosen = Precision(bfloat16=True, channels_last=True)
    asked = []

    def fastest(network, work):
        work(chosen)
        asked.append(network)
        return chosen

    monkeypatch.setattr(prediction, "fastest", fastest)
    tune(model, labelled[0])
    assert (asked, model.precision) == ([], PLAIN)
    monkeypatch.setattr(prediction, "_WORTH_TUNING", 10)
    tune(model, labelled[0])
    assert (asked, model.precision) == ([model.network], chosen)
    assert model.predict(labelled[0]).labels.shape == SHAPE
