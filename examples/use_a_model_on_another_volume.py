"""Train on one volume, save the model, and predict a volume that nobody annotated."""

import argparse

import sparseseg
from sparseseg.data import samples

parser = argparse.ArgumentParser(description=__doc__)
parser.add_argument("--steps", type=int, help="train so many steps, not one minute")
steps = parser.parse_args().steps
budget = {"steps": steps} if steps else {"minutes": 1}

first, second = (samples.blobs((32, 48, 48), seed=seed) for seed in (0, 1))
labels = sparseseg.SparseLabels(first.annotation, table=first.table)

model = sparseseg.fit([(first.volume, labels)], **budget)
model.rules = ("drop below 20 voxels",)  # kept in the file, applied to each prediction
model.save("blobs.safetensors")

model = sparseseg.open_model("blobs.safetensors")
found = model.predict(second.volume)

scores = sparseseg.evaluate(found.labels, second.truth)
print(f"{found.labels.max()} classes, mean IoU {scores['mean_iou']:.3f}")
