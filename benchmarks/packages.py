"""What is lost when a model goes through a package of BioImage.IO and back.

    python benchmarks/packages.py

A model learns from the shipped sample, is exported as a package, and read again as a
stranger's. Printed are the share of voxels whose labels differ, and the Dice of both
against the truth of the whole sample, annotated slices included.
"""

import argparse
import tempfile
import warnings
from pathlib import Path

import numpy as np

from sparseseg import SparseLabels
from sparseseg.data.samples import ovule_nuclei
from sparseseg.evaluation import evaluate
from sparseseg.models.packaging import About, export_package
from sparseseg.models.readers import read_model
from sparseseg.starting import fit

ABOUT = About(authors=("sparseseg",), licence="CC0-1.0", name="Nuclei")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--steps", type=int, default=150)
    steps = parser.parse_args().steps
    warnings.simplefilter("ignore")
    sample = ovule_nuclei()
    labels = SparseLabels(sample.annotation)
    model = fit([(sample.volume, labels)], device="cpu", steps=steps)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "nuclei.zip"
        print(export_package(model, path, (32, 64, 64), ABOUT))
        package = read_model(path)
    found = package.predict(sample.volume).labels
    own = model.predict(sample.volume).labels
    truth = (sample.truth > 0).astype(np.uint8)
    print(f"{(found != own).mean():.4f} of the voxels differ")
    for name, one in (("package", found), ("model", own)):
        score = evaluate(one, truth, spacing=sample.volume.spacing)["mean_dice"]
        print(f"Dice of the {name}: {score:.3f}")


if __name__ == "__main__":
    main()
