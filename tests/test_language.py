"""What a person is told comes from the catalogue, in the language of the person."""

import gettext
import pickle
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest
from babel.messages.mofile import read_mo

import catalogue
from sparseseg import language
from sparseseg.cli.main import main
from sparseseg.errors import Note, UserError
from sparseseg.language import LANGUAGES, say, say_count, speaking
from sparseseg.postprocessing import FORMS
from sparseseg.settings.cards import CARDS, PRETRAINED
from tests.texts import names_in, untold

OTHERS = [name for name in LANGUAGES if name != language.ENGLISH]
HINT = "run `python catalogue.py`, and translate what it lists"

_SCALE = (
    "zero and unit of each channel: 0 and 1 where grey is fixed; where it is volume, zero "
    "is the 1st percentile of the volume, and unit the mean of what is brighter, cut at its "
    "99.5th percentile, minus zero"
)
_README = {
    "Grey values are scaled by the 1st and 99th percentile of the volume. sparseseg itself "
    "uses the mean of what is bright, so labels may differ a little.\n",
    "Grey values are taken as they are.\n",
    "# Segmentation of {}\n\nLearned from a few annotated slices with sparseseg. The weights "
    "take blocks of {} voxels. The ONNX program needs no other file; the state dict needs "
    "sparseseg, where its network is.\n\n{}\n## Validation\n\nLook at the labels of a few "
    "slices of your own volume before you use the others.\n",
}
_NUMBERS = ("char", "short", "int")
NOT_FOR_PEOPLE = {
    # Rules, as models and the command line have them.
    "postprocessing/cleaning.py": {
        *("fill holes of 2 over 1", "fill holes of 1 or 2", "keep 2 touching 1"),
        *("keep 2 largest of 1 or 2", "keep 1 largest of 1 or 2"),
        *("keep 1 above 0.5", "keep 2 above 0.9"),
    },
    "postprocessing/grammar.py": {
        *FORMS,
        *("keep (\\d+) largest of (.+)", "keep (.+?) touching (.+)"),
        *("keep (.+?) within {} ?({}|voxels?) of (.+)", "keep (.+) above {}"),
        "fill holes of (.+?)(?: over (.+))?",
    },
    "postprocessing/rules.py": {
        *("keep {} largest of {}", "keep {} touching {}", "keep {} within {} of {}"),
        *("keep {} above {}", "drop {}below {}", "fill holes of {}{}", " over {}"),
    },
    # Fields of a file's header, and names of units.
    "data/atomic.py": {" requested and "},
    "data/formats/dicom_segments.py": {"sparseseg class {}", "sparseseg developers"},
    "data/formats/nrrd.py": {
        *(f"{sign} {kind}" for sign in ("signed", "unsigned") for kind in _NUMBERS),
        *(f"space {word}" for word in ("units", "origin", "directions")),
        *("data file", "line skip", "byte skip"),
    },
    "data/units.py": {"{}meter", "{}metre"},
    # Values of a `Literal`.
    "progress.py": {"known by heart"},
    "engine/schedule.py": {"known by heart"},
    "session/session.py": {"keep rules"},
    # The names of papers.
    "settings/cards.py": {c.paper for c in (*CARDS.values(), PRETRAINED)},
    # Keys of the metadata of layers, and names of layers.
    "widgets/channels.py": {"sparseseg channels"},
    "widgets/examining.py": {"sparseseg voxel size of another file"},
    "widgets/file_facts.py": {"sparseseg file"},
    "widgets/geometry.py": {"sparseseg placement before"},
    "widgets/layer_kinds.py": {
        "prediction, cleaned up",
        "sparseseg classes",
        "sparseseg result",
    },
    "widgets/planes/lines.py": {"annotated slices", "sparseseg lines"},
    "widgets/samples.py": {"ovule nuclei"},
    "widgets/show.py": {"demo result", "Sparse segmentation"},
    "widgets/show_project.py": {"Sparse segmentation"},
    # Rules, as the command line and the model have them.
    "widgets/common_rules.py": {
        "drop below {} voxels",
        "fill holes of",
        "fill holes of {}",
        "keep 1 largest of",
        "keep 1 largest of {}",
    },
    # Tables and answers of SQLite.
    "project/entries.py": {
        "axis, z0, y0, x0, z1, y1, x1, voxels",
        "axis, z0, y0, x0, z1, y1, x1, state, voxels",
    },
    "project/schema.py": {"change (entry)", "entry (step)"},
    "project/ways.py": {
        "not a database",
        "disk image",
        "disk is full",
        "database is locked",
    },
    # What other programs read.
    "models/exporting.py": {_SCALE},
    "models/package_description.py": _README,
    "models/store/entries.py": {"not stated"},
    # What is said between modules, and what only developers see.
    "models/store/remote_zip.py": {
        *("another part", "no such part", "the server sends the whole file"),
        *("more than asked for", "another file meanwhile"),
    },
    "nn/conv_unet.py": {"kernels and strides"},
    "nn/monai/parts.py": {"kernels and strides"},
    "nn/monai/unet.py": {"residual units"},
}
"""What looks like words for a person and is not: names, and what programs read."""


