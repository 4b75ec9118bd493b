"""Make audit/extractors/classical.npz: the principal axes and neuron ranges of the bundled extractor.

    python infra/train_classical.py ../shared/data/tiny-imagenet-train.parquet

Reads the column ``image`` of a Parquet file of pictures; labels are not read. Equal input gives equal bytes.
"""

from __future__ import annotations

import argparse
import io
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow.parquet as pq
from PIL import Image

from audit.extractors import classical
from audit.extractors._calibration import calibrate

N_TRAIN = 12_000
N_RANGES = 2_000
SEED = 0
DAMPING = 0.01
"""Share of the largest variance added to each before whitening, so that noise is not blown up."""


def main() -> None:
    """Read pictures, learn axes and ranges, write the file."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("pictures", type=Path)
    parser.add_argument("--out", type=Path, default=Path(classical.__file__).with_name("classical.npz"))
    options = parser.parse_args()
    layers = _layers(options.pictures)
    arrays: dict[str, npt.NDArray[np.generic]] = {}
    for name, dimension in classical.BLOCKS.items():
        arrays |= _axes(name, layers[name], dimension)
    statement = f"{N_RANGES} pictures of the Tiny-ImageNet training set, drawn at random with seed {SEED}"
    ranges = calibrate([{name: layer[:N_RANGES] for name, layer in layers.items()}], statement)
    for name, known in ranges.layers.items():
        arrays |= {f"{name}.low": known.low, f"{name}.high": known.high, f"{name}.dead": known.dead}
    np.savez_compressed(options.out, calibration=np.array(statement), **arrays)


def _layers(path: Path) -> dict[str, npt.NDArray[np.float32]]:
    column = pq.read_table(path, columns=["image"]).column("image")
    chosen = np.random.default_rng(SEED).permutation(len(column))[:N_TRAIN]
    parts = []
    for start in range(0, len(chosen), 200):
        batch = np.stack([_picture(column[int(i)].as_py()) for i in chosen[start : start + 200]])
        parts.append(classical.measure(batch))
    return {name: np.concatenate([part[name] for part in parts]) for name in classical.CHANNELS}


def _picture(value: bytes | dict[str, bytes]) -> npt.NDArray[np.uint8]:
    data = value["bytes"] if isinstance(value, dict) else value
    with Image.open(io.BytesIO(data)) as image:
        squashed = image.convert("RGB").resize((classical.SIDE, classical.SIDE), Image.Resampling.BILINEAR)
    return np.asarray(squashed)


def _axes(name: str, layer: npt.NDArray[np.float32], dimension: int) -> dict[str, npt.NDArray[np.generic]]:
    rows = classical.prepared(name, layer)
    mean = rows.mean(axis=0)
    variance, axes = np.linalg.eigh(np.cov(rows - mean, rowvar=False))
    variance, axes = variance[::-1][:dimension], axes[:, ::-1][:, :dimension]
    step = np.abs(axes).max(axis=0) / 127
    scale = step / np.sqrt(variance + DAMPING * variance[0]) / classical.QUANTUM
    return {
        f"{name}.mean": mean.astype(np.float32),
        f"{name}.axes": np.rint(axes / step).astype(np.int8),
        f"{name}.scale": scale.astype(np.float32),
    }


if __name__ == "__main__":
    main()
