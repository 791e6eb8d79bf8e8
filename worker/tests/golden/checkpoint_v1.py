"""Writes checkpoint_v1.lsckpt from the description of the layout in worker/src/checkpoint.rs. Needs: pip install blake3"""

import json
import pathlib
import struct

import blake3

nan = float("nan")
# name, values, whether it has moments
tensors = [
    ("encoder.0.weight", [1.5 + i for i in range(6)], True),
    ("decoder.bias", [-2.0], True),
    ("norm.mean", [3.0, 4.0], False),
]
kept = [("decoder.bias", [-7.5], False)]


def heads(tensors):
    return [{"name": name, "len": len(values), "has_moments": moments} for name, values, moments in tensors]


header = json.dumps(
    {
        "trial": blake3.blake3(b"abc").hexdigest()[:32],
        "rng_version": 1,
        "engine": "sparse",
        "isa": "avx512",
        "epochs": 3,
        "steps": 33,
        "tensors": heads(tensors),
        "kept": {"epoch": 2, "loss_per_cell": 4.0, "tensors": heads(kept)},
    },
    separators=(",", ":"),
).encode()
content = b"LSCKPT01" + struct.pack("<I", len(header)) + header
for epoch in (1, 2, 3):
    content += struct.pack("<7d", 1758.25 / epoch, 0.1, 0.0, 0.5, nan, 2.0 * epoch, 0.125)
for _, values, moments in tensors + kept:
    n = len(values)
    content += struct.pack(f"<{n}f", *values)
    if not moments:
        continue
    content += struct.pack(f"<{n}f", *[-0.5 * i for i in range(n)])
    content += struct.pack(f"<{n}f", *[0.25] * n)
file = content + blake3.blake3(content).digest()
pathlib.Path(__file__).with_name("checkpoint_v1.lsckpt").write_bytes(file)
