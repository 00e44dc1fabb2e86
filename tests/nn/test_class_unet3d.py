import pytest
import torch

from sparseseg.nn.class_unet3d import (
    ClassUNet3d,
    _Convolution,
    grid_of,
    levels_for,
    reach_of,
)

WIDTHS = (3, 4, 5)


def network(outputs=3, **options):
    torch.manual_seed(0)
    made = ClassUNet3d(1, outputs, widths=WIDTHS, **options).eval()
    for learned in made.asked:
        torch.nn.init.normal_(learned)
    return made


def test_a_coarse_axis_waits_until_the_others_have_come_up_to_it():
    levels = levels_for((4.0, 1.0, 1.0), 4)
    assert [level.coarse for level in levels] == [(0,), (0,), (), ()]
    assert [level.pooling for level in levels] == [
        (1, 2, 2), (1, 2, 2), (2, 2, 2), (1, 1, 1),
    ]  # fmt: skip
    assert grid_of(levels) == (2, 8, 8)


def test_the_reach_is_that_of_all_kernels_and_cells():
    # 4 kernels and a cell of 2 on the finest level, then 2 kernels of twice the size.
    assert reach_of(levels_for((1, 1, 1), 2)) == (4 + 2 + 2 * 2,) * 3
    assert reach_of(levels_for((8, 1, 1), 2))[0] == 0


@pytest.mark.parametrize("anisotropy", [(1, 1, 1), (3, 1, 1)])
def test_no_voxel_beyond_the_reach_matters(anisotropy):
    made = network(anisotropy=anisotropy)
    inputs = torch.randn(1, 1 + 1 + 3, 8, 96, 8)
    other = inputs.clone()
    reach = reach_of(made.levels)[1]
    other[:, :, :, reach + 1 :] += 1
    with torch.inference_mode():
        one, two = made(inputs), made(other)
    assert torch.equal(one[..., 0, :], two[..., 0, :])
    assert not torch.equal(one, two)


def test_classes_answer_alone_as_they_answer_together():
    made = network(coordinates=True)
    inputs = torch.randn(2, 1 + 3 + 1 + 3, 4, 4, 8)
    with torch.inference_mode():
        together = made(inputs)
        alone = made(inputs[:, [0, 1, 2, 3, 4, 6]], torch.tensor([1]))
    assert together.shape == (2, 3, 4, 4, 8)
    torch.testing.assert_close(together[:, 1:2], alone)


def test_without_guidance_and_before_learning_all_classes_are_alike():
    torch.manual_seed(0)
    fresh = ClassUNet3d(1, 2, widths=WIDTHS)
    inputs = torch.randn(1, 4, 4, 4, 4)
    inputs[:, 1:] = 0
    found = fresh(inputs)
    assert torch.equal(found[:, 0], found[:, 1])


def test_the_weights_serve_any_voxel_size_and_number_of_classes():
    one, other = network(), network(5, anisotropy=(6.0, 1.0, 1.0))
    shared = {n: t for n, t in one.state_dict().items() if "asked" not in n}
    missing, unexpected = other.load_state_dict(shared, strict=False)
    assert not unexpected
    assert all(name.startswith("asked") for name in missing)


def test_a_kernel_across_a_coarse_axis_is_what_it_is_for_equal_neighbours():
    torch.manual_seed(0)
    convolution = _Convolution(2, 3)
    plane = torch.randn(1, 2, 1, 6, 6)
    fine, coarse = levels_for((1, 1, 1), 1)[0], levels_for((5, 1, 1), 1)[0]
    equal = convolution(plane.expand(-1, -1, 5, -1, -1), fine)[:, :, 2]
    torch.testing.assert_close(convolution(plane, coarse)[:, :, 0], equal)


def test_weights_are_standardised_whatever_their_scale():
    torch.manual_seed(0)
    one, other = _Convolution(2, 3), _Convolution(2, 3)
    with torch.no_grad():
        other.weight.copy_(7 * one.weight + 3)
    inputs, level = torch.randn(1, 2, 4, 4, 4), levels_for((1, 1, 1), 1)[0]
    torch.testing.assert_close(
        one(inputs, level), other(inputs, level), atol=1e-3, rtol=1e-3
    )
