"""Large invented datasets in the form every analysis reads, written once to a folder and read through memory maps.

The arrays are as large as those of the bundled extractor: 384 numbers in a vector, 1 816 neurons, maps of 4 x 4 places.
"""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from audit.dna import Dna, DnaCounter, LayerRanges, NeuronRanges
from audit.maths.neighbours import nearest
from audit.model import IMAGES_SCHEMA, DatasetView, Embeddings, Neighbours, Neurons, PartFeatures, Parts
from audit.pictures.hashes import CHROMA_SIDE, LUMA_SIDE
from audit.pictures.statistics import PICTURE_SCHEMA
from storage.arrays import mapped
from storage.parquet import map_table
from tests.views import unit

EXTRACTOR = hashlib.sha256(b"invented").hexdigest()
LAYERS = {"stage2": 24, "stage3": 32, "stage4": 64, "stage5": 96, "stage7": 320, "last": 1280}
DIMENSION = 384
N_CLASSES = 20
N_PARTS = 2000
N_NEIGHBOURS = 20
PLACES = 16
BLOCK = 1024
DONE = "done"

Floats = npt.NDArray[np.floating[Any]]


def large_view(folder: Path, n: int, *, seed: int = 0) -> DatasetView:
    """A dataset of n pictures in 20 classes with everything an analysis may read, from a folder if it is there."""
    place = folder / f"{n}-{seed}"
    if not (place / DONE).is_file():
        place.mkdir(parents=True, exist_ok=True)
        _write(place, n, seed)
        (place / DONE).touch()
    arrays = {file.stem: mapped(file) for file in sorted(place.glob("*.npy"))}
    ends = np.cumsum([0, *LAYERS.values()]).tolist()
    return DatasetView(
        name=f"set-{seed}",
        fingerprint=hashlib.sha256(place.name.encode()).hexdigest(),
        images=map_table(place / "usable.arrow"),
        excluded=IMAGES_SCHEMA.empty_table(),
        embeddings=Embeddings(arrays["vectors"], "invented", EXTRACTOR),
        neighbours=Neighbours(arrays["indices"], arrays["distances"]),
        dna=Dna.from_table(map_table(place / "dna.arrow")),
        neurons=Neurons(
            arrays["neurons"],
            {name: slice(*ends[i : i + 2]) for i, name in enumerate(LAYERS)},
            arrays["border"],
            "last",
        ),
        parts=_parts(place),
    )


def _write(place: Path, n: int, seed: int) -> None:
    """Write all arrays of a dataset; each image is its class, its surroundings and noise."""
    rng = np.random.default_rng([seed, n])
    classes, scenes = rng.integers(N_CLASSES, size=n), rng.integers(6, size=n)
    world = np.random.default_rng(7)
    spectrum = np.arange(1, DIMENSION + 1) ** -0.5
    centres, settings = (world.normal(size=(k, DIMENSION)) * spectrum for k in (N_CLASSES, 6))
    mixing = world.normal(size=(DIMENSION, sum(LAYERS.values()))).astype(np.float32) / 4
    kinds = {"vectors": (np.float32, DIMENSION), "neurons": (np.float16, mixing.shape[1]), "border": (np.float16, 1280)}
    files = {
        name: np.lib.format.open_memmap(place / f"{name}.npy", "w+", kind, (n, width))
        for name, (kind, width) in kinds.items()
    }
    counter = DnaCounter(_ranges(), EXTRACTOR)
    for start in range(0, n, BLOCK):
        rows = slice(start, min(n, start + BLOCK))
        scene = settings[scenes[rows]]
        noise = rng.normal(size=(len(scene), DIMENSION)) * spectrum
        vectors = (centres[classes[rows]] + 0.7 * scene + 1.3 * noise).astype(np.float32)
        files["vectors"][rows] = unit(vectors)
        files["neurons"][rows] = _activations(vectors @ mixing)
        files["border"][rows] = _activations((1.5 * scene + noise).astype(np.float32) @ mixing[:, -1280:])
        counter.add(_maps(np.asarray(files["neurons"][rows]), rng))
    indices, distances = _neighbours(np.asarray(files["vectors"]), classes)
    np.save(place / "indices.npy", indices)
    np.save(place / "distances.npy", distances)
    _write_table(counter.dna().to_table(), place / "dna.arrow")
    _write_table(_images(n, classes, scenes, seed), place / "usable.arrow")
    _write_parts(place, files["vectors"], files["neurons"], rng)


def _activations(values: Floats) -> Floats:
    return (0.5 + 0.1 * values).clip(-0.2, 1.5).astype(np.float16)


def _neighbours(
    vectors: Floats, classes: npt.NDArray[np.int64]
) -> tuple[npt.NDArray[np.int32], npt.NDArray[np.float32]]:
    """The nearest of the same class: nearly those of the whole set, in a twentieth of the time."""
    indices = np.empty((len(vectors), N_NEIGHBOURS), np.int32)
    distances = np.empty((len(vectors), N_NEIGHBOURS), np.float32)
    for one in range(N_CLASSES):
        rows = np.flatnonzero(classes == one)
        found = nearest(vectors[rows], N_NEIGHBOURS, threads=1)
        indices[rows], distances[rows] = rows[found.indices], found.distances
    return indices, distances


