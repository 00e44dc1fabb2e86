import pytest

from sparseseg.data.atomic import replacing
from sparseseg.errors import UserError


def test_a_file_appears_whole_and_alone(tmp_path):
    with replacing(tmp_path / "new" / "a.nii.gz") as beside:
        assert beside.name.endswith(".nii.gz")
        beside.write_text("whole")
        assert not (tmp_path / "new" / "a.nii.gz").exists()
    assert [p.name for p in (tmp_path / "new").iterdir()] == ["a.nii.gz"]


def test_a_failure_leaves_the_old_file_and_nothing_beside_it(tmp_path):
    path = tmp_path / "a.tif"
    path.write_text("old")

    def fail_half_way():
        with replacing(path) as beside:
            beside.write_text("half")
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail_half_way()
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_a_place_that_cannot_be_written_is_named(tmp_path):
    blocked = tmp_path / "file"
    blocked.write_text("")
    with (
        pytest.raises(UserError, match=r"cannot write .*file.a.tif"),
        replacing(blocked / "a.tif") as beside,
    ):
        beside.write_text("never")
