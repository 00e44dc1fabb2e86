"""Take the steps of a training yourself: print scores, and stop when you like."""

import argparse

import sparseseg
from sparseseg.data import samples

parser = argparse.ArgumentParser(description=__doc__)
parser.add_argument("--steps", type=int, default=400, help="take so many steps at most")
steps = parser.parse_args().steps

sample = samples.blobs((32, 48, 48))
case = sample.volume, sparseseg.SparseLabels(sample.annotation, table=sample.table)
settings = sparseseg.TrainSettings(steps=steps)
model = sparseseg.create([case], settings)

for step in sparseseg.train(model, [case], settings):
    if step.score is not None:
        print(f"step {step.step}, {step.seconds:.0f} s: best is {step.score.best}")
        print(step.score.reason or step.score.advice or "no advice")
    if step.loss < 0.02:  # the model can predict after every step
        break

print(f"{model.parameters:,} weights, last loss {step.loss:.3f}")