def _ranges() -> NeuronRanges:
    layers = {
        name: LayerRanges(np.zeros(size, np.float32), np.ones(size, np.float32), np.zeros(size, np.bool_))
        for name, size in LAYERS.items()
    }
    return NeuronRanges(layers, "invented")


def _maps(means: Floats, rng: np.random.Generator) -> dict[str, Floats]:
    """Four places around each neuron's mean, by layer."""
    noise = rng.normal(scale=0.1, size=(4, 1)).astype(np.float32)
    places = means.astype(np.float32)[:, None] + noise
    ends = np.cumsum([0, *LAYERS.values()]).tolist()
    return {name: places[:, :, ends[i] : ends[i + 1]] for i, name in enumerate(LAYERS)}


def _write_parts(place: Path, vectors: Floats, neurons: Floats, rng: np.random.Generator) -> None:
    rows = np.sort(rng.permutation(len(vectors))[:N_PARTS])
    whole, means = np.asarray(vectors)[rows], np.asarray(neurons)[rows]
    noise = rng.normal(size=(3, *whole.shape)) * 0.04
    places = rng.exponential(size=(len(rows), PLACES, 1)).astype(np.float16)
    arrays = {
        "rows": rows,
        "boxes": np.tile(np.array([[0.2, 0.2, 0.8, 0.8]], np.float32), (len(rows), 1)),
        "vectors": np.stack([whole, *(unit((whole + part).astype(np.float32)) for part in noise)]),
        "neurons": np.stack(
            [means, *((means + rng.normal(scale=0.05, size=3)[i]).astype(np.float16) for i in range(3))]
        ),
        "maps": (means[:, None, -1280:].clip(0) * places).astype(np.float16),
    }
    (place / "parts").mkdir(exist_ok=True)
    for name, array in arrays.items():
        np.save(place / "parts" / f"{name}.npy", array)


def _parts(place: Path) -> Parts:
    """The parts, in memory as the worker loads them."""
    arrays = {file.stem: np.load(file) for file in sorted((place / "parts").glob("*.npy"))}
    whole, foreground, smooth, mirror = (
        PartFeatures(*pair) for pair in zip(arrays["vectors"], arrays["neurons"], strict=True)
    )
    is_given = np.zeros(len(arrays["rows"]), np.bool_)
    return Parts(arrays["rows"], arrays["boxes"], is_given, whole, foreground, (smooth, mirror), arrays["maps"], "last")


# images --------------------------------------------------------------------------------------------------------------


def _images(n: int, classes: npt.NDArray[np.int64], scenes: npt.NDArray[np.int64], seed: int) -> pa.Table:
    """The rows of n pictures, of which 1 in 50 is a copy of the one before."""
    rng = np.random.default_rng([seed, n, 1])
    same = np.arange(n) - (np.arange(n) % 50 == 49)
    paths = [f"set-{seed}/{i:06d}.png" for i in range(n)]
    digests = [hashlib.sha256(f"{seed}/{i}".encode()).hexdigest() for i in same]
    columns: dict[str, Any] = {
        "image_id": [hashlib.sha256(path.encode()).hexdigest()[:16] for path in paths],
        "path": paths,
        "path_bytes": [path.encode() for path in paths],
        "locator": paths,
        "status": ["ok"] * n,
        "label": [f"class {c:02d}" for c in classes],
        "split": np.where(np.arange(n) % 5 == 0, "test", "train").tolist(),
        "n_bytes": rng.integers(20_000, 90_000, size=n),
        "format": ["png"] * n,
        "width": np.full(n, 640),
        "height": np.full(n, 480),
        "content_hash": digests,
        "pixel_hash": digests,
        "look_luma": _looks(rng, n, LUMA_SIDE, 1)[same].tolist(),
        "look_chroma": _looks(rng, n, CHROMA_SIDE, 2)[same].tolist(),
        "notes": [[]] * n,
    }
    fields = [*IMAGES_SCHEMA, *PICTURE_SCHEMA]
    numbers = (field.name for field in fields if pa.types.is_floating(field.type))
    columns |= {name: 0.5 + 0.1 * rng.normal(size=n) + 0.02 * scenes for name in numbers}
    table = pa.table({field.name: _column(columns, field, n) for field in fields})
    table = table.append_column("meta.scene", pa.array([f"scene {s}" for s in scenes]))
    return table.append_column("meta.camera", pa.array([f"camera {c}" for c in rng.integers(8, size=n)]))


def _column(columns: dict[str, Any], field: pa.Field, n: int) -> pa.Array:
    return pa.array(columns[field.name], field.type) if field.name in columns else pa.nulls(n, field.type)


def _looks(rng: np.random.Generator, n: int, side: int, channels: int) -> npt.NDArray[np.object_]:
    """Smooth little pictures: 4 x 4 fields and a little noise."""
    looks = np.empty(n, object)
    for start in range(0, n, BLOCK):
        m = min(n, start + BLOCK) - start
        fields = rng.normal(128, 40, size=(m, channels, 4, 4)).repeat(side // 4, axis=2).repeat(side // 4, axis=3)
        pixels = (fields + rng.normal(0, 4, size=fields.shape)).clip(0, 255).astype(np.uint8)
        looks[start : start + m] = [one.tobytes() for one in pixels]
    return looks


def _write_table(table: pa.Table, path: Path) -> None:
    with pa.ipc.new_file(str(path), table.schema) as writer:
        writer.write_table(table.combine_chunks())
