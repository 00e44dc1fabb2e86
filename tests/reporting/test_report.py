import csv

import pytest

from sparseseg.reporting.entry import VolumeEntry
from sparseseg.reporting.report import pooled_dice, write_report


def entry(name, estimate, **scores):
    classes = {
        "1": {
            "name": "liver",
            "voxels": 1000,
            "volume": 2500.0,
            "estimated_dice": estimate,
        }
    }
    facts = {
        "classes": classes,
        "unit": "mm",
        "estimated_dice": estimate,
        "is_calibrated": False,
        "thumbnail": "data:image/png;base64,",
        **({"scores": scores} if scores else {}),
    }
    return VolumeEntry(name=name, state="done", key="k", facts=facts)


def table(folder):
    text = (folder / "report.csv").read_text(encoding="utf-8")
    return list(csv.DictReader(text.splitlines()))


def broken(name):
    return VolumeEntry(
        name=name, state="failed", key="", error="is cut short: copy it again"
    )


def test_the_worst_come_first(tmp_path):
    entries = [entry("good", 0.9), entry("bad", 0.2), broken("broken")]
    write_report(tmp_path, entries, title="t")
    rows = table(tmp_path)
    assert [row["volume"] for row in rows] == ["broken", "bad", "good"]
    assert rows[0]["note"] == "is cut short: copy it again"
    assert rows[1]["estimated_dice"] == "0.2"
    page = (tmp_path / "report.html").read_text(encoding="utf-8")
    assert page.index("broken") < page.index("bad") < page.index("good")
    assert "2.50 ml" in page
    assert "not calibrated" in page
    assert "http" not in page


def test_what_the_model_does_not_know_comes_before_what_it_is_sure_of(tmp_path):
    strange = entry("strange", 1.0)
    strange.facts["note"] = "voxels of 8 x 1 x 1 mm, the model knows 1 x 1 x 1"
    write_report(tmp_path, [entry("bad", 0.2), strange], title="t")
    assert [row["volume"] for row in table(tmp_path)] == ["strange", "bad"]


def test_a_measured_score_goes_before_an_estimated_one(tmp_path):
    entries = [entry("a", 0.9, mean_dice=0.1, dice={"1": 0.1}), entry("b", 0.5)]
    write_report(tmp_path, entries, title="t")
    rows = table(tmp_path)
    assert [(row["volume"], row["dice"]) for row in rows] == [("a", "0.1"), ("b", "")]


def test_all_voxels_as_one_volume():
    entries = [
        entry("a", 0.9, counts={"1": [10, 20, 20]}),
        entry("b", 0.9, counts={"1": [0, 0, 80]}),
        entry("c", 0.9),
    ]
    assert pooled_dice(entries) == {"1": pytest.approx(2 * 10 / 120)}


def test_names_are_no_markup_and_no_formula(tmp_path):
    name = "=cmd|'/C calc'!A0<script>"
    write_report(tmp_path, [entry(name, 0.5)], title="<b>")
    page = (tmp_path / "report.html").read_text(encoding="utf-8")
    assert "<script>" not in page
    assert "<b>" not in page
    rows = table(tmp_path)
    assert rows[0]["volume"].startswith("'=")
