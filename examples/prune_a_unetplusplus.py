"""Train UNet++ once, and compare its depths: speed or accuracy, chosen afterwards."""

import argparse

import sparseseg
from sparseseg.data import samples
from sparseseg.engine.depths import depth_table

parser = argparse.ArgumentParser(description=__doc__)
parser.add_argument("--steps", type=int, default=200, help="train so many steps")
steps = parser.parse_args().steps

sample = samples.blobs((16, 32, 32))
case = sample.volume, sparseseg.SparseLabels(sample.annotation, table=sample.table)

model = sparseseg.fit([case], recipe="unetplusplus", steps=steps)
for row in depth_table(model, sample.volume):
    print(f"L{row.depth}: {row.parameters:>9,} weights, {row.seconds:.2f} s")

small = model.at_depth(2)
small.save("level-2.safetensors")
