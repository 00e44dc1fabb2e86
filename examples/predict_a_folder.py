"""Run a model over a folder of volumes, as `sparseseg batch` does, with a report."""

import argparse
import subprocess
import sys
from pathlib import Path

import sparseseg
from sparseseg.data import samples
from sparseseg.data.files import write_image

parser = argparse.ArgumentParser(description=__doc__)
parser.add_argument("--steps", type=int, default=200, help="train so many steps")
steps = parser.parse_args().steps

first = samples.blobs((16, 32, 32))
labels = sparseseg.SparseLabels(first.annotation, table=first.table)
sparseseg.fit([(first.volume, labels)], steps=steps).save("blobs.safetensors")

scans = Path("scans")
scans.mkdir(exist_ok=True)
for seed in (1, 2):
    volume = samples.blobs((16, 32, 32), seed=seed).volume
    write_image(scans / f"scan-{seed}.ome.tif", volume.array, like=volume)

command = [sys.executable, "-m", "sparseseg", "batch", "blobs.safetensors", str(scans)]
subprocess.run([*command, "-o", "predictions"], check=True)
print("open predictions/report.html")
