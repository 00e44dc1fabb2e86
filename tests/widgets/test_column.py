"""In a short window the steps that do not fit are folded, the farthest first."""

import pytest
from qtpy.QtCore import QPoint
from qtpy.QtWidgets import QVBoxLayout, QWidget

from sparseseg.widgets.column import Column
from sparseseg.widgets.fold import FoldButton
from sparseseg.widgets.section import Section

BODY = 100


@pytest.fixture
def column(qtbot) -> Column:
    sections = []
    for number in range(4):
        body = QWidget()
        body.setFixedHeight(BODY)
        sections.append(Section(number, f"step {number}", body))
    column = Column(sections)
    column.sections = sections
    qtbot.addWidget(column)
    return column


def show(qtbot, column: Column, bodies: float) -> None:
    """Give the column the height of its headings and of some bodies."""
    column.resize(300, 2000)
    column.show()
    qtbot.waitExposed(column)
    column.resize(300, round(column._height() + (bodies - 4) * BODY))


def reopen(qtbot, column: Column, place: int) -> None:
    section = column.sections[place]
    section.fold.click()
    section.fold.click()
    qtbot.wait(20)


def folded(column: Column) -> list[bool]:
    return [section.is_folded for section in column.sections]


def test_in_a_high_window_nothing_is_folded(qtbot, column):
    show(qtbot, column, 4.5)
    reopen(qtbot, column, 1)
    assert folded(column) == [False] * 4


def test_what_does_not_fit_is_folded_the_farthest_first(qtbot, column):
    show(qtbot, column, 2.5)
    reopen(qtbot, column, 1)
    assert folded(column) == [True, False, False, True]


def test_the_step_that_is_opened_stays_open_however_low_the_window(qtbot, column):
    show(qtbot, column, 0.5)
    reopen(qtbot, column, 2)
    assert folded(column) == [True, True, False, True]


def test_what_is_unfolded_below_the_edge_is_scrolled_to(qtbot):
    body, fold, hidden = QWidget(), FoldButton("more", ""), QWidget()
    hidden.setFixedHeight(BODY)
    layout = QVBoxLayout(body)
    layout.addWidget(fold)
    layout.addWidget(hidden)
    fold.fold(hidden)
    column = Column([Section(1, "step", body)])
    qtbot.addWidget(column)
    column.resize(300, 150)
    column.show()
    qtbot.waitExposed(column)

    fold.click()

    def lowest() -> int:
        return hidden.mapTo(column.viewport(), QPoint(0, BODY)).y()

    qtbot.waitUntil(lambda: 0 < lowest() <= column.viewport().height())
