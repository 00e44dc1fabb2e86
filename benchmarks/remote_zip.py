"""How many bytes it takes to get one fold out of a large archive on the net.

An archive laid out as those of nnU-Net 1, with five folds, lies on a server of this
machine that gives parts; one fold is taken as `sparseseg models download` does.
"""

import argparse
import io
import json
import random
import sys
import tempfile
import zipfile
from pathlib import Path

from sparseseg.models.store.archives import extract, members
from sparseseg.models.store.remote_zip import RemoteFile

sys.path.insert(0, str(Path(__file__).parent.parent))
from tests.models.store.server import serving

_TASK = "nnUNet/3d_fullres/Task003_Liver/nnUNetTrainerV2__nnUNetPlansv2.1"
_WANTED = (
    "3d_fullres/*/plans.pkl",
    "3d_fullres/*/fold_0/model_final_checkpoint.model*",
)


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--megabytes", type=float, default=60.0, help="of a fold")
    out = Path(__file__).with_name("results") / "remote_zip.json"
    parser.add_argument("-o", "--out", type=Path, default=out)
    args = parser.parse_args()
    archive = _archive(int(args.megabytes * 2**20))
    with serving() as site, tempfile.TemporaryDirectory() as folder:
        site.files["task.zip"] = archive
        remote = RemoteFile(f"{site.url}/task.zip")
        with zipfile.ZipFile(remote) as opened:
            for _ in extract(opened, members(opened, _WANTED), Path(folder)):
                pass
        row = {
            "archive_bytes": len(archive),
            "moved_bytes": site.sent,
            "share": round(site.sent / len(archive), 4),
            "requests": remote.requests,
        }
    args.out.write_text(json.dumps(row, indent=1) + "\n")
    print(row)


def _archive(size: int) -> bytes:
    """Return an archive with two configurations of five folds each."""
    buffer, rng = io.BytesIO(), random.Random(0)
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as file:
        for configuration in ("3d_lowres", "3d_fullres"):
            task = _TASK.replace("3d_fullres", configuration)
            file.writestr(f"{task}/plans.pkl", rng.randbytes(20_000))
            for fold in range(5):
                name = f"{task}/fold_{fold}/model_final_checkpoint.model"
                file.writestr(name, rng.randbytes(size))
                file.writestr(f"{name}.pkl", rng.randbytes(20_000))
    return buffer.getvalue()


if __name__ == "__main__":
    main()
