"""Downloads from a server that drops, lies, changes, is slow, or sends other bytes."""

import hashlib
import random
from itertools import islice

import pytest

from sparseseg.errors import UserError
from sparseseg.models.store import download as module
from sparseseg.models.store.download import download
from sparseseg.models.store.entries import File

CONTENT = random.Random(0).randbytes(50_000)
OTHER = random.Random(1).randbytes(50_000)


@pytest.fixture
def target(tmp_path):
    return tmp_path / "model.bin"


@pytest.fixture
def file(site):
    site.files["model.bin"] = CONTENT
    return File(url=f"{site.url}/model.bin")


def fetch(file, target):
    return list(download(file, target))


def left(target):
    return sorted(path.name for path in target.parent.iterdir() if path.is_file())


def test_a_file_is_fetched_and_its_progress_told(file, target):
    told = fetch(file, target)
    assert target.read_bytes() == CONTENT
    assert told[-1].done == told[-1].total == len(CONTENT)
    assert [t.done for t in told] == sorted(t.done for t in told)
    assert left(target) == ["model.bin"]


def test_a_cut_connection_goes_on_where_it_was_cut(site, file, target):
    site.cut_after = 12_000
    fetch(file, target)
    assert target.read_bytes() == CONTENT
    assert [a.get("Range") for a in site.asked][1] == "bytes=12000-"
    assert site.sent == len(CONTENT)


def test_what_was_cancelled_goes_on_another_time(site, file, target):
    some = download(file, target)
    list(islice(some, 20))
    some.close()
    assert left(target) == ["model.bin.part", "model.bin.part.json"]
    site.asked.clear()
    fetch(file, target)
    assert target.read_bytes() == CONTENT
    assert site.asked[0]["Range"].startswith("bytes=2")


def test_a_file_that_changes_midway_is_fetched_anew(site, file, target):
    site.cut_after, site.cuts = 20_000, 1

    def change():
        site.files["model.bin"], site.tag = OTHER, '"two"'

    site.after = change
    fetch(file, target)
    assert target.read_bytes() == OTHER


def test_a_server_that_tells_no_version_is_not_resumed(site, file, target):
    site.tag = ""
    site.cut_after, site.cuts = 20_000, 1
    fetch(file, target)
    assert target.read_bytes() == CONTENT
    assert "Range" not in site.asked[1]


def test_a_server_without_ranges_sends_all_again(site, file, target):
    site.ranges = False
    site.cut_after, site.cuts = 20_000, 1
    fetch(file, target)
    assert target.read_bytes() == CONTENT


def test_a_server_that_lies_about_ranges_is_asked_for_all(site, file, target):
    site.cut_after, site.cuts, site.lies = 20_000, 1, True
    fetch(file, target)
    assert target.read_bytes() == CONTENT
    assert "Range" not in site.asked[-1]


def test_a_server_that_never_gets_far_is_given_up_and_the_part_kept(site, file, target):
    site.files["model.bin"] = CONTENT
    site.cut_after = 12_000
    some = download(file, target)
    next(some)
    site.code = 503
    with pytest.raises(UserError, match="stopped answering after 12000 bytes"):
        list(some)
    assert left(target) == ["model.bin.part", "model.bin.part.json"]


def test_a_slow_server_is_not_waited_for_without_end(site, file, target, monkeypatch):
    monkeypatch.setattr(module, "TIMEOUT_SECONDS", 0.05)
    monkeypatch.setattr(module, "_TRIES", 2)
    site.pause = 0.3
    with pytest.raises(UserError, match="stopped answering"):
        fetch(file, target)


@pytest.mark.parametrize("kind", ["md5", "sha256"])
def test_wrong_bytes_are_thrown_away(site, target, kind):
    site.files["model.bin"] = OTHER
    known = hashlib.new(kind, CONTENT).hexdigest()
    with pytest.raises(UserError, match=f"but the list says {known}"):
        fetch(File(url=f"{site.url}/model.bin", **{kind: known}), target)
    assert left(target) == []


def test_another_size_is_refused_before_it_is_fetched(site, target):
    site.files["model.bin"] = CONTENT
    with pytest.raises(UserError, match="50000 bytes, but the list says 77"):
        fetch(File(url=f"{site.url}/model.bin", bytes=77), target)
    assert left(target) == []


def test_a_file_that_is_not_there_is_said_so(site, target):
    with pytest.raises(UserError, match=r"answers 404 .* find and download it"):
        fetch(File(url=f"{site.url}/gone.bin"), target)


def test_nothing_is_asked_offline(site, file, target, monkeypatch):
    monkeypatch.setenv("SPARSESEG_OFFLINE", "1")
    with pytest.raises(UserError, match=r"OFFLINE is set: fetch .* by hand"):
        fetch(file, target)
    assert site.asked == []


def test_only_web_servers_are_asked(target):
    with pytest.raises(UserError, match="no address of a web server"):
        fetch(File(url="file:///etc/passwd"), target)


def test_a_server_that_is_not_there(target):
    with pytest.raises(UserError, match="stopped answering after 0 bytes"):
        fetch(File(url="http://127.0.0.1:9/model.bin"), target)


def test_what_is_left_of_another_file_is_not_used(site, file, target):
    list(islice(download(file, target), 20))
    site.files["new.bin"] = OTHER
    fetch(File(url=f"{site.url}/new.bin"), target)
    assert target.read_bytes() == OTHER
