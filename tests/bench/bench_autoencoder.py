"""A k-sparse autoencoder beside non-negative factors: what is explained, dead units, units that a second run finds.

``PYTHONPATH=. python -m tests.bench.bench_autoencoder [--views DIR] [--epochs 80] [SET ...]``

Why the product has none: docs/adr/0023. Source: A. Makhzani, B. Frey, "k-Sparse Autoencoders", 2013; L. Gao et al.,
"Scaling and evaluating sparse autoencoders", 2024 (TopK). Explained is the share of the centred squares.
"""

from __future__ import annotations

import argparse
from itertools import islice
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
from threadpoolctl import threadpool_limits

from audit.concepts import factors
from audit.concepts.spatial import activations, baseline
from audit.extractors import load_extractor
from audit.pictures.process import process
from tests.bench.real_pictures import shared_data
from tests.bench.real_views import real_view

BATCH = 512
RATE = 2e-3
N_TINY = 6400


def main() -> None:
    """Print a row for each set and width."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("sets", nargs="*", default=["weather", "waterbirds"])
    parser.add_argument("--views", type=Path, default=Path("build/views"), help="where embedded sets are kept")
    parser.add_argument("--epochs", type=int, default=80)
    arguments = parser.parse_args()
    for name in arguments.sets:
        maps = real_view(name, arguments.views).parts.maps
        rows = activations(maps, baseline(maps))
        compressed = factors.compress(rows, np.random.default_rng(0))
        squares = float(((rows - rows.mean(axis=0)) ** 2).sum())
        of_factors(name, rows, compressed, squares)
        lost = compressed.squares - float((compressed.left**2).sum())
        for width in (24, 64):
            of_units(name, compressed.left, (width, 4), squares, lost, arguments.epochs)
    vectors = tiny_vectors(arguments.views)
    squares = float(((vectors - vectors.mean(axis=0)) ** 2).sum())
    strengths = np.linalg.svd(vectors - vectors.mean(axis=0), compute_uv=False) ** 2
    print(
        f"{N_TINY:,} pooled vectors: 8 principal directions: explained {strengths[:8].sum() / squares:.2f}", flush=True
    )
    for width in (64, 256):
        of_units(f"{N_TINY:,} pooled vectors", vectors, (width, 8), squares, 0.0, arguments.epochs)


def of_units(name: str, rows: np.ndarray, size: tuple[int, int], squares: float, lost: float, epochs: int) -> None:
    """Two runs of an autoencoder of so many units, so many of them active."""
    runs = [train(rows, size, seed, epochs) for seed in range(2)]
    (decoder, bias), codes = runs[0]
    live = (codes > 0).any(axis=0)
    again = int((factors.agreement(decoder[live], runs[1][0][0]) >= factors.STABLE).sum())
    left = float(((codes @ decoder + bias - rows) ** 2).sum()) + lost
    print(
        f"{name}: autoencoder, {size[1]} active of {size[0]}: explained {1 - left / squares:.2f}, "
        f"dead {int((~live).sum())}, found again {again}",
        flush=True,
    )


def tiny_vectors(folder: Path) -> np.ndarray:
    """Embeddings of the first pictures of the training set, float32 (6400, d), unit length."""
    kept = folder / "tiny.npz"
    if not kept.is_file():
        extractor, found = load_extractor("bundled"), []
        source = pq.ParquetFile(shared_data() / "tiny-imagenet-train.parquet")
        for batch in islice(source.iter_batches(batch_size=32, columns=["image"]), N_TINY // 32):
            images = [process(one.as_py(), extractor.spec.input, max_pixels=10**8).pixels for one in batch.column(0)]
            found.append(extractor.features(np.stack(images)).embedding)
        np.savez(kept, vectors=unit(np.concatenate(found)))
    with np.load(kept) as arrays:
        vectors: np.ndarray = arrays["vectors"]
    return vectors


def of_factors(name: str, rows: np.ndarray, compressed: factors.Compressed, squares: float) -> None:
    """The same numbers for 24 factors."""
    first, second = (factors.factorise(compressed, 24, np.random.default_rng(seed)) for seed in range(2))
    again = int((factors.agreement(first.directions, second.directions) >= factors.STABLE).sum())
    left = float(((rows - first.weights @ first.directions) ** 2).sum())
    print(f"{name}: 24 factors: explained {1 - left / squares:.2f}, found again {again}", flush=True)


def train(
    rows: np.ndarray, size: tuple[int, int], seed: int, epochs: int
) -> tuple[tuple[np.ndarray, np.ndarray], np.ndarray]:
    """Decoder (width, d) and bias (d,), and the codes of all rows, by Adam on the squared error."""
    rng, (width, active) = np.random.default_rng(seed), size
    decoder = unit(rng.normal(size=(width, rows.shape[1])).astype(np.float32))
    values = [decoder.T.copy(), np.zeros(width, np.float32), decoder, rows.mean(axis=0)]
    moments = [[np.zeros_like(value), np.zeros_like(value)] for value in values]
    scale, step = float(((rows - values[3]) ** 2).sum(axis=1).mean()), 0
    with threadpool_limits(limits=1):
        for _ in range(epochs):
            for chosen in np.array_split(rng.permutation(len(rows)), max(1, len(rows) // BATCH)):
                step += 1
                gradients = slopes(rows[chosen], values, active, scale)
                for value, moment, gradient in zip(values, moments, gradients, strict=True):
                    moment[0] += 0.1 * (gradient - moment[0])
                    moment[1] += 0.001 * (gradient**2 - moment[1])
                    rate = RATE * np.sqrt(1 - 0.999**step) / (1 - 0.9**step)
                    change = rate * moment[0] / (np.sqrt(moment[1]) + 1e-8)
                    np.subtract(value, change, out=value, casting="same_kind")
                values[2][:] = unit(values[2])
        return (values[2], values[3]), encode(rows, values, active)


def encode(rows: np.ndarray, values: list[np.ndarray], active: int) -> np.ndarray:
    """The largest activations of each row, the others zero."""
    codes = (rows - values[3]) @ values[0] + values[1]
    least = np.partition(codes, -active, axis=1)[:, -active, None]
    return np.where((codes >= least) & (codes > 0), codes, np.float32(0))


def slopes(rows: np.ndarray, values: list[np.ndarray], active: int, scale: float) -> list[np.ndarray]:
    """Gradients of the mean squared error over ``scale``, in the order of the values."""
    codes = encode(rows, values, active)
    error = 2 * (codes @ values[2] + values[3] - rows) / (len(rows) * scale)
    back = (error @ values[2].T) * (codes > 0)
    centred = rows - values[3]
    return [centred.T @ back, back.sum(axis=0), codes.T @ error, error.sum(axis=0) - values[0] @ back.sum(axis=0)]


def unit(rows: np.ndarray) -> np.ndarray:
    """Rows of length one."""
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


if __name__ == "__main__":
    main()
