"""`evaluate` prints what the measuring protocol prints."""

from tests.cli.runs import Run, last_object


def test_the_keys_are_those_of_the_protocol(run: Run) -> None:
    arguments = ("evaluate", "truth.tif", "truth.tif", "--annotation", "annotation.tif")
    code, stdout, _ = run(*arguments, "--json")
    answer = last_object(stdout)
    assert code == 0
    assert set(answer) == {"iou", "dice", "mean_iou", "mean_dice", "annotated"}
    assert answer["iou"] == {"0": 1.0, "1": 1.0, "2": 1.0}
    assert 0 < answer["annotated"] < 1


def test_people_get_a_table_that_says_what_was_scored(run: Run) -> None:
    code, stdout, _ = run("evaluate", "truth.tif", "truth.tif")
    assert code == 0
    assert stdout.splitlines() == [
        "                   IoU   Dice",
        "background       1.000  1.000",
        "class 1          1.000  1.000",
        "class 2          1.000  1.000",
        "mean of classes  1.000  1.000",
        "on the 100.0% of the voxels not annotated",
    ]
