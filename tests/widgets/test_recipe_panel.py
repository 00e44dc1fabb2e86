import shutil
import subprocess
import sys

import pytest

from sparseseg.settings.cards import CARDS
from sparseseg.settings.options import read_options
from sparseseg.widgets.machine import Machine, this_machine
from sparseseg.widgets.recipe_panel import RecipePanel, card_words


@pytest.fixture
def panel(qtbot) -> RecipePanel:
    panel = RecipePanel()
    qtbot.addWidget(panel)
    return panel


@pytest.mark.parametrize("name", CARDS)
def test_an_untouched_form_gives_back_the_declared_defaults(panel, name):
    panel.recipe.setCurrentText(CARDS[name].title)
    kind = CARDS[name].options
    assert panel.name == name
    assert read_options(kind, panel.options) == kind()


def test_the_default_recipe_is_chosen_at_first(panel):
    assert panel.name == "three-view"


def test_options_are_folded_away_until_wanted(panel):
    assert panel.form.isHidden()
    panel.fold.setChecked(True)
    assert not panel.form.isHidden()
    panel.recipe.setCurrentText("UNet++ (2018)")
    assert not panel.form.isHidden()


def test_what_is_chosen_in_the_form_is_an_option(panel):
    panel.recipe.setCurrentText("UNet++ (2018)")
    panel.form.fields["dims"].value = 3
    panel.form.fields["deep_supervision"].value = False
    panel.form.fields["entropy"].value = 0.15
    assert panel.options["dims"] == 3
    assert panel.options["deep_supervision"] is False
    assert panel.options["entropy"] == 0.15


def test_the_fields_of_the_form_begin_at_one_place(panel):
    panel.recipe.setCurrentText("UNet++ (2018)")
    panel.fold.setChecked(True)
    panel.resize(320, 600)
    panel.show()

    places = {field.native.x() for field in panel.form.fields.values()}

    assert len(places) == 1


def test_each_option_says_what_it_is_for(panel):
    panel.recipe.setCurrentText("H-DenseUNet (2018)")
    assert all(widget.tooltip for widget in panel.form.fields.values())


def test_a_card_says_what_for_how_large_whether_it_fits_and_the_paper():
    words = card_words(CARDS["mssunet"], Machine(False, 16.0)).splitlines()
    assert words[:3] == CARDS["mssunet"].summary.splitlines()
    assert words[3] == (
        "30 million parameters; takes about 5.2 GB to train; slow here: it needs a GPU, "
        "and none was found."
    )
    assert words[4] == "Zhao and Zeng 2019, arXiv:1908.03204"


@pytest.mark.parametrize(
    ("name", "machine", "words"),
    [
        ("mssunet", Machine(True, 80.0), "train, and this GPU has 80 GB."),
        ("mssunet", Machine(True, 4.0), "this GPU has 4 GB: choose a smaller patch."),
        (
            "lungnet",
            Machine(False, 16.0),
            "0.6 GB to train, and this computer has 16 GB.",
        ),
        ("three-view", Machine(True, 0.5), "this GPU has 0 GB: choose another."),
    ],
)
def test_a_card_says_whether_the_memory_suffices(name, machine, words):
    assert words in card_words(CARDS[name], machine)


def test_the_machine_is_asked_for_its_largest_gpu(monkeypatch):
    told = subprocess.CompletedProcess([], 0, stdout="8192\n24576\n")
    monkeypatch.setattr(shutil, "which", lambda _: "nvidia-smi")
    monkeypatch.setattr(subprocess, "run", lambda *_args, **_words: told)
    assert this_machine() == Machine(has_gpu=True, gigabytes=24.0)


@pytest.mark.parametrize("stdout", ["", "No devices were found", "[N/A]"])
def test_a_driver_that_tells_nothing_is_no_gpu(monkeypatch, stdout):
    told = subprocess.CompletedProcess([], 0, stdout=stdout)
    monkeypatch.setattr(shutil, "which", lambda _: "nvidia-smi")
    monkeypatch.setattr(subprocess, "run", lambda *_args, **_words: told)
    monkeypatch.setattr(sys, "platform", "linux")
    assert this_machine().has_gpu is False
    assert this_machine().gigabytes > 0.1
