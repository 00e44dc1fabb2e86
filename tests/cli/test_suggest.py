"""`suggest` names the slices to annotate next."""

from tests.cli.runs import Run, last_object

SUGGEST = ("suggest", "image.tif", "annotation.tif")


def test_suggest_ends_with_slices_and_reasons(run: Run) -> None:
    code, stdout, _ = run(*SUGGEST, "--count", 2, "--json")
    found = last_object(stdout)["slices"]
    assert code == 0
    assert len(found) == 2
    for one in found:
        assert set(one) == {"axis", "index", "reason"}
        assert one["axis"] in "zyx"
        assert 0 <= one["index"] < 24
        assert one["reason"]


def test_in_words_there_is_a_line_for_each_slice(run: Run) -> None:
    _, stdout, _ = run(*SUGGEST)
    assert len(stdout.splitlines()) == 3


def test_an_annotation_without_labels_is_welcome(run: Run) -> None:
    code, stdout, _ = run("suggest", "image.tif", "empty.tif", "--json")
    assert code == 0
    assert len(last_object(stdout)["slices"]) == 3


def test_a_count_below_one_is_refused(run: Run) -> None:
    code, _, stderr = run(*SUGGEST, "--count", 0)
    assert code == 2
    assert "got 0" in stderr
