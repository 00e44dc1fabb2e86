"""A training goes on with a model only if it asks for just such a one."""

import pytest

from sparseseg.session.kind import ModelKind
from sparseseg.settings.training import TrainSettings

MINE = "mine.safetensors"


@pytest.mark.parametrize(
    ("kind", "asked", "fits"),
    [
        (ModelKind("unet3d", {}), {"recipe": "unet3d"}, True),
        (ModelKind("unet3d", {}), {"recipe": "lungnet"}, False),
        (ModelKind("lungnet", {"dims": 2}), {"recipe": "lungnet"}, True),
        (
            ModelKind("lungnet", {"dims": 2}),
            {"recipe": "lungnet", "options": {"dims": "3"}},
            False,
        ),
        (
            ModelKind("lungnet", {"dims": 3}),
            {"recipe": "lungnet", "options": {"dims": 3}},
            True,
        ),
        (ModelKind("lungnet", {"dims": 3}), {"recipe": "lungnet"}, False),
        # The recipe of what starts from another model is that model's.
        (ModelKind("unet3d", {}, MINE), {"parent": MINE}, True),
        (ModelKind("unet3d", {}, MINE), {"recipe": "unet3d"}, False),
        (ModelKind("unet3d", {}), {"parent": MINE}, False),
        (ModelKind("pretrained", {"encoder": "full"}, MINE), {"parent": MINE}, True),
        (
            ModelKind("pretrained", {"encoder": "full"}, MINE),
            {"parent": MINE, "options": {"encoder": "frozen"}},
            False,
        ),
    ],
)
def test_a_training_fits_a_model(kind, asked, fits):
    assert kind.fits(TrainSettings(**asked)) is fits
