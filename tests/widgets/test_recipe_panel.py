import pytest

from sparseseg.catalogue import CARDS
from sparseseg.options import read_options
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
    assert panel.name == "unet3d-fast"


def test_options_are_folded_away_until_wanted(panel):
    assert panel._form.native.isHidden()
    panel.fold.setChecked(True)
    assert not panel._form.native.isHidden()
    panel.recipe.setCurrentText("UNet++ (2018)")
    assert not panel._form.native.isHidden()


def test_what_is_chosen_in_the_form_is_an_option(panel):
    panel.recipe.setCurrentText("UNet++ (2018)")
    panel._form.dims.value = 3
    panel._form.deep_supervision.value = False
    panel._form.entropy.value = 0.15
    assert panel.options["dims"] == 3
    assert panel.options["deep_supervision"] is False
    assert panel.options["entropy"] == 0.15


def test_each_option_says_what_it_is_for(panel):
    panel.recipe.setCurrentText("H-DenseUNet (2018)")
    assert all(widget.tooltip for widget in panel._form)


def test_a_card_says_what_for_how_large_whether_it_fits_and_the_paper():
    words = card_words(CARDS["mssunet"], has_gpu=False).splitlines()
    assert words[:2] == CARDS["mssunet"].summary.splitlines()
    assert words[2] == (
        "30 million parameters; slow here: it wants a GPU, and none was found."
    )
    assert words[3] == "Zhao and Zeng 2019, arXiv:1908.03204"
    assert "made for a GPU" in card_words(CARDS["mssunet"], has_gpu=True)
    assert "suits a CPU" in card_words(CARDS["lungnet"], has_gpu=False)
