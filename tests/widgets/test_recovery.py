from datetime import datetime, timedelta

import numpy as np
import pytest

from sparseseg.data.volume import Volume
from sparseseg.errors import UserError
from sparseseg.widgets import recovery
from sparseseg.widgets.recovery import Autosave, Recovered

SHAPE = (3, 4, 5)


def volume(name: str = "a/b: cells") -> Volume:
    return Volume.from_array(np.zeros(SHAPE), spacing=(2, 1, 1), unit="um", name=name)


def saved(value: int, name: str = "a/b: cells") -> Autosave:
    """An autosave of an annotation that was changed to hold one value."""
    annotation = np.zeros(SHAPE, np.uint8)
    autosave = Autosave(annotation, volume(name))
    annotation[1] = value
    autosave.close()
    return autosave


def test_what_was_painted_is_found_under_name_and_shape():
    saved(7)

    found = recovery.find("a/b: cells", SHAPE)

    assert found.read(volume())[:, 0, 0].tolist() == [0, 7, 0]


@pytest.mark.parametrize(
    ("name", "shape"), [("other", SHAPE), ("a/b: cells", (3, 4, 6))]
)
def test_another_image_finds_nothing(name, shape):
    saved(7)

    assert recovery.find(name, shape) is None


def test_nothing_is_written_while_nothing_changes(home):
    autosave = Autosave(np.ones(SHAPE, np.uint8), volume())

    autosave.save()
    autosave.close()

    assert not list(home.rglob("*.tif"))


def test_a_session_never_overwrites_the_copy_of_an_earlier_one():
    first, second = saved(1), saved(2)

    assert first.path != second.path
    assert first.path.exists()
    assert recovery.find("a/b: cells", SHAPE).path == second.path


def test_only_the_newest_three_copies_are_kept(home):
    for value in range(1, 6):
        saved(value)

    assert len(list(home.rglob("*.tif"))) == 3


def test_a_write_in_the_background_ends_up_on_disk():
    annotation = np.zeros(SHAPE, np.uint8)
    autosave = Autosave(annotation, volume())
    annotation[0] = 3

    autosave.save()
    autosave.close()

    assert recovery.find("a/b: cells", SHAPE).read(volume())[0, 0, 0] == 3


def test_a_failed_write_is_told_by_the_next_save_and_made_up_for(home):
    (home / "recovery").write_text("a file where the folder should be")
    annotation = np.zeros(SHAPE, np.uint8)
    autosave = Autosave(annotation, volume())
    annotation[0] = 3
    autosave.save()
    autosave.wait()

    with pytest.raises(OSError, match="recovery"):
        autosave.save()

    (home / "recovery").unlink()
    autosave.save()
    autosave.close()
    assert recovery.find("a/b: cells", SHAPE) is not None


def test_a_damaged_copy_is_refused_in_a_sentence():
    path = saved(1).path
    path.write_bytes(path.read_bytes()[:20])

    with pytest.raises(UserError):
        recovery.find("a/b: cells", SHAPE).read(volume())


def test_a_copy_of_today_is_named_by_its_time(tmp_path):
    now = datetime.now()

    assert str(Recovered(tmp_path, now)) == f"{now:%H:%M}"
    assert f"{now - timedelta(days=2):%d}" in str(
        Recovered(tmp_path, now - timedelta(days=2))
    )


def test_the_desk_saves_what_is_painted_and_takes_it_up_again(opened, home):
    opened.link.annotation.data[2] = 4
    opened.close()
    (path,) = home.rglob("*.tif")

    found = recovery.find("cells", (6, 30, 40))

    assert found.path == path
    like = Volume.from_array(np.zeros((6, 30, 40)))
    assert (found.read(like)[2] == 4).all()


def test_recovering_brings_back_labels_and_classes(desk, image, session):
    annotation = np.zeros((6, 30, 40), np.uint8)
    autosave = Autosave(annotation, Volume.from_array(annotation, name="cells"))
    annotation[2] = 4
    autosave.close()
    desk.link.choose(image)

    desk.recover(recovery.find("cells", (6, 30, 40)))

    assert (session.arrays.annotation[2] == 4).all()
    assert 4 in desk.classes.table.numbers