@pytest.fixture
def own_settings(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[None]:
    """Let nothing of this machine say which language is spoken."""
    monkeypatch.setattr(
        language.platformdirs, "user_config_path", lambda name: tmp_path / name
    )
    for name in (language.VARIABLE, "LC_ALL", "LC_MESSAGES", "LANG"):
        monkeypatch.delenv(name, raising=False)
    return


def test_english_is_what_the_code_says() -> None:
    assert say("{count} voxels", count=3) == "3 voxels"
    assert say_count("{count} slice", "{count} slices", 1) == "1 slice"
    assert say_count("{count} slice", "{count} slices", 2) == "2 slices"


def test_a_text_without_values_may_have_braces() -> None:
    assert say("{a: 1}") == "{a: 1}"
    assert say("") == ""


def test_a_text_is_translated_where_it_is_shown() -> None:
    error = UserError("--count is 1 or more, got {count}", count=0)
    assert str(error) == "--count is 1 or more, got 0"
    with speaking("zh_CN"):
        assert str(error) == "--count 至少为 1，得到的是 0"
    assert str(error) == "--count is 1 or more, got 0"


@pytest.mark.parametrize("kind", [UserError, Note])
def test_an_error_keeps_its_values_on_the_way_to_another_process(kind: type) -> None:
    error = pickle.loads(pickle.dumps(kind("{path} is a folder", path=Path("a"))))
    assert type(error) is kind
    assert (error.template, error.values) == ("{path} is a folder", {"path": Path("a")})
    assert str(error) == "a is a folder"


def test_an_error_within_an_error_is_translated_too() -> None:
    inner = UserError("--count is 1 or more, got {count}", count=0)
    with speaking("zh_CN"):
        assert str(UserError("{name}: {error}", name="a", error=inner)) == (
            "a：--count 至少为 1，得到的是 0"
        )


@pytest.mark.usefixtures("own_settings")
@pytest.mark.parametrize(
    ("given", "spoken"),
    [
        ({}, "en"),
        ({"LANG": "C.UTF-8"}, "en"),
        ({"LANG": "zh_CN.UTF-8"}, "zh_CN"),
        ({"LANG": "zh_SG"}, "zh_CN"),
        ({"LANG": "zh_TW.UTF-8"}, "en"),
        ({"LANG": "de_DE.UTF-8@euro"}, "en"),
        ({"LANG": "zh_CN.UTF-8", "LC_ALL": "C"}, "en"),
        ({"LANG": "zh_CN.UTF-8", "SPARSESEG_LANGUAGE": "en"}, "en"),
        ({"LANG": "en_GB.UTF-8", "SPARSESEG_LANGUAGE": "zh-Hans"}, "zh_CN"),
    ],
)
def test_the_language_is_that_of_the_variable_else_of_the_system(
    given: dict[str, str], spoken: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(language.sys, "platform", "linux")
    for name, value in given.items():
        monkeypatch.setenv(name, value)
    assert language.chosen() == spoken


@pytest.mark.usefixtures("own_settings")
def test_a_choice_is_kept_for_the_next_start(monkeypatch: pytest.MonkeyPatch) -> None:
    language.choose("zh_CN")
    assert language.chosen() == language.kept() == "zh_CN"
    monkeypatch.setenv(language.VARIABLE, "en")
    assert language.chosen() == "en"
    monkeypatch.delenv(language.VARIABLE)
    language.choose("")
    assert (language.chosen(), language.kept()) == ("en", "")


def test_the_command_line_answers_in_the_language(
    capsys: pytest.CaptureFixture[str],
) -> None:
    with speaking("zh_CN"):
        assert main(["evaluate", "a.tif", "b.tif", "--within", "1"]) == 2
    assert "两个类别写作 A:B" in capsys.readouterr().err


def test_what_other_programs_read_is_english(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sparseseg.cli.doctor._facts", _facts_without_torch)
    with speaking("zh_CN"):
        assert main(["doctor", "--json"]) == 0
    assert "torch cannot be imported" in capsys.readouterr().out


def test_an_unknown_language_is_told(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(language.VARIABLE, "tlh")
    assert main(["doctor"]) == 2
    assert "there is no language 'tlh'" in capsys.readouterr().err


@pytest.mark.parametrize("name", OTHERS)
def test_a_catalogue_has_every_text_and_no_other(name: str) -> None:
    wanted = {message.id for message in catalogue.extracted() if message.id}
    there = {message.id for message in catalogue.read(name) if message.id}
    assert there - wanted == set(), HINT
    assert wanted - there == set(), HINT
    assert [m.id for m in catalogue.untranslated(catalogue.read(name))] == [], HINT


@pytest.mark.parametrize("name", OTHERS)
def test_a_translation_has_the_values_of_its_template(name: str) -> None:
    for message in catalogue.read(name):
        if "python-brace-format" in message.flags:
            ids = message.id if isinstance(message.id, tuple) else (message.id,)
            own = message.string
            for words in own if isinstance(own, tuple | list) else (own,):
                assert names_in(words) == names_in(ids[-1]), words


@pytest.mark.parametrize("name", OTHERS)
def test_what_is_shown_is_what_was_translated(name: str) -> None:
    folder = language.CATALOGUES / name / "LC_MESSAGES"
    with (folder / "sparseseg.mo").open("rb") as file:
        compiled = {_first(m.id): _first(m.string) for m in read_mo(file)}
    written = {_first(m.id): _first(m.string) for m in catalogue.read(name)}
    compiled.pop("")
    written.pop("")
    assert compiled == written, HINT
    assert gettext.find(language.DOMAIN, language.CATALOGUES, [name])


def test_every_template_gets_the_values_that_it_names() -> None:
    wrong = []
    for path in catalogue.modules():
        for call, texts in catalogue.templates(path):
            given = {keyword.arg for keyword in call.keywords}
            own = {"count"} if len(texts) > 1 else set()
            named = set(names_in(texts[-1])) if given or own else set()
            if None not in given and named | own != given | own:  # None: **values
                wrong.append(f"{path.name}: {texts[-1]}")
    assert wrong == []


def test_no_text_for_a_person_goes_round_the_catalogue() -> None:
    found = {
        path.relative_to(catalogue.PACKAGE).as_posix(): set(untold(path))
        for path in catalogue.modules()
    }
    allowed = {name: NOT_FOR_PEOPLE.get(name, set()) for name in found}
    assert {n: t for n, t in found.items() if t} == {
        n: t for n, t in allowed.items() if t
    }


def test_a_text_that_goes_round_the_catalogue_is_found(tmp_path: Path) -> None:
    path = tmp_path / "module.py"
    path.write_text(
        '"""A docstring of some words."""\n'
        'label.setText(f"{count} voxels")\n'
        'label.setText(say("this is fine"))\n'
        'raise ValueError("for a developer")\n'
        'words = {"a key of words": "three plain words"}\n',
        encoding="utf-8",
    )
    assert untold(path) == ["{} voxels", "three plain words"]


def _facts_without_torch() -> object:
    from sparseseg.cli.remarks import OPTIONAL, QT_BINDINGS, Facts

    packages = dict.fromkeys(("torch", "napari", *OPTIONAL, *QT_BINDINGS))
    return Facts("3.11", "Linux", "x86_64", packages, None, 0, None, None)


def _first(words: str | Sequence[str]) -> str:
    return words if isinstance(words, str) else words[0]
