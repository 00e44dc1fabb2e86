"""Which device computes, and in which precision and memory format it is fastest."""

import time
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial

import torch
from torch import Tensor, nn

from sparseseg.errors import UserError
from sparseseg.memory import free_memory

_WARM_STEPS = 1
_TIMED_STEPS = 2
# The first pass on a GPU loads its kernels: one this short says nothing yet.
_TELLING_SECONDS = 0.5
# A pass on one core of a 3-D network with patches of its paper takes up to half a minute.
_LONG_SECONDS = 5.0


def choose_device(name: str) -> torch.device:
    """Return the device of this name; "auto" takes the fastest that is there."""
    there = {
        "cuda": torch.cuda.is_available(),
        "mps": torch.backends.mps.is_available(),
        "cpu": True,
    }
    if name == "auto":
        return torch.device(next(kind for kind, found in there.items() if found))
    if name not in there:
        raise UserError(
            "device must be auto, cpu, cuda or mps, got {name!r}", name=name
        )
    if not there[name]:
        raise UserError("there is no {name} device here: choose auto or cpu", name=name)
    return torch.device(name)


def pays_fused(network: nn.Module) -> bool:
    """Tell whether an optimizer should move all weights of a network in one kernel.

    It spares a GPU many launches. On a CPU it would save a hundredth of a step, and round
    otherwise than the runs that were measured.
    """
    return next(network.parameters()).device.type == "cuda"


def free_bytes(device: torch.device) -> int | None:
    """Return how much memory a device has left, None where it cannot be told."""
    if device.type == "cuda":
        reserved = torch.cuda.memory_reserved(device)
        ours = reserved - torch.cuda.memory_allocated(device)
        return torch.cuda.mem_get_info(device)[0] + ours
    if device.type == "cpu":
        return free_memory()
    return None


def is_out_of_memory(error: BaseException) -> bool:
    """Tell whether an error says that memory, of whatever device, did not suffice."""
    words = str(error)
    return (
        isinstance(error, MemoryError | torch.OutOfMemoryError)
        or "not enough memory" in words
        or "can't allocate memory" in words
    )


@dataclass(frozen=True, slots=True)
class Precision:
    """How a network computes: in bfloat16 or not, channels last or not."""

    bfloat16: bool
    channels_last: bool

    @contextmanager
    def on(self, device: torch.device) -> Iterator[None]:
        """Compute in this precision inside the block."""
        with torch.autocast(device.type, torch.bfloat16, enabled=self.bfloat16):
            yield

    def laid_out(self, inputs: Tensor) -> Tensor:
        """Return inputs (n, c, ...) in this memory format."""
        return inputs.contiguous(memory_format=self._format(inputs.ndim))

    def prepare(self, network: nn.Module) -> None:
        """Lay out the weights of a network in place."""
        for parameter in network.parameters():
            if parameter.ndim in (4, 5):
                parameter.data = self.laid_out(parameter.data)

    def _format(self, ndim: int) -> torch.memory_format:
        if not self.channels_last or ndim not in (4, 5):
            return torch.contiguous_format
        return torch.channels_last if ndim == 4 else torch.channels_last_3d


PLAIN = Precision(bfloat16=False, channels_last=False)
_LAST = Precision(bfloat16=False, channels_last=True)
_HALF = Precision(bfloat16=True, channels_last=True)


def probe(
    network: nn.Module, inputs: Tensor, answer: Callable[[Tensor], Tensor]
) -> Precision:
    """Return the fastest precision for training this network on this device.

    `answer` is what the network says of inputs, by way of all that learns. A forward and
    a backward pass are timed a few times in each; gradients are left empty. One that
    computes gradients which are no numbers is not taken: libraries do that for some shapes
    in bfloat16.
    """

    def work(precision: Precision) -> None:
        network.zero_grad(set_to_none=True)
        _pass(answer, precision, inputs)
        grads = [w.grad for w in network.parameters() if w.grad is not None]
        if not torch.isfinite(nn.utils.get_total_norm(grads)):
            raise FloatingPointError

    with torch.random.fork_rng():  # dropout here would change what is drawn later
        best = fastest(network, work)
    network.zero_grad(set_to_none=True)
    return best


def fastest(network: nn.Module, work: Callable[[Precision], None]) -> Precision:
    """Return the precision in which a piece of work with this network is fastest.

    `work` raises `FloatingPointError` in a precision that must not be taken. One that is
    slow at its first pass is not timed further. Where a pass takes long, those that come
    after it are not tried at all: that would take minutes.
    """
    best, least = PLAIN, float("inf")
    for candidate in _candidates():
        candidate.prepare(network)
        try:
            seconds = _measure(partial(work, candidate), least)
        except FloatingPointError:
            continue
        if seconds < least:
            best, least = candidate, seconds
        if least > _LONG_SECONDS:
            break
    best.prepare(network)
    return best


def _candidates() -> tuple[Precision, ...]:
    """Return all precisions, what is most likely the fastest first."""
    has_matrix_units = torch.cpu.get_capabilities().get("amx_bf16", False)
    return (_HALF, _LAST, PLAIN) if has_matrix_units else (_LAST, PLAIN, _HALF)


def _measure(work: Callable[[], None], least: float) -> float:
    """Return the least seconds of several runs, or of the first if that is hopeless."""
    seconds = []
    for _ in range(_WARM_STEPS + _TIMED_STEPS):
        begin = time.perf_counter()
        work()
        seconds.append(time.perf_counter() - begin)
        if seconds[0] > max(3 * least, _TELLING_SECONDS):
            break
    return min(seconds)


def _pass(
    answer: Callable[[Tensor], Tensor], precision: Precision, inputs: Tensor
) -> None:
    """Go once forward and backward, and wait for the device."""
    device = inputs.device
    with precision.on(device):
        logits = answer(precision.laid_out(inputs))
    with warnings.catch_warnings():
        # Of gradients laid out otherwise than weights: that is what is measured.
        warnings.simplefilter("ignore", UserWarning)
        logits.float().mean().backward()  # type: ignore[no-untyped-call]
    if device.type == "cuda":
        torch.cuda.synchronize(device)
