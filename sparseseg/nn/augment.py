"""Random changes of a training patch, image (c, z, y, x) and target (z, y, x) alike.

Every function returns new tensors on the device of its input, and takes its
randomness from a NumPy generator. A target keeps its values: none is ever mixed.
"""

import math
from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter
from scipy.spatial.transform import Rotation
from torch import Tensor
from torch.nn import functional as F

Range = tuple[float, float]
Triple = tuple[float, float, float]


def bspline_field(
    shape: tuple[int, int, int],
    *,
    spacing: float | Triple = 32.0,
    sd: float | Triple = 4.0,
    rng: np.random.Generator,
    device: torch.device | str = "cpu",
) -> Tensor:
    """Draw a smooth displacement (3, z, y, x), in voxels, components in order z, y, x.

    Çiçek et al. (MICCAI 2016, section 4): normal vectors of the given standard
    deviation on a lattice of the given spacing, both in voxels, under cubic B-splines.
    The spline approximates the lattice, as the authors' Caffe layer does: at the
    default, a component's deviation is 1.41 at lattice points and 1.25 midway, not 4.
    """
    spacings = np.broadcast_to(spacing, 3)
    bases = [_bspline_basis(n, step) for n, step in zip(shape, spacings, strict=True)]
    lattice = rng.standard_normal((3, *(basis.shape[1] for basis in bases)))
    lattice *= np.broadcast_to(sd, 3)[:, None, None, None]
    factors = (torch.from_numpy(a).to(device, torch.float32) for a in (lattice, *bases))
    return torch.einsum("dijk,zi,yj,xk->dzyx", *factors)


