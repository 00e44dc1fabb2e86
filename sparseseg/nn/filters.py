"""A bank of 3-D filters over octaves: context that a network need not learn first.

Grey value, gradient magnitude and the curvatures of the surface of grey values (the
eigenvalues of the Hessian) tell blobs, tubes, sheets and edges apart at each scale;
random forests on such filters are the standard of interactive segmentation. Each octave
is filtered with the same small kernels on a halved grid, so that all octaves together
cost about as much as the first.
"""

import math
from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn import functional as F

from sparseseg.boxes import Triple

OCTAVES = 4
PER_OCTAVE = 5
_BINOMIAL = (1 / 16, 4 / 16, 6 / 16, 4 / 16, 1 / 16)  # a Gaussian of deviation 1
_REACH = 5  # of blur, two differences and upsampling, in voxels of the octave


def filter_count() -> int:
    """Return how many channels the bank makes of one."""
    return 1 + PER_OCTAVE * OCTAVES


def strides(anisotropy: Sequence[float]) -> list[Triple]:
    """Return the factor z, y, x by which each octave's grid is coarser.

    A coarse axis waits until the others have come up to it, so that each octave sees
    about the same extent along all axes.
    """
    found = []
    for octave in range(OCTAVES):
        side = 2.0**octave
        z, y, x = (max(1, 2 ** round(math.log2(side / a))) for a in anisotropy)
        found.append((min(z, 2**octave), min(y, 2**octave), min(x, 2**octave)))
    return found


def filter_halo(anisotropy: Sequence[float]) -> Triple:
    """Return how many voxels z, y, x beyond a box the bank looks at."""
    z, y, x = (_REACH * stride for stride in strides(anisotropy)[-1])
    return z, y, x


def filter_grid(anisotropy: Sequence[float]) -> Triple:
    """Return of what a box's start has to be a multiple, for octaves to fall in step."""
    return strides(anisotropy)[-1]


def filter_bank(
    grey: Tensor, anisotropy: Sequence[float], inner: Sequence[slice] | None = None
) -> Tensor:
    """Return (1 + 5 * octaves, z, y, x) of one channel (z, y, x), or of a part of it.

    First the grey value, then for each octave blur, gradient magnitude and the three
    curvatures, the largest first. Round the part `inner` lies at least `filter_halo`, of
    which each octave reads what it needs, or an end of the volume.
    """
    wanted = tuple(inner or (slice(0, size) for size in grey.shape))
    channels = [grey[wanted][None]]
    for octave, stride in enumerate(strides(anisotropy)):
        scale = 2.0**octave
        axes = list(zip(wanted, stride, grey.shape, strict=True))
        read = tuple(_needed(*axis) for axis in axes)
        part = grey[read]
        coarse = _coarse(part, stride)
        sides = [s * a / scale for s, a in zip(stride, anisotropy, strict=True)]
        found = _octave(coarse, sides)
        for axis in (2, 1, 0):  # the last is the largest, and its rows are whole
            first, w = read[axis].start, wanted[axis]
            found = _refined(
                found, axis + 1, stride[axis], w.start - first, w.stop - first
            )
        channels.append(found)
    return torch.cat(channels)


