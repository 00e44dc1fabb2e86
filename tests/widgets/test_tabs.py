import pytest
from qtpy.QtCore import Qt
from qtpy.QtWidgets import QDockWidget, QMainWindow, QWidget

from sparseseg.widgets.tabs import join_tabs, mark_as_dock


class Ours(QWidget):
    def __init__(self) -> None:
        super().__init__()
        mark_as_dock(self)

    def showEvent(self, event) -> None:  # noqa: N802  # Qt's name
        super().showEvent(event)
        join_tabs(self)


@pytest.fixture
def window(qtbot) -> QMainWindow:
    window = QMainWindow()
    qtbot.addWidget(window)
    window.show()
    return window


def docked(window: QMainWindow, widget: QWidget) -> QDockWidget:
    dock = QDockWidget(window)
    dock.setWidget(widget)
    window.addDockWidget(Qt.DockWidgetArea.RightDockWidgetArea, dock)
    dock.show()
    return dock


def test_our_second_dock_is_a_tab_on_the_first(window, qtbot):
    first, second = docked(window, Ours()), docked(window, Ours())

    qtbot.waitUntil(lambda: window.tabifiedDockWidgets(first) == [second])


def test_docks_of_others_are_left_where_they_are(window, qtbot):
    other, ours = docked(window, QWidget()), docked(window, Ours())

    qtbot.wait(50)

    assert window.tabifiedDockWidgets(ours) == []
    assert other.isVisible()


def test_a_widget_without_a_dock_is_left_alone(qtbot):
    widget = Ours()
    qtbot.addWidget(widget)
    widget.show()

    qtbot.wait(50)

    assert widget.isWindow()