def _bspline_basis(size: int, spacing: float) -> NDArray[np.float64]:
    """Return the weight of each control point (column) at each voxel (row)."""
    cell, t = np.divmod(np.arange(size) / spacing, 1.0)
    weights = [(1 - t) ** 3, 3 * t**3 - 6 * t**2 + 4, 3 * t * (1 + t - t**2) + 1, t**3]
    basis = np.zeros((size, int(size // spacing) + 4))
    for offset, weight in enumerate(weights):
        basis[np.arange(size), cell.astype(int) + offset] = weight / 6
    return basis


def affine_matrix(
    rng: np.random.Generator, *, degrees: float | Triple, scale: Range, spacing: Triple
) -> Tensor:
    """Draw the (3, 3) matrix that takes output to input offsets, in voxels z, y, x.

    Angles are uniform within plus or minus `degrees` about z, y and x, and turn in
    physical space: a ball stays a ball whatever the voxel spacing. Structures grow by
    a factor drawn from `scale`, log-uniformly.
    """
    angles = rng.uniform(-1, 1, 3) * np.broadcast_to(degrees, 3)
    rotation = Rotation.from_euler("ZYX", angles, degrees=True).as_matrix()
    zyx = rotation[::-1, ::-1] / _log_uniform(rng, scale)
    voxel = np.asarray(spacing)
    return torch.from_numpy(zyx * voxel / voxel[:, None]).float()


def warp(
    image: Tensor, target: Tensor, displacement: Tensor, matrix: Tensor | None = None
) -> tuple[Tensor, Tensor]:
    """Read image (linear) and target (nearest) at matrix @ (offset + displacement).

    Offsets count from the centre of the patch. The result has the shape of the
    displacement, so reading a larger patch keeps the mirrored border out.
    """
    grid = _sampling_grid(displacement, image.shape[1:], matrix)
    return _sample(image, grid, "bilinear"), _sample(
        target.unsqueeze(0).float(), grid, "nearest"
    )[0].to(target.dtype)


def _sampling_grid(
    displacement: Tensor, shape: Sequence[int], matrix: Tensor | None
) -> Tensor:
    """Return where to read, as torch wants it: (z, y, x, 3), order x, y, z, -1..1."""
    # In these units the patch is 2 wide, border to border, and its centre is 0.
    unit = torch.tensor([2 / max(size - 1, 1) for size in shape])
    whole = torch.eye(3) if matrix is None else matrix.cpu()
    scaled = (unit[:, None] * whole).flip(0).to(displacement)
    moved = displacement + _offsets(displacement)
    return _mirror(scaled @ moved.flatten(1)).view_as(moved).permute(1, 2, 3, 0)


def _mirror(places: Tensor) -> Tensor:
    # What padding_mode="reflection" does, but once for both samplings, and faster.
    turn = places - 1
    return (turn - 4 * (turn / 4).floor() - 2).abs() - 1


def _offsets(field: Tensor) -> Tensor:
    axes = (torch.arange(n, device=field.device) - (n - 1) / 2 for n in field.shape[1:])
    return torch.stack(torch.meshgrid(*axes, indexing="ij"))


def _sample(channels: Tensor, grid: Tensor, mode: str) -> Tensor:
    return F.grid_sample(
        channels[None], grid[None], mode, padding_mode="border", align_corners=True
    )[0]


def flip_rotate(
    image: Tensor,
    target: Tensor,
    rng: np.random.Generator,
    *,
    axes: Sequence[int] = (0, 1, 2),
    spacing: Triple = (1.0, 1.0, 1.0),
) -> tuple[Tensor, Tensor]:
    """Flip the given axes at random and turn by quarters, each orientation as likely.

    Axes (0, 1, 2 for z, y, x) only change places where both the number of voxels and
    the spacing agree, so that an anisotropic patch keeps its shape and meaning.
    """
    order = _exchange(rng, axes, list(zip(target.shape, spacing, strict=True)))
    flips = [axis for axis in axes if rng.random() < 0.5]
    turned = image.permute(0, *(axis + 1 for axis in order))
    return (
        turned.flip([axis + 1 for axis in flips]).contiguous(),
        target.permute(order).flip(flips).contiguous(),
    )


def _exchange(
    rng: np.random.Generator, axes: Sequence[int], extents: list[tuple[int, float]]
) -> list[int]:
    """Permute those of the axes that have equal numbers of voxels and spacing."""
    order = [0, 1, 2]
    for axis in axes:
        alike = [other for other in axes if _alike(extents[axis], extents[other])]
        if axis == alike[0]:
            for place, source in zip(alike, rng.permutation(alike), strict=True):
                order[place] = int(source)
    return order


def _alike(one: tuple[int, float], other: tuple[int, float]) -> bool:
    return one[0] == other[0] and math.isclose(one[1], other[1], rel_tol=1e-3)


def grey_curve(
    rng: np.random.Generator,
    *,
    slope: Range = (0.666, 1.5),
    insertions: int = 2,
    smoothing: float = 0.05,
) -> Tensor:
    """Draw a monotone curve from (0, 0) to (1, 1) as a table of evenly spaced values.

    After the grey value augmentation of the 3D U-Net authors' Caffe layer: each
    insertion halves every segment at a random height that keeps all slopes within
    `slope`; a Gaussian of standard deviation `smoothing` then rounds the corners.
    """
    values = np.array([0.0, 1.0])
    for _ in range(insertions):
        values = _halve(rng, values, slope)
    places = np.linspace(0, 1, 257)
    table = np.interp(places, np.linspace(0, 1, len(values)), values)
    return torch.from_numpy(_smooth(table, sd=256 * smoothing)).float()


def _halve(
    rng: np.random.Generator, values: NDArray[np.float64], slope: Range
) -> NDArray[np.float64]:
    left, right = values[:-1], values[1:]
    least, most = np.array(slope) / (2 * len(left))
    low = np.maximum(left + least, right - most)
    high = np.minimum(left + most, right - least)
    return np.insert(values, range(1, len(values)), rng.uniform(low, high))


def _smooth(table: NDArray[np.float64], *, sd: float) -> NDArray[np.float64]:
    # An odd continuation keeps both ends in place and all slopes in their range.
    room = len(table) - 1
    continued = np.pad(table, room, mode="reflect", reflect_type="odd")
    smooth: NDArray[np.float64] = gaussian_filter(continued, sd)[room:-room]
    return smooth


def apply_curve(image: Tensor, curve: Tensor) -> Tensor:
    """Map grey values through a curve over 0..1, straight on beyond its ends."""
    values = curve.to(image)
    position = image * (len(values) - 1)
    cell = position.long().clamp(0, len(values) - 2)
    return values[cell] + (position - cell) * values.diff()[cell]


def jitter(
    image: Tensor,
    rng: np.random.Generator,
    *,
    scale: Range = (0.8, 1.25),
    shift: float = 0.1,
    gamma: Range = (0.7, 1.5),
    noise: float = 0.1,
) -> Tensor:
    """Change gamma, contrast, brightness and noise of each channel independently.

    `scale` and `gamma` are drawn log-uniformly; `shift` is the largest change of
    brightness and `noise` the largest standard deviation, both in grey values. Gamma
    acts between a channel's least and greatest value, contrast about its mean.
    """
    noise_source = torch.Generator(image.device).manual_seed(int(rng.integers(2**63)))
    result = torch.empty_like(image)
    for source, out in zip(image, result, strict=True):
        out.normal_(generator=noise_source).mul_(rng.uniform(0, noise))
        curved = _gamma(source, _log_uniform(rng, gamma))
        mean, factor = curved.mean(), _log_uniform(rng, scale)
        out += (curved - mean) * factor + (mean + rng.uniform(-shift, shift))
    return result


def _gamma(channel: Tensor, exponent: float) -> Tensor:
    low, high = torch.aminmax(channel)
    extent = (high - low).clamp_min(torch.finfo(channel.dtype).tiny)
    return ((channel - low) / extent) ** exponent * extent + low


def _log_uniform(rng: np.random.Generator, interval: Range) -> float:
    return math.exp(rng.uniform(*np.log(interval)))
