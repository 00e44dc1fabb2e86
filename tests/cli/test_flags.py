"""The flags are the declared settings."""

import dataclasses
from argparse import ArgumentParser

import pytest

from sparseseg.batch.settings import BatchSettings
from sparseseg.cli.batch import BATCH
from sparseseg.cli.flags import add_settings, settings
from sparseseg.errors import UserError
from sparseseg.settings.training import TrainSettings

OTHER = {
    "parent": ("kits19-mlperf", ["--from", "kits19-mlperf"]),
    "recipe": ("unet3d", ["--recipe", "unet3d"]),
    "minutes": (0.5, ["--minutes", "0.5"]),
    "steps": (7, ["--steps", "7"]),
    "device": ("cpu", ["--device", "cpu"]),
    "seed": (3, ["--seed", "3"]),
    "held_out": (False, ["--no-held-out"]),
    "options": (
        {"entropy": "0.1"},
        ["--option", "entropy=0.2", "--option", "entropy=0.1"],
    ),
}


def parsed(words: list[str], **others: object) -> TrainSettings:
    parser = ArgumentParser()
    add_settings(parser)
    return settings(parser.parse_args(words), **others)


def test_no_flags_are_the_declared_defaults() -> None:
    assert parsed([]) == TrainSettings()


def test_every_setting_has_its_flag() -> None:
    assert set(OTHER) == {field.name for field in dataclasses.fields(TrainSettings)}
    for name, (value, words) in OTHER.items():
        assert parsed(words) == dataclasses.replace(TrainSettings(), **{name: value})


def test_an_option_without_a_value_is_refused() -> None:
    with pytest.raises(UserError, match="NAME=VALUE, got 'dims'"):
        parsed(["--option", "dims"])


def test_a_recipe_and_an_option_that_there_are_not_are_refused_at_once() -> None:
    with pytest.raises(UserError, match="no recipe 'unet4d'"):
        parsed(["--recipe", "unet4d"])
    with pytest.raises(UserError, match="no option 'dims' here"):
        parsed(["--recipe", "unet3d", "--option", "dims=3"])
    assert parsed(["--recipe", "lungnet", "--option", "dims=3"]).options["dims"] == "3"


def test_the_help_of_a_flag_is_what_was_declared() -> None:
    parser = ArgumentParser()
    add_settings(parser)
    assert "the recipe to train" in parser.format_help()


def test_a_batch_has_one_flag_for_each_declared_field_and_its_words() -> None:
    # The form is held to the same fields in tests/widgets/test_batch_dock.py.
    parser = ArgumentParser()
    BATCH.add_flags(parser)
    names = {action.dest for action in parser._actions}
    fields = {field.name for field in dataclasses.fields(BatchSettings)}
    assert names - fields == {"help", "settings", "lines"}
    assert fields <= names
    words = ["m", "in", "-o", "out", "--clean", "a", "--clean", "b", "--no-resume"]
    given = vars(parser.parse_args([*words, "--option", "mirror=no"]))
    assert given == {
        "model": "m",
        "folder": "in",
        "output": "out",
        "clean": ["a", "b"],
        "resume": False,
        "options": ["mirror=no"],
        "settings": None,
        "lines": False,
    }
    assert "the maximum memory, such as 4GB (default: 4GB)" in " ".join(
        parser.format_help().split()
    )
