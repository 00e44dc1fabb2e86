"""What a training keeps of the model that it goes on from."""

from collections.abc import Iterable, Mapping

import torch
from torch import Tensor, nn

# With so many slices, old and new weights count the same.
_EVEN = 3


class Anchor:
    """The weights of a parent, which those that predict stay near.

    The mean of the weights before and after a further training knows more than either: the
    few slices of one volume are soon known by heart, and all else is forgotten (Wortsman et
    al., Robust fine-tuning of zero-shot models, CVPR 2022). With more slices the new
    weights count more.
    """

    def __init__(self, weights: Mapping[str, Tensor]) -> None:
        self._start = {name: weight.clone() for name, weight in weights.items()}
        self._share = 1.0

    def weigh(self, slices: int) -> None:
        """Take in how many annotated slices the new weights learn from."""
        self._share = slices / (slices + _EVEN)

    def pull(self, network: nn.Module) -> None:
        """Move what steps do not train, and was just fitted, back towards the parent."""
        trained = {name for name, w in network.named_parameters() if w.requires_grad}
        with torch.no_grad():
            for name, weight in network.state_dict().items():
                if name in self._start and name not in trained:
                    weight.copy_(torch.lerp(self._start[name], weight, self._share))

    def between(self, weights: Iterable[tuple[str, Tensor]]) -> list[Tensor]:
        """Return points between the parent's and these weights, which have names."""
        return [
            torch.lerp(self._start[name], weight, self._share)
            if name in self._start
            else weight
            for name, weight in weights
        ]
