import errno
import os

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


def test_a_file_of_a_library_that_keeps_it_private_is_opened_as_the_system_says(
    tmp_path,
):
    before = os.umask(0o027)
    try:
        with replacing(tmp_path / "a") as beside:
            beside.touch(mode=0o600)
    finally:
        os.umask(before)
    assert (tmp_path / "a").stat().st_mode & 0o777 == 0o640
    (tmp_path / "a").chmod(0o604)
    with replacing(tmp_path / "a") as beside:
        beside.touch()
    assert (tmp_path / "a").stat().st_mode & 0o777 == 0o604
    assert [path.name for path in tmp_path.iterdir()] == ["a"]


@pytest.mark.parametrize(
    "error",
    [
        OSError(errno.ENOSPC, "No space left on device"),
        RuntimeError("I/O error: No space left on device (os error 28)"),
        OSError("138240 requested and 13216 written"),
    ],
)
def test_a_full_disk_is_told_whichever_library_met_it(tmp_path, error):
    (tmp_path / "a").write_text("old")

    def write():
        with replacing(tmp_path / "a") as beside:
            beside.touch()
            raise error

    with pytest.raises(UserError, match=r"cannot write .*(?i:no space)"):
        write()
    assert (tmp_path / "a").read_text() == "old"


def test_a_bug_of_ours_is_not_taken_for_a_full_disk(tmp_path):
    with pytest.raises(ZeroDivisionError), replacing(tmp_path / "a"):
        raise ZeroDivisionError("division by zero")
