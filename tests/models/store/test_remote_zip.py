"""Members of an archive on the net, taken without the rest."""

import io
import random
import zipfile

import pytest

from sparseseg.models.store import remote_zip
from sparseseg.models.store.archives import extract, members
from sparseseg.models.store.remote_zip import NoRanges, RemoteFile

SMALL = random.Random(0).randbytes(30_000)


@pytest.fixture(autouse=True)
def small_blocks(monkeypatch):
    monkeypatch.setattr(remote_zip, "BLOCK", 4096)


@pytest.fixture
def url(site):
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for fold in range(5):
            other = random.Random(fold + 1).randbytes(200_000)
            archive.writestr(f"m/fold_{fold}/model", SMALL if fold == 2 else other)
        archive.writestr("m/plans.pkl", b"plans")
    site.files["m.zip"] = buffer.getvalue()
    return f"{site.url}/m.zip"


def taken(url, into):
    remote = RemoteFile(url)
    with zipfile.ZipFile(remote) as archive:
        wanted = members(archive, ["/plans.pkl", "fold_2/model"])
        list(extract(archive, wanted, into))
    return remote


def test_one_fold_costs_a_part_of_the_bytes(site, url, tmp_path):
    remote = taken(url, tmp_path)
    assert (tmp_path / "m/fold_2/model").read_bytes() == SMALL
    assert (tmp_path / "m/plans.pkl").read_bytes() == b"plans"
    assert remote.moved == site.sent < 60_000 < 800_000 < len(site.files["m.zip"])


def test_a_cut_connection_is_asked_again(site, url, tmp_path):
    site.cut_after, site.cuts = 1000, 2
    taken(url, tmp_path)
    assert (tmp_path / "m/fold_2/model").read_bytes() == SMALL


@pytest.mark.parametrize("fault", [{"ranges": False}, {"lies": True}])
def test_a_server_that_gives_no_parts_is_told_apart(site, url, tmp_path, fault):
    vars(site).update(fault)
    with pytest.raises(NoRanges):
        # The very first byte may be asked for truthfully.
        taken(url, tmp_path)


def test_an_archive_that_changes_meanwhile_is_noticed(site, url, tmp_path):
    remote = RemoteFile(url)
    site.tag = '"two"'
    with pytest.raises(NoRanges, match="another file"):
        remote.read(10)


def test_a_connection_that_is_always_cut_ends(site, url):
    remote = RemoteFile(url)
    site.cut_after = 10
    with pytest.raises(NoRanges, match="cut"):
        remote.read(100)
