"""What the pages show works: Python runs, commands parse, and no flag is left out."""

import argparse
import re
import shlex
import tomllib
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

from sparseseg.cli.command import Command
from sparseseg.cli.main import COMMANDS, parser
from sparseseg.data import samples
from sparseseg.data.files import write_image, write_labels
from sparseseg.data.samples import Sample

ROOT = Path(__file__).parent.parent
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
FENCE = re.compile(
    r"(?P<skip><!-- not run: \S.*? -->\n)?^```(?P<kind>\w+)\n(?P<text>.*?)^```$",
    re.DOTALL | re.MULTILINE,
)


def blocks(page: Path, kind: str) -> list[str]:
    found = FENCE.finditer(page.read_text(encoding="utf-8"))
    return [b["text"] for b in found if b["kind"] == kind and b["skip"] is None]


def scripts() -> list[object]:
    """Return the Python of each page as one script, because later blocks build on it."""
    texts = ((page, "\n".join(blocks(page, "python"))) for page in PAGES)
    return [pytest.param(t, id=name(page)) for page, t in texts if t]


def commands() -> list[str]:
    texts = (text for page in PAGES for text in blocks(page, "bash"))
    lines = "\n".join(texts).replace("\\\n", " ").splitlines()
    return [line for line in lines if line.startswith("sparseseg ")]


def name(page: Path) -> str:
    return page.relative_to(ROOT).as_posix()


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with the files that the pages name, made from tiny blobs."""
    where = tmp_path_factory.mktemp("docs")
    write_files(samples.blobs((24, 24, 24), classes=1), where)
    return where


def write_files(sample: Sample, where: Path) -> None:
    volume, annotation = sample.volume, sample.annotation
    truth = sample.truth.astype(np.uint8)
    ignore = np.where(annotation == 0, 255, np.where(annotation == 255, 0, annotation))
    labels = {"annotation": annotation, "truth": truth, "binary": truth}
    labels["ignore-label"] = ignore.astype(np.uint8)
    for stem, array in labels.items():
        write_labels(where / f"{stem}.tif", array, like=volume)
    write_image(where / "image.tif", volume.array.astype(np.float32), like=volume)


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the classifiers of the default recipe be fitted in two steps."""
    monkeypatch.setattr("sparseseg.recipes.three_view.recipe._FIT_STEPS", 2)


@pytest.mark.slow
@pytest.mark.usefixtures("quick")
@pytest.mark.parametrize("script", scripts())
def test_the_python_of_a_page_runs(
    script: str, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(folder)
    short = script.replace("minutes=3", "steps=3")
    exec(compile(short, "page", "exec"), {})


@pytest.mark.parametrize("line", commands())
def test_a_command_of_a_page_is_understood(line: str) -> None:
    parser().parse_args(shlex.split(line, comments=True)[1:])


@pytest.mark.parametrize("command", COMMANDS, ids=lambda command: command.name)
def test_the_reference_names_every_flag_of_a_command(
    command: Command,
) -> None:
    page = (ROOT / "docs" / "reference" / "cli.md").read_text(encoding="utf-8")
    assert f"## {command.name}\n" in page
    missing = [flag for flag in flags(command.add_flags) if flag not in page]
    assert not missing


def flags(add: Callable[[argparse.ArgumentParser], None]) -> Iterator[str]:
    plain = argparse.ArgumentParser(add_help=False)
    add(plain)
    for action in plain._actions:
        yield from action.option_strings


def test_every_page_is_in_the_navigation() -> None:
    navigation = (ROOT / "mkdocs.yml").read_text(encoding="utf-8")
    pages = [page.relative_to(ROOT / "docs").as_posix() for page in PAGES[1:]]
    assert [page for page in pages if f"- {page}\n" not in navigation] == []


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_what_a_page_links_to_exists_or_is_made_by_the_screenshots(page: Path) -> None:
    links = re.findall(r"\]\((?!https?:)([^)#]+)", page.read_text(encoding="utf-8"))
    pictures = [link for link in links if link.endswith(".png")]
    others = [link for link in links if link not in pictures]
    assert [link for link in others if not (page.parent / link).exists()] == []
    made = [
        (ROOT / "docs" / script).read_text(encoding="utf-8")
        for script in ("screenshots.py", "tutorial.py")
    ]
    assert [p for p in pictures if not is_made(Path(p).stem, *made)] == []


def is_made(picture: str, screenshots: str, tutorial: str) -> bool:
    """Tell whether a script makes a picture; of a tutorial, each step makes one."""
    of_step = re.fullmatch(r"tutorial-[a-z]+-([a-z]+)", picture)
    if of_step:
        return f'walk.step("{of_step[1]}")' in tutorial
    return f'picture("{picture}"' in screenshots


@pytest.mark.parametrize(
    "page", ["CONTRIBUTING.md", "docs/explanation/architecture.md"]
)
def test_a_page_shows_the_layers_of_the_contract(page: str) -> None:
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    contracts = settings["tool"]["importlinter"]["contracts"]
    (layers,) = (c["layers"] for c in contracts if c["type"] == "layers")
    text = (ROOT / page).read_text(encoding="utf-8")
    shown = text[text.index("__main__\n") :].split("```")[0].splitlines()

    assert [
        line[: len(name)] for line, name in zip(shown, layers, strict=True)
    ] == layers
