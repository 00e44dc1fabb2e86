"""What is kept of volumes: by volume, for one key, no longer than the volume."""

import gc

import numpy as np

from sparseseg.data.volume import Volume
from sparseseg.recipes.kept import Kept


def volume() -> Volume:
    return Volume.from_array(np.zeros((2, 3, 4), np.uint8))


def test_volumes_do_not_drive_out_each_other():
    kept: Kept[str] = Kept()
    one, other = volume(), volume()
    kept.keep(one, "a", "of one")
    kept.keep(other, "a", "of the other")
    assert kept.get(one, "a") == "of one"
    assert kept.get(other, "a") == "of the other"


def test_a_result_for_another_key_is_not_returned_and_takes_the_place():
    kept: Kept[str] = Kept()
    one = volume()
    kept.keep(one, "a", "first")
    assert kept.get(one, "b") is None
    kept.keep(one, "b", "second")
    assert kept.get(one, "a") is None
    assert kept.volumes == (one,)


def test_a_result_goes_with_its_volume():
    kept: Kept[str] = Kept()
    one = volume()
    kept.keep(one, "a", "first")
    del one
    gc.collect()
    assert kept.volumes == ()
