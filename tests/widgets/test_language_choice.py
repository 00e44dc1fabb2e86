"""The language that is chosen in the window is kept for the next start."""

import pytest

from sparseseg import language
from sparseseg.widgets.language_choice import LanguageChoice


@pytest.fixture
def own_settings(monkeypatch, tmp_path):
    monkeypatch.delenv(language.VARIABLE)
    monkeypatch.setattr(
        language.platformdirs, "user_config_path", lambda name: tmp_path / name
    )
    return tmp_path / "sparseseg" / "language"


def choose(widget, name):
    place = widget.choice.findText(name)
    widget.choice.setCurrentIndex(place)
    widget.choice.activated.emit(place)


def test_a_choice_is_kept_and_shown_again(qtbot, own_settings):
    widget = LanguageChoice()
    qtbot.addWidget(widget)
    assert widget.choice.currentText() == "as the system"
    choose(widget, "简体中文")
    assert widget.note.text() == "from the next start of napari"
    assert language.chosen() == "zh_CN"
    again = LanguageChoice()
    qtbot.addWidget(again)
    assert again.choice.currentText() == "简体中文"
    choose(again, "as the system")
    assert language.kept() == ""


def test_a_choice_that_cannot_be_kept_is_told(qtbot, own_settings):
    own_settings.parent.write_text("a file where the folder should be")
    widget = LanguageChoice()
    qtbot.addWidget(widget)
    choose(widget, "English")
    assert "cannot be kept" in widget.note.text()


def test_the_variable_goes_before_the_choice(qtbot):
    widget = LanguageChoice()  # the tests set the variable
    qtbot.addWidget(widget)
    assert not widget.choice.isEnabled()
    assert "SPARSESEG_LANGUAGE" in widget.note.text()
