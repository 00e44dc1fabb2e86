import pytest
import torch

from sparseseg import recipes
from sparseseg.errors import UserError
from sparseseg.settings.cards import CARDS, card

# Channels and outputs of the published case; ours with one class and background.
CASES = {
    "three-view": (1, 2),
    "unet3d": (3, 3),
    "unetplusplus": (1, 1),
    "mssunet": (1, 3),
    "hdenseunet": (1, 3),
    "lungnet": (1, 6),
    "unet3d-guided": (1, 2),
}


@pytest.mark.parametrize("name", CARDS)
def test_a_card_tells_the_parameters_of_its_network(name):
    channels, outputs = CASES[name]
    with torch.device("meta"):
        network = recipes.network(name, channels=channels, outputs=outputs)
    assert card(name).parameters == sum(p.numel() for p in network.parameters())


def test_each_recipe_has_a_card_and_each_card_a_recipe():
    assert tuple(CARDS) == recipes.names()


def test_a_recipe_that_there_is_not_is_named_with_those_that_are():
    with pytest.raises(UserError, match="no recipe 'unet4d': choose three-view, "):
        card("unet4d")
