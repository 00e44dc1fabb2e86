"""Models that other libraries wrote, with their own answers."""

import shutil
from pathlib import Path

FIXTURES = Path(__file__).with_name("fixtures")
V2 = FIXTURES / "Dataset501_TinyLiTS" / "nnUNetTrainer__nnUNetPlans__3d_fullres"
V1 = FIXTURES / "3d_fullres" / "Task529_TinyLiTS" / "nnUNetTrainerV2__nnUNetPlansv2.1"
MLPERF = FIXTURES / "tiny_kits19_pytorch_checkpoint.pth"
MONAI = FIXTURES / "TinyLiver_ct_segmentation"
BIOIMAGEIO = FIXTURES / "bioimageio"


def image(number: int, name: str = "nnunet_v2") -> Path:
    return FIXTURES / f"images_{name}" / f"test_0{number}_0000.nii.gz"


def copied(folder: Path, into: Path) -> Path:
    """Return a copy that a test may damage."""
    return Path(shutil.copytree(folder, into / folder.name))