def _refined(coarse: Tensor, axis: int, factor: int, begin: int, end: int) -> Tensor:
    """Interpolate linearly between the middles of a grid's cells, from begin to end.

    Three of these, one along each axis, are trilinear interpolation, at a third of its
    time. Cells that none of the wanted voxels lies between are left out.
    """
    if factor == 1:
        return coarse.narrow(axis, begin, end - begin)
    low = max(0, begin // factor - 1)
    high = min(coarse.shape[axis], -(-end // factor) + 1)
    coarse = coarse.narrow(axis, low, high - low)
    shape = list(coarse.shape)
    fine = coarse.new_empty([*shape[: axis + 1], factor, *shape[axis + 1 :]])
    last = coarse.shape[axis] - 1
    first, final = coarse.narrow(axis, 0, 1), coarse.narrow(axis, last, 1)
    before = torch.cat([first, coarse.narrow(axis, 0, last)], axis)
    after = torch.cat([coarse.narrow(axis, 1, last), final], axis)
    for phase in range(factor):
        at = (phase + 0.5) / factor - 0.5  # from the middle of its cell
        other = before if at < 0 else after
        torch.lerp(coarse, other, abs(at), out=fine.select(axis + 1, phase))
    return fine.flatten(axis, axis + 1).narrow(axis, begin - low * factor, end - begin)


def _needed(wanted: slice, stride: int, size: int) -> slice:
    """Return what an octave reads for a part, in step with its grid."""
    reach = _REACH * stride
    start = max(0, wanted.start - reach) // stride * stride
    return slice(start, min(size, -(-(wanted.stop + reach) // stride) * stride))


def _coarse(grey: Tensor, stride: Triple) -> Tensor:
    """Return means over cells; the end of the volume is repeated to fill the last."""
    for axis, step in enumerate(stride):
        if missing := -grey.shape[axis] % step:
            end = grey.narrow(axis, grey.shape[axis] - 1, 1)
            grey = torch.cat([grey, *[end] * missing], axis)
    return F.avg_pool3d(grey[None, None], stride)[0, 0]


def _octave(grey: Tensor, sides: Sequence[float]) -> Tensor:
    """Return blur, gradient magnitude and curvatures; `sides` are voxel sizes."""
    blurred = grey
    for axis, side in enumerate(sides):
        # A voxel much longer than the octave's scale is blurred already.
        if side < 1.5:
            blurred = _along(blurred, axis, _BINOMIAL)
    slopes = [_slope(blurred, axis) / side for axis, side in enumerate(sides)]
    magnitude = torch.stack(slopes).square().sum(0).sqrt()
    bends = {
        (a, b): _slope(slopes[a], b) / sides[b] for a in range(3) for b in range(a, 3)
    }
    return torch.stack([blurred, 2 * magnitude, *(3 * c for c in _curvatures(bends))])


def _along(grey: Tensor, axis: int, kernel: Sequence[float]) -> Tensor:
    """Correlate along one axis, with the border repeated."""
    reach = len(kernel) // 2
    size = grey.shape[axis]
    places = torch.arange(-reach, size + reach, device=grey.device).clamp(0, size - 1)
    padded = grey.index_select(axis, places)
    parts = (w * padded.narrow(axis, i, size) for i, w in enumerate(kernel) if w)
    return sum(parts, torch.zeros_like(grey))


def _slope(grey: Tensor, axis: int) -> Tensor:
    """Return central differences along an axis, and one-sided ones at its ends.

    Any guess at what lies beyond an end would show edges there that are none.
    """
    size = grey.shape[axis]
    if size == 1:
        return torch.zeros_like(grey)
    inner = grey.narrow(axis, 2, size - 2) - grey.narrow(axis, 0, size - 2)
    first, last = (
        grey.narrow(axis, at + 1, 1) - grey.narrow(axis, at, 1) for at in (0, size - 2)
    )
    return torch.cat([first, inner / 2, last], axis)


def _curvatures(bends: dict[tuple[int, int], Tensor]) -> list[Tensor]:
    """Return the eigenvalues of symmetric 3 x 3 matrices, largest first.

    The trigonometric solution (Smith, Commun ACM 1961), one voxel at a time in parallel.
    """
    a, b, c = bends[0, 0], bends[1, 1], bends[2, 2]
    d, e, f = bends[0, 1], bends[1, 2], bends[0, 2]
    mean = (a + b + c) / 3
    a, b, c = a - mean, b - mean, c - mean
    spread = ((a * a + b * b + c * c + 2 * (d * d + e * e + f * f)) / 6).sqrt()
    determinant = a * (b * c - e * e) - d * (d * c - e * f) + f * (d * e - b * f)
    angle = (determinant / (2 * spread**3).clamp_min(1e-12)).clamp(-1, 1).acos() / 3
    largest = mean + 2 * spread * angle.cos()
    smallest = mean + 2 * spread * (angle + 2 * math.pi / 3).cos()
    return [largest, 3 * mean - largest - smallest, smallest]
