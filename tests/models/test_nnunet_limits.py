"""What nnU-Net may ask for: masks and planes work, the rest is refused with a sentence."""

import json
import pickle
from pathlib import Path

import pytest

from sparseseg.errors import UserError
from sparseseg.models.readers import read_model
from sparseseg.models.readers.nnunet_v1 import _foreign as foreign_v1
from sparseseg.models.readers.unpickling import read_pickle
from sparseseg.models.store.entries import entries
from tests.models.paths import V1, V2, copied


def changed(tmp_path: Path, **values: object) -> Path:
    """Return the folder of nnU-Net 2 with other values of its configuration."""
    folder = copied(V2, tmp_path)
    plans = json.loads((folder / "plans.json").read_text())
    plans["configurations"]["3d_fullres"] |= values
    (folder / "plans.json").write_text(json.dumps(plans))
    return folder


def architecture(**values: object) -> dict[str, object]:
    plans = json.loads((V2 / "plans.json").read_text())
    found = plans["configurations"]["3d_fullres"]["architecture"]
    return {**found, "arch_kwargs": {**found["arch_kwargs"], **values}}


def test_the_second_stage_of_a_cascade_is_refused(tmp_path: Path) -> None:
    folder = changed(tmp_path, previous_stage="3d_lowres")
    with pytest.raises(UserError, match=r"second stage of a cascade.*take 3d_fullres"):
        read_model(folder)


def test_batch_normalisation_is_refused_by_its_name(tmp_path: Path) -> None:
    name = "torch.nn.modules.batchnorm.BatchNorm3d"
    folder = changed(tmp_path, architecture=architecture(norm_op=name))
    with pytest.raises(UserError, match=f"normalisation '{name}', which is not known"):
        read_model(folder)


def test_grey_values_are_normalised_inside_a_mask(tmp_path: Path) -> None:
    asked = {"normalization_schemes": ["ZScoreNormalization"]}
    folder = changed(tmp_path, use_mask_for_norm=[True], **asked)
    (normaliser,) = read_model(folder).plan.inference["normalisers"]
    assert (normaliser["kind"], normaliser["masked"]) == ("z-score", True)


def test_a_cascade_of_nnunet_1_is_refused(tmp_path: Path) -> None:
    folder = copied(V1, tmp_path)
    for path in folder.glob("fold_*/*.model.pkl"):
        held = read_pickle(path)
        held["name"] = "nnUNetTrainerV2CascadeFullRes"
        path.write_bytes(pickle.dumps(held))
    with pytest.raises(UserError, match=r"CascadeFullRes.*needs the answer of another"):
        read_model(folder)


def test_planes_and_masks_of_nnunet_1_are_refused() -> None:
    plans = read_pickle(V1 / "plans.pkl")
    (stage,) = plans["plans_per_stage"].values()
    flat = {**plans, "plans_per_stage": {0: {**stage, "patch_size": [64, 64]}}}
    with pytest.raises(UserError, match="2-D network of nnU-Net 1: take its 3d_full"):
        foreign_v1(flat, [], "nnUNetTrainerV2", is_low=False)
    masked = {**plans, "use_mask_for_norm": {0: True}}
    with pytest.raises(UserError, match="within a mask"):
        foreign_v1(masked, [], "nnUNetTrainerV2", is_low=False)


def test_the_list_says_what_totalsegmentator_does_besides() -> None:
    theirs = [e for name, e in entries().items() if name.startswith("totalsegmentator")]
    assert len(theirs) == 4
    assert all("not supported" in one.notes for one in theirs)
    assert all(one.orientation == "ras" for one in theirs)  # the turn is supported
