"""H-DenseUNet (Li et al., TMI 2018): a 2-D and a 3-D dense U-Net and their fusion."""

from typing import Any

import torch
from torch import Tensor, nn

from sparseseg.nn.denseunet import FEATURES, LAYOUT_2D, LAYOUT_3D, DenseUNet

BESIDE = 1
"""Planes on each side of the one that the 2-D network labels."""
_SCORE_GAIN = 250.0  # brings the 2-D scores to the range of the CT, as released
STAGES = ("2d", "2d+u", "3d", "hybrid")
PARTS = ("2d", "3d", "fusion", "hybrid")


class Fusion(nn.Module):
    """Map the summed features of both networks to logits; 110,979 parameters."""

    def __init__(self, outputs: int, *, dropout: float = 0.3) -> None:
        super().__init__()
        self.net = nn.Sequential(
            nn.Conv3d(FEATURES, FEATURES, 3, padding=1),
            nn.Dropout(dropout),
            nn.BatchNorm3d(FEATURES),
            nn.ReLU(),
            nn.Conv3d(FEATURES, outputs, 1),
        )

    def forward(self, features: Tensor) -> Tensor:
        """Return logits (n, k, z, y, x)."""
        logits: Tensor = self.net(features)
        return logits


class HDenseUNet(nn.Module):
    """Map a volume (1, c, z, y, x) to logits (1, k, z, y, x).

    Each plane and its two neighbours go through the 2-D network; its features and
    scores, put back into a volume, meet the 3-D network, which sees the volume and 250
    times the scores; the sum of both features is fused. With U-connections in both
    branches there are 65,866,777 parameters for 1 channel and 3 outputs; without
    (`connections` False) the 60,950,785 of the released code, which has none.
    """

    def __init__(
        self,
        channels: int,
        outputs: int,
        *,
        connections: bool = True,
        nearest: bool = False,
    ) -> None:
        super().__init__()
        wiring: dict[str, Any] = {"connections": connections, "nearest": nearest}
        stacked = channels * (1 + 2 * BESIDE)
        self.plane = DenseUNet(stacked, outputs, LAYOUT_2D, **wiring)
        self.space = DenseUNet(channels + outputs, outputs, LAYOUT_3D, **wiring)
        self.fusion = Fusion(outputs)
        self.stage: Tensor
        self.register_buffer("stage", torch.tensor(STAGES.index("hybrid")))
        self.register_load_state_dict_post_hook(_as_loaded)  # type: ignore[no-untyped-call]

    @property
    def is_flat(self) -> bool:
        """Whether the 2-D network is all that there is yet."""
        return int(self.stage) < STAGES.index("3d")

    def enter(self, stage: str) -> None:
        """Let those weights learn that do in a stage of `STAGES`.

        First the 2-D network without and with U-connections; then, with it frozen, the
        3-D network and the fusion; then all. From "3d" on the batch normalisation of the
        2-D network, and in "hybrid" that of the 3-D dense blocks, keeps its statistics.
        """
        self.stage.fill_(STAGES.index(stage))
        flat = self.is_flat
        self.plane.requires_grad_(flat or stage == "hybrid")
        self.plane.connect(wanted=stage != "2d")
        self.space.requires_grad_(not flat)
        self.fusion.requires_grad_(not flat)
        # Its features are fused, and its own scores are nobody's input.
        self.space.head.requires_grad_(requires_grad=False)
        self.train(self.training)

    def train(self, mode: bool = True) -> "HDenseUNet":
        """Set the mode; what a stage freezes stays in evaluation."""
        super().train(mode)
        if not self.is_flat:
            _freeze_norms(self.plane)
            if STAGES[int(self.stage)] == "3d":
                self.plane.eval()
            else:
                _freeze_norms(self.space.blocks)
        return self

    def forward(self, volume: Tensor) -> Tensor:
        """Raise `UserError` for sides that are no multiples of 4 x 32 x 32."""
        planes = neighbours(volume[0])
        features, scores = (_stacked(found) for found in self.plane(planes))
        seen = torch.cat([volume, _SCORE_GAIN * scores.to(volume.dtype)], 1)
        deep, _ = self.space(seen)
        logits: Tensor = self.fusion(deep + features)
        return logits


def part(name: str, channels: int, outputs: int, **options: Any) -> nn.Module:
    """Return one of `PARTS` alone; raise ValueError for another name."""
    if name == "2d":
        return DenseUNet(channels * (1 + 2 * BESIDE), outputs, LAYOUT_2D, **options)
    if name == "3d":
        return DenseUNet(channels + outputs, outputs, LAYOUT_3D, **options)
    if name == "fusion":
        return Fusion(outputs, **options)
    if name == "hybrid":
        return HDenseUNet(channels, outputs, **options)
    raise ValueError(f"part must be one of {', '.join(PARTS)}, got {name!r}")


def neighbours(volume: Tensor) -> Tensor:
    """Return (z, 3c, y, x): each plane of (c, z, y, x) between the two beside it.

    The first and the last plane stand in for those beyond.
    """
    depth = volume.shape[1]
    steps = range(-BESIDE, BESIDE + 1)
    places = [
        torch.arange(depth, device=volume.device).add(step).clamp(0, depth - 1)
        for step in steps
    ]
    return torch.cat([volume[:, place] for place in places]).movedim(1, 0)


def _stacked(planes: Tensor) -> Tensor:
    """Return planes (z, c, y, x) as a volume (1, c, z, y, x)."""
    return planes.movedim(0, 1)[None]


def _as_loaded(network: nn.Module, _: object) -> None:
    """Wire a network as the stage that came with its weights wants it."""
    assert isinstance(network, HDenseUNet)
    network.enter(STAGES[int(network.stage)])


def _freeze_norms(network: nn.Module) -> None:
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d | nn.BatchNorm3d):
            module.eval()
