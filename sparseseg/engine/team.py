"""Processes that train one network together; `torchrun` starts them.

The first one leads: it has the clock, the scores, the optimizer and the file. Before each
step it sends the weights, each process draws its own crops, and the mean of all gradients
goes back to it. So all that a training decides is decided once.
"""

import math
import os
import signal
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import timedelta
from enum import IntEnum

import torch
from torch import Tensor, distributed, nn

from sparseseg.data.slices import AnnotatedSlice
from sparseseg.errors import UserError
from sparseseg.nn.device import Precision, choose_device
from sparseseg.recipes import Stage

_LONGEST_WAIT = timedelta(days=1)
"""While the leader measures or prepares, the others wait for its next word."""
_LEADER = 0


class Word(IntEnum):
    """What the leader tells the others to do."""

    END = 0
    LEARN = 1
    STEP = 2


@dataclass(frozen=True, slots=True)
class Lesson:
    """What the others learn from, until they are told otherwise."""

    outputs: tuple[int, ...]
    left_out: Sequence[frozenset[AnnotatedSlice]]
    """The slices of each volume that nothing is learned from."""
    stage: Stage
    precision: Precision
    weights: Tensor
    """Of the outputs in the loss."""


class Team:
    """One of several processes, and its way to the others."""

    def __init__(self, device: torch.device) -> None:
        self._device = device
        self.rank = distributed.get_rank()
        self._size = distributed.get_world_size()
        self._answering: nn.Module | None = None
        self._is_stopped = False

    @property
    def leads(self) -> bool:
        """Whether this is the process that decides."""
        return self.rank == _LEADER

    def shared(self, steps: int) -> int:
        """Return how many steps of all processes see as much as so many of one."""
        return math.ceil(steps / self._size)

    def begin_step(self, network: nn.Module, lesson: Lesson | None) -> None:
        """Let all processes take a step with the weights of the leader.

        A lesson tells first what they learn from now; the whole network goes with it.
        """
        self._answering = network
        if lesson is not None:
            self._say(Word.LEARN)
            distributed.broadcast_object_list([lesson], _LEADER, device=self._device)
            self.share(network)
        self._say(Word.STEP)
        self.share_learning(network)

    def stop(self, *_: object) -> None:
        """Raise `KeyboardInterrupt`, within a step at its end: the others are in it."""
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        self._is_stopped = True
        if self._answering is None:
            raise KeyboardInterrupt

    def dismiss(self) -> None:
        """Let the others end, also in the midst of a step."""
        if self._answering is not None:
            with suppress(KeyboardInterrupt):
                self.gathered(self._answering, torch.zeros((), device=self._device))
        self._say(Word.END)

    def heard(self) -> Word:
        """Wait for the next word of the leader."""
        return self._say(Word.END)

    def lesson(self) -> Lesson:
        """Return what the leader teaches."""
        found: list[Lesson | None] = [None]
        distributed.broadcast_object_list(found, _LEADER, device=self._device)
        assert found[0] is not None
        return found[0]

    def share(self, network: nn.Module) -> None:
        """Make weights and buffers those of the leader."""
        with torch.no_grad():
            for tensor in (*network.parameters(), *network.buffers()):
                flat = tensor.detach().contiguous().reshape(-1)
                # As bytes, because gloo does not know all types of numbers.
                distributed.broadcast(flat.view(torch.uint8), _LEADER)
                tensor.copy_(flat.view(tensor.shape))

    def share_learning(self, network: nn.Module) -> None:
        """Make the weights that learn those of the leader, all at once."""
        flat = torch.cat([p.detach().reshape(-1) for p in _learning(network)])
        distributed.broadcast(flat, _LEADER)
        if not self.leads:
            with torch.no_grad():
                for parameter, part in _parts(network, flat):
                    parameter.copy_(part)

    def gathered(self, network: nn.Module, loss: Tensor) -> Tensor:
        """Give the leader the mean gradients of all processes; return the mean loss."""
        gradients = [
            torch.zeros_like(p) if p.grad is None else p.grad
            for p in _learning(network)
        ]
        parts = [part.detach().float().reshape(-1) for part in (*gradients, loss)]
        flat = torch.cat(parts) / self._size
        distributed.reduce(flat, _LEADER)
        self._answering = None
        if self._is_stopped:
            raise KeyboardInterrupt
        if self.leads:
            for parameter, part in _parts(network, flat):
                if parameter.grad is not None:
                    parameter.grad.copy_(part)
        return flat[-1]

    def _say(self, word: Word) -> Word:
        said = torch.tensor([int(word)], device=self._device)
        distributed.broadcast(said, _LEADER)
        return Word(int(said.item()))


@contextmanager
def joined(device: str) -> Iterator[Team | None]:
    """Join the other processes that `torchrun` started, where it started several.

    Raises `UserError` where there are fewer GPUs than processes, or none that can share.
    """
    if int(os.environ.get("WORLD_SIZE", "1")) < 2 or not _is_of_torchrun():
        yield None
        return
    chosen = _own_device(device)
    backend = "nccl" if chosen.type == "cuda" else "gloo"
    distributed.init_process_group(backend, timeout=_LONGEST_WAIT)
    try:
        team = Team(chosen)
        # Ctrl-C reaches all, some twice. The leader saves the model, and ends the others.
        signal.signal(signal.SIGINT, team.stop if team.leads else signal.SIG_IGN)
        yield team
    finally:
        distributed.destroy_process_group()


def _is_of_torchrun() -> bool:
    return distributed.is_available() and distributed.is_torchelastic_launched()


def _own_device(name: str) -> torch.device:
    """Return the device of this process: each has a GPU of its own."""
    chosen = choose_device(name)
    if chosen.type == "mps":
        raise UserError(
            "several processes cannot share the device mps: give --device cpu, or start "
            "one process"
        )
    if chosen.type == "cuda":
        place, count = int(os.environ["LOCAL_RANK"]), torch.cuda.device_count()
        if place >= count:
            raise UserError(
                "there are {count} GPUs for more processes: start one process a GPU, "
                "torchrun --nproc-per-node {count}",
                count=count,
            )
        torch.cuda.set_device(place)
    return chosen


def _learning(network: nn.Module) -> list[nn.Parameter]:
    return [p for p in network.parameters() if p.requires_grad]


def _parts(network: nn.Module, flat: Tensor) -> Iterator[tuple[nn.Parameter, Tensor]]:
    """Yield each weight that learns with its part of all of them."""
    begin = 0
    for parameter in _learning(network):
        end = begin + parameter.numel()
        yield parameter, flat[begin:end].view(parameter.shape)
        begin = end
