"""Train one model on two annotated volumes."""

import argparse

import sparseseg
from sparseseg.data import samples

parser = argparse.ArgumentParser(description=__doc__)
parser.add_argument("--steps", type=int, help="train so many steps, not one minute")
steps = parser.parse_args().steps
budget = {"steps": steps} if steps else {"minutes": 1}

train_on = [samples.blobs((24, 40, 40), seed=seed) for seed in (0, 1)]
cases = [
    (sample.volume, sparseseg.SparseLabels(sample.annotation, table=sample.table))
    for sample in train_on
]

model = sparseseg.fit(cases, **budget)
model.save("both.safetensors")

unseen = samples.blobs((24, 40, 40), seed=2)
scores = sparseseg.evaluate(model.predict(unseen.volume).labels, unseen.truth)
print(f"mean IoU on a third volume: {scores['mean_iou']:.3f}")
