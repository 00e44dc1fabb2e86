"""The report of a project says what was done, and needs no other file."""

import re

import numpy as np

from sparseseg.data.files import write_image
from sparseseg.data.volume import Volume
from sparseseg.project.deltas import difference
from sparseseg.project.entries import JournalEntry
from sparseseg.project.report import methods, write_report
from sparseseg.project.work import work_in


def change(number: int, time: float, value: int, tool: str = "brush"):
    before = np.zeros((3, 4, 5), np.uint8)
    after = before.copy()
    after[1, 1, : number + 1] = value
    entry = JournalEntry(number, "cells", number, "change", tool, "me", time)
    return entry, difference(before, after)


def test_work_is_the_time_between_changes_without_pauses_and_jumps_of_the_clock():
    work = work_in(
        [
            change(0, 1000.0, 1),
            change(1, 1030.0, 2),  # 30 s of class 2
            change(2, 5000.0, 2),  # a pause
            change(3, 4000.0, 1, "fill"),  # the clock was set back
            change(4, 4010.0, 255, "layer"),  # 10 s of background
        ]
    )
    assert (work.entries, work.strokes, work.seconds) == (5, 4, 40.0)
    assert dict(work.by_class) == {1: 0.0, 2: 30.0, 255: 10.0}
    assert dict(work.by_tool) == {"brush": 6, "fill": 4, "layer": 5}
    assert dict(work.by_volume) == {"cells": 40.0}


def test_the_report_stands_alone_and_names_the_image_by_its_hash(project, tmp_path):
    path = tmp_path / "report.html"
    write_report(project, path)
    page = path.read_text(encoding="utf-8")
    assert project.volumes[0].content.digest in page
    assert 'src="data:image/png;base64,' in page
    assert not re.search(r"(src|href)=.?(http|file|/)", page)
    assert "No model was trained yet" in page


def test_what_a_user_named_cannot_become_markup(project, tmp_path):
    names = project.classes.renamed(project.classes.numbers[0], "<script>x</script>")
    project.keep(classes=names)
    path = tmp_path / "report.html"
    write_report(project, path)
    assert "<script>" not in path.read_text(encoding="utf-8")


def test_an_image_that_cannot_be_read_is_named_in_the_report(project, files, tmp_path):
    volume = Volume.from_array(np.zeros((3, 4, 5), np.uint8))
    write_image(files / "cells.tif", volume.array, like=volume)
    path = tmp_path / "report.html"
    write_report(project, path)
    page = path.read_text(encoding="utf-8")
    assert "has changed" in page
    assert "<img" not in page


def test_the_methods_are_sentences_with_the_numbers_of_the_project(project):
    words = methods(project, work_in(project.journal.changes()))
    count = len(project.labels("cells").slices())
    assert words.startswith("We annotated 1 of 1 volume with sparseseg")
    assert f"on {count} slices" in words
    assert "0 minutes and 0 strokes" in words
