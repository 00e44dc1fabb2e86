"""A model of nnU-Net 2 is written as nnU-Net wrote it, or a sentence says why not."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch

from sparseseg.data import samples
from sparseseg.data.labels import SparseLabels
from sparseseg.engine.model import Model
from sparseseg.errors import UserError
from sparseseg.models.nnunet_folder import export_folder
from sparseseg.models.readers import read_model
from sparseseg.settings.training import TrainSettings
from sparseseg.starting import create
from tests.models.paths import V1, V2

CHECKPOINT = Path("fold_0") / "checkpoint_final.pth"


def test_a_folder_of_nnunet_comes_back_as_it_was(tmp_path: Path) -> None:
    model, out = read_model(V2), tmp_path / "mine"
    assert export_folder(model, out) == {"background": 0, "liver": 1, "tumor": 2}
    again = read_model(out)
    assert again.plan.to_json() == model.plan.to_json()
    assert again.table == model.table
    weights = again.network.state_dict()
    for name, tensor in model.network.state_dict().items():
        assert torch.equal(weights[name], tensor)


def test_weights_have_every_name_that_nnunet_gave_them(tmp_path: Path) -> None:
    export_folder(read_model(V2), tmp_path / "mine")
    ours = torch.load(tmp_path / "mine" / CHECKPOINT, weights_only=True)
    theirs = torch.load(V2 / CHECKPOINT, weights_only=False)["network_weights"]
    assert set(ours["network_weights"]) == set(theirs)
    for name, tensor in theirs.items():
        assert torch.equal(ours["network_weights"][name], tensor)


def test_labels_are_counted_without_gaps(tmp_path: Path) -> None:
    model = read_model(V2)
    classes = model.table.classes
    table = replace(model.table, classes=(classes[0], replace(classes[1], number=7)))
    plan = replace(model.plan, outputs=(*model.plan.outputs[:2], 7))
    model = Model(plan, table, network=model.network, history={})
    labels = export_folder(model, tmp_path / "mine")
    assert labels == {"background": 0, "liver": 1, "tumor": 2}


@pytest.mark.parametrize("name", ["background", "ignore"])
def test_a_class_named_as_a_label_of_nnunet_itself_is_refused(
    tmp_path: Path, name: str
) -> None:
    model = read_model(V2)
    table = model.table.renamed(2, name)
    model = Model(model.plan, table, network=model.network, history={})
    with pytest.raises(UserError, match=f"'{name}': give the class another name"):
        export_folder(model, tmp_path / "mine")
    assert not list(tmp_path.iterdir())
    other = model.table.renamed(2, name.upper())
    model = Model(model.plan, other, network=model.network, history={})
    labels = export_folder(model, tmp_path / "mine")
    assert labels == {"background": 0, "liver": 1, name.upper(): 2}


def test_what_nnunet_would_apply_otherwise_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="in another way"):
        export_folder(read_model(V1), tmp_path / "mine")
    sample = samples.blobs((24, 24, 24))
    case = sample.volume, SparseLabels(sample.annotation)
    own = create([case], TrainSettings(recipe="lungnet"))
    with pytest.raises(UserError, match="this one is of lungnet"):
        export_folder(own, tmp_path / "mine")
    assert not list(tmp_path.iterdir())
    with pytest.raises(UserError, match="choose another name"):
        export_folder(read_model(V2), tmp_path)
