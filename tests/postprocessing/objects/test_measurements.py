"""Measures of bodies that can be worked out by hand."""

import csv

import numpy as np
import pytest

from sparseseg.postprocessing.objects import measure
from tests.postprocessing.objects.bodies import ball

SPACING = (2.0, 1.0, 0.5)


def test_a_ball_has_the_volume_surface_and_diameter_of_a_ball() -> None:
    body = ball((18, 36, 72), (9, 18, 36), 14.0, SPACING)
    table = measure(body.astype(np.uint32), spacing=SPACING, unit="um").columns
    assert table["volume"][0] == pytest.approx(4 / 3 * np.pi * 14**3, rel=0.01)
    assert table["surface"][0] == pytest.approx(4 * np.pi * 14**2, rel=0.05)
    assert table["diameter"][0] == pytest.approx(28, rel=0.01)
    for name in ("longest", "middle", "shortest"):
        assert table[name][0] == pytest.approx(28, rel=0.03)
    assert table["elongation"][0] == pytest.approx(1, rel=0.03)
    assert [table[n][0] for n in ("z", "y", "x")] == pytest.approx([9, 18, 36])
    assert [table[f"{n}_place"][0] for n in "zyx"] == pytest.approx([18, 18, 18])


def test_a_bar_is_as_long_as_it_is() -> None:
    body = np.zeros((5, 5, 44), np.uint32)
    body[2, 2, 2:42] = 1
    table = measure(body, spacing=(1.0, 1.0, 1.0)).columns
    # The ellipsoid with the moments of a bar of length l is sqrt(5/3) times as long.
    assert table["longest"][0] == pytest.approx(40 * np.sqrt(5 / 3), rel=0.001)
    assert table["elongation"][0] == pytest.approx(40, rel=0.001)


def test_a_single_voxel_has_measures() -> None:
    body = np.zeros((3, 3, 3), np.uint32)
    body[0, 0, 0] = 1
    table = measure(body, spacing=(1.0, 1.0, 1.0)).columns
    assert table["volume"][0] == 1
    assert 0 < table["surface"][0] < 6
    assert all(np.isfinite(column).all() for column in table.values())


def test_grey_values_contacts_and_numbers_with_gaps() -> None:
    body = np.zeros((1, 2, 6), np.uint32)
    body[0, :, 0:2], body[0, :, 2:4], body[0, :, 5] = 2, 5, 9
    image = np.arange(24, dtype=np.float32).reshape(2, 1, 2, 6)
    owners = np.arange(1, 10) * 10
    table = measure(body, spacing=SPACING, image=image, classes=owners).columns
    assert table["object"].tolist() == [2, 5, 9]
    assert table["class"].tolist() == [20, 50, 90]
    assert table["contacts"].tolist() == [1, 1, 0]
    assert table["mean_1"].tolist() == [3.5, 5.5, 8]
    assert table["minimum_2"].tolist() == [12, 14, 17]
    assert table["maximum_2"].tolist() == [19, 21, 23]


def test_the_table_names_units_and_has_a_row_for_each_object(tmp_path) -> None:
    body = np.zeros((2, 2, 4), np.uint32)
    body[..., 0], body[..., 2:] = 1, 2
    measure(body, spacing=SPACING, unit="mm").write(tmp_path / "t.csv")
    with (tmp_path / "t.csv").open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert [float(row["volume (mm3)"]) for row in rows] == [4, 8]
    assert {"surface (mm2)", "diameter (mm)", "elongation", "z_place (mm)"} <= set(
        rows[0]
    )


def test_no_object_gives_an_empty_table() -> None:
    table = measure(np.zeros((2, 2, 2), np.uint32), spacing=SPACING)
    assert len(table) == 0
