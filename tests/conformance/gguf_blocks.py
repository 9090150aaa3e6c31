"""Writes tests/worker/weights/testdata/gguf_blocks.gguf: random blocks of every quantised type that
we read, and beside each, as F32, the values that the PyPI package gguf 0.19.0 says they stand for.

    python3 -m venv V && V/bin/pip install gguf==0.19.0
    V/bin/python tests/conformance/gguf_blocks.py tests/worker/weights/testdata/gguf_blocks.gguf
"""

import sys

import numpy as np
from gguf import GGMLQuantizationType, GGUFWriter, quants

ROWS, BLOCKS = 3, 2
# Type, elements and bytes of a block, where it has scales of F16.
TYPES = [
    ("Q4_0", 32, 18, [0]),
    ("Q4_1", 32, 20, [0, 2]),
    ("Q8_0", 32, 34, [0]),
    ("Q4_K", 256, 144, [0, 2]),
    ("Q5_K", 256, 176, [0, 2]),
    ("Q6_K", 256, 210, [208]),
    ("MXFP4", 32, 17, []),
]


def main():
    draw = np.random.default_rng(20261129)
    writer = GGUFWriter(sys.argv[1], "blocks")
    for name, _, block_bytes, scales in TYPES:
        blocks = draw.integers(0, 256, (ROWS, BLOCKS, block_bytes), dtype=np.uint8)
        for at in scales:  # any sign, far from infinity
            values = draw.normal(0, 0.02, (ROWS, BLOCKS, 1)).astype(np.float16)
            blocks[:, :, at : at + 2] = values.view(np.uint8)
        if name == "MXFP4":
            blocks[:, :, 0] = draw.integers(100, 140, (ROWS, BLOCKS))
        kind = GGMLQuantizationType[name]
        rows = blocks.reshape(ROWS, BLOCKS * block_bytes)
        writer.add_tensor(name, rows, raw_dtype=kind)
        writer.add_tensor(name + ".values", quants.dequantize(rows, kind).astype(np.float32))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


main()
