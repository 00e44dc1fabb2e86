"""From a volume and an annotation to labels with a score, in one call."""

import argparse

import sparseseg
from sparseseg.data import samples

parser = argparse.ArgumentParser(description=__doc__)
parser.add_argument("--steps", type=int, help="train so many steps, not three minutes")
steps = parser.parse_args().steps
budget = {"steps": steps} if steps else {"minutes": 3}

# Nuclei of an Arabidopsis ovule: nine slices are annotated, and the truth is known.
sample = samples.ovule_nuclei()
labels = sparseseg.SparseLabels(sample.annotation, table=sample.table)

found = sparseseg.segment(sample.volume, labels, **budget)

sparseseg.write_labels("nuclei.tif", found.labels, sample.volume, table=sample.table)
scores = sparseseg.evaluate(found.labels, sample.truth, annotation=sample.annotation)
print(f"made by: {found.method}")
print(f"likely Dice of each class: {found.estimate}")
print(f"IoU on voxels that were not annotated: {scores['mean_iou']:.3f}")
