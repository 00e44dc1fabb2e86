import pytest
import yaml

from sparseseg.errors import UserError
from sparseseg.models.store.entries import chosen, entries, entry
from sparseseg.models.store.folder import store_folder

OWN = {
    "id": "kits19-mlperf",
    "title": "Mine instead",
    "organ": ["kidney"],
    "modality": "CT",
    "classes": {1: "kidney"},
    "spacing": None,
    "files": [{"url": "https://example.org/a.pth"}],
    "format": "mlperf-kits19",
    "licence": {"weights": "mine", "data": "mine", "commercial": "yes"},
    "citation": ["me"],
    "status": "unverified",
}


def own_file(*items):
    store_folder().mkdir(parents=True)
    (store_folder() / "models.yaml").write_text(yaml.safe_dump(list(items)))


def test_the_models_that_were_promised_are_listed_and_claim_no_more_than_was_tried():
    found = entries()
    assert {
        "kits19-mlperf",
        "nnunet-task003-liver",
        "nnunet-task029-lits",
        "nnunet-task048-kits19",
        "nnunet-task135-kits21",
        "totalsegmentator-291-organs",
        "totalsegmentator-297-3mm",
        "totalsegmentator-591-liver-lesions",
        "totalsegmentator-789-kidney-cyst",
    } <= set(found)
    assert not [e for e in found.values() if e.status == "weights-verified"]
    nc = [e for e in found.values() if "NC" in e.licence.weights]
    assert nc
    assert {e.licence.commercial for e in nc} == {"no"}
    assert found["kits19-mlperf"].files[0].md5 == "09c696e3ec13d83c628498bcd831eb5b"


def test_models_are_chosen_by_organ_class_and_use():
    every = entries().values()
    liver = {e.id for e in chosen(every, organ="liver")}
    assert {"nnunet-task003-liver", "totalsegmentator-291-organs"} <= liver
    assert "kits19-mlperf" not in liver
    assert {e.id for e in chosen(every, organ="tumour", commercial="unclear")} == {
        "kits19-mlperf"
    }
    assert chosen(every, modality="MR") == []


def test_entries_of_the_users_file_replace_ours():
    own_file(OWN, {**OWN, "id": "more"})
    assert entry("kits19-mlperf").title == "Mine instead"
    assert entry("more").classes == {1: "kidney"}
    assert entry("nnunet-task003-liver")


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"status": "perfect"}, "wrong at 0.status"),
        ({"id": "../../x"}, "wrong at 0.id"),
        ({"files": [{"url": "file:///etc/passwd"}]}, "wrong at 0.files.0.url"),
        ({"classes": {300000: "a"}}, "wrong at 0.classes"),
        ({"run": "rm"}, "wrong at 0"),
    ],
)
def test_a_wrong_entry_is_named(change, words):
    own_file({**OWN, **change})
    with pytest.raises(UserError, match=words):
        entries()


def test_a_file_that_is_no_yaml_and_one_that_wants_objects(tmp_path):
    store_folder().mkdir(parents=True)
    file = store_folder() / "models.yaml"
    file.write_text("- [")
    with pytest.raises(UserError, match="is not valid YAML"):
        entries()
    file.write_text("!!python/object/apply:os.system ['touch PWNED']")
    with pytest.raises(UserError, match="is not valid YAML"):
        entries()


def test_a_model_that_there_is_not():
    with pytest.raises(UserError, match="no model 'unet9': `sparseseg models list`"):
        entry("unet9")
