"""What is lost when a model goes through a package of BioImage.IO and back.

    python benchmarks/packages.py

A model learns from the shipped sample and is exported as a package. The package is read
again as sparseseg's own, and, without its state dict, as a stranger's. Printed are the
share of voxels whose labels differ, and the Dice against the truth of the whole sample,
annotated slices included. Where bioimageio.core is installed, its own test has a look at
both kinds of weights.
"""

import argparse
import importlib
import importlib.util
import tempfile
import warnings
import zipfile
from pathlib import Path

import numpy as np
import yaml

from sparseseg import SparseLabels
from sparseseg.data.samples import ovule_nuclei
from sparseseg.evaluation import evaluate
from sparseseg.models.package_description import About
from sparseseg.models.packaging import export_package
from sparseseg.models.readers import read_model
from sparseseg.starting import fit

ABOUT = About(authors=("sparseseg",), licence="CC0-1.0", name="Nuclei")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--steps", type=int, default=150)
    parser.add_argument("--patch", type=int, nargs=3, default=(32, 64, 64))
    given = parser.parse_args()
    warnings.simplefilter("ignore")
    sample = ovule_nuclei()
    labels = SparseLabels(sample.annotation)
    model = fit([(sample.volume, labels)], device="cpu", steps=given.steps)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "nuclei.zip"
        print(export_package(model, path, tuple(given.patch), ABOUT))
        tested(path)
        own = read_model(path)
        strange = read_model(unpacked(path, Path(folder) / "strange"))
    truth = (sample.truth > 0).astype(np.uint8)
    wanted = model.predict(sample.volume).labels
    for name, one in (("model", model), ("own", own), ("stranger's", strange)):
        found = one.predict(sample.volume).labels
        score = evaluate(found, truth, spacing=sample.volume.spacing)["mean_dice"]
        share = (found != wanted).mean()
        print(f"{name}: {share:.4f} of the voxels differ, Dice {score:.3f}")


def tested(path: Path) -> None:
    """Let the library test both kinds of weights, if it is there."""
    if importlib.util.find_spec("bioimageio") is None:
        print("bioimageio.core is not installed: not tested by it")
        return
    library = importlib.import_module("bioimageio.core")
    for weights in ("onnx", "pytorch_state_dict"):
        found = library.test_model(path, weight_format=weights)
        print(f"bioimageio.core, {weights}: {found.status}")


def unpacked(path: Path, folder: Path) -> Path:
    """Unpack a package without its state dict."""
    with zipfile.ZipFile(path) as archive:
        archive.extractall(folder)
    said = yaml.safe_load((folder / "rdf.yaml").read_text())
    del said["weights"]["pytorch_state_dict"], said["weights"]["onnx"]["parent"]
    (folder / "rdf.yaml").write_text(yaml.safe_dump(said))
    return folder


if __name__ == "__main__":
    main()
