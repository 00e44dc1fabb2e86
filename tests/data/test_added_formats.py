"""A package adds a file format by an entry point; a broken one harms nobody."""

import subprocess
import sys
from pathlib import Path

SOURCE = """
from pathlib import Path
import numpy as np
from sparseseg.data.formats import Format
from sparseseg.data.volume import Volume

def read(path):
    return Volume(np.fromfile(path, np.uint8, offset=4).reshape(1, 2, 3, 4), unit="um")

def write(path, array, like):
    path.write_bytes(b"LAB1" + array.tobytes())

FORMAT = Format(name="Lab", endings=(".lab",), read=read, write=write,
                matches=lambda path, head: head.startswith(b"LAB1"))
"""
USE = """
import numpy as np, warnings
warnings.simplefilter("ignore")
from sparseseg.data.files import read, write_labels
from sparseseg.data.volume import Volume
labels = np.arange(24, dtype=np.uint8).reshape(2, 3, 4)
write_labels("a.lab", labels, Volume(labels[None]))
assert (read("a.lab").array[0] == labels).all()
"""


def packaged(folder: Path, points: str, source: str) -> None:
    (folder / "lab_format.py").write_text(source)
    info = folder / "lab_format-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(
        "Metadata-Version: 2.1\nName: lab-format\nVersion: 1.0\n"
    )
    (info / "entry_points.txt").write_text(f"[sparseseg.formats]\n{points}\n")


def run(folder: Path, code: str) -> subprocess.CompletedProcess[str]:
    paths = f"import sys; sys.path[:0] = [{str(folder)!r}, {str(Path.cwd())!r}]\n"
    return subprocess.run(
        [sys.executable, "-c", paths + code],
        capture_output=True,
        text=True,
        check=False,
        cwd=folder,
    )


def test_files_of_an_added_format_are_read_and_written(tmp_path: Path) -> None:
    packaged(tmp_path, "lab = lab_format:FORMAT", SOURCE)
    found = run(tmp_path, USE)
    assert found.returncode == 0, found.stderr


def test_a_package_that_does_not_load_is_named_and_left_out(tmp_path: Path) -> None:
    points = "broken = lab_format:NOTHING\nodd = lab_format:__name__"
    packaged(tmp_path, points, "")
    found = run(
        tmp_path, "from sparseseg.data.formats import FORMATS; print(len(FORMATS))"
    )
    assert found.returncode == 0, found.stderr
    assert "'broken' of another package is left out (AttributeError" in found.stderr
    assert "'odd' of another package is left out (it is str" in found.stderr
