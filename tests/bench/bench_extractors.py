"""How good extractors are on sets that none was trained on, and how fast: tables for docs/extractors.md.

``PYTHONPATH=. python -m tests.bench.bench_extractors [--extractors classical bundled] [--probe] [SET ...]``

k-NN (k = 10, cosine, five stratified folds) and, with ``--probe``, a logistic probe on standardised features (the same
folds). Besides Assay's own extractors: ``pixels`` (16 x 16), ``random`` (the bundled network with random weights) and
three networks trained on ImageNet, at 224 pixels, mean over places: ``teacher`` (MobileNetV2), the reference,
``resnet50v2`` (its first three stages) and ``squeezenet``.
"""

from __future__ import annotations

import argparse
import csv
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import StratifiedKFold, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from audit.extractors import load_extractor
from audit.extractors._mobilenet import Trunk
from audit.extractors._network import forward
from audit.extractors._torch import TorchRun
from audit.extractors.bundled import PREPROCESSING
from tests.bench.real_pictures import shared_data
from tests.bench.reference_networks import NETWORKS, reference
from workers.allocator import keep_freed_activations, share_one_arena

K = 10
FOLDS = 5
BATCH = 32

Pictures = npt.NDArray[np.uint8]
Floats = npt.NDArray[np.float32]
Features = Callable[[Pictures], Floats]


def evaluation_sets() -> dict[str, list[tuple[str, str]]]:
    """(path, label) of every question asked of the evaluation pictures."""
    with (shared_data() / "MANIFEST.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))

    def pick(name: str, attribute: str = "", **wanted: str) -> list[tuple[str, str]]:
        chosen = []
        for row in (row for row in rows if row["set"] == name):
            about = dict(part.split("=", 1) for part in row["attributes"].split(";") if part)
            if all(about.get(key) == value for key, value in wanted.items()):
                chosen.append((row["path"], about[attribute] if attribute else row["label"]))
        return chosen

    return {
        "caltech101": pick("caltech101"),
        "clothing": pick("clothing"),
        "weather": pick("weather"),
        "PACS photo": pick("pacs", domain="photo"),
        "CIFAKE real": pick("cifake", kind="real"),
        "day/night": pick("daynight"),
        "cue-conflict texture": pick("cue_conflict", "texture"),
        "waterbirds place": pick("waterbirds", "place"),
        "waterbirds bird": pick("waterbirds"),
    }


def main() -> None:
    """Print a row for each question and the ratio of the means to the reference's."""
    share_one_arena()
    keep_freed_activations()
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("sets", nargs="*")
    parser.add_argument("--extractors", nargs="+", default=["pixels", "random", "classical", "bundled", "teacher"])
    parser.add_argument("--probe", action="store_true")
    arguments = parser.parse_args()
    extractors = {name: features_of(name) for name in arguments.extractors}
    print(f"{'':<22}{'n':>6}" + "".join(f"{name:>14}" for name in extractors))
    found: dict[str, list[float]] = {name: [] for name in extractors}
    kept: dict[tuple[str, ...], Floats] = {}
    for question, rows in evaluation_sets().items():
        if arguments.sets and question.split()[0] not in arguments.sets:
            continue
        labels = np.unique([label for _, label in rows], return_inverse=True)[1]
        cells = []
        for name, (side, features) in extractors.items():
            key = (name, *(path for path, _ in rows))  # two questions are asked of the same pictures
            if key not in kept:
                kept[key] = embedded(list(key[1:]), side, features)
            vectors = kept[key]
            score = neighbour_accuracy(vectors, labels)
            found[name].append(score)
            cells.append(f"{score:.3f}" + (f" /{probe_accuracy(vectors, labels):.3f}" if arguments.probe else ""))
        print(f"{question:<22}{len(rows):>6}" + "".join(f"{cell:>14}" for cell in cells), flush=True)
    print(f"{'mean k-NN':<28}" + "".join(f"{np.mean(values):>14.3f}" for values in found.values()))
    if "teacher" in found:
        ratios = (np.mean(np.divide(values, found["teacher"])) for values in found.values())
        print(f"{'mean ratio to teacher':<28}" + "".join(f"{ratio:>14.3f}" for ratio in ratios))
    for name, (side, features) in extractors.items():
        print(f"{name}: {speed(side, features):.0f} pictures/s forward on two threads")


def features_of(name: str) -> tuple[int, Features]:
    """Side of the input, and the function from uint8 (b, side, side, 3) to features."""
    if name == "pixels":
        return 16, lambda batch: batch.reshape(len(batch), -1).astype(np.float32) - 127.5
    if name == "random":
        return PREPROCESSING.input.size, _random()
    extractor = reference(name) if name in NETWORKS else load_extractor(name)
    return extractor.spec.input.size, lambda batch: extractor.features(batch).embedding


def _random() -> Features:
    import torch

    torch.manual_seed(0)
    trunk = Trunk().eval().to(memory_format=torch.channels_last)
    run = TorchRun(lambda x: (trunk(x.contiguous(memory_format=torch.channels_last))[-1].mean((2, 3)), {}), "cpu")
    return lambda batch: forward(PREPROCESSING, run, batch).embedding


def embedded(paths: list[str], side: int, features: Features) -> Floats:
    """Features of the files, both sides brought to ``side``."""
    batches = [paths[i : i + BATCH] for i in range(0, len(paths), BATCH)]
    with ThreadPoolExecutor(2) as threads:
        return np.concatenate(list(threads.map(lambda batch: features(_read(batch, side)), batches)))


def _read(paths: list[str], side: int) -> Pictures:
    opened = (Image.open(Path(shared_data()) / path).convert("RGB") for path in paths)
    return np.stack([np.asarray(image.resize((side, side), Image.Resampling.BILINEAR)) for image in opened])


def neighbour_accuracy(vectors: Floats, labels: npt.NDArray[np.int64]) -> float:
    """Share of pictures whose ten nearest in the other folds vote for their label (ties: the more similar)."""
    unit = vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-12)
    n_right = 0
    for learned, asked in StratifiedKFold(FOLDS, shuffle=True, random_state=0).split(unit, labels):
        similarity = unit[asked] @ unit[learned].T
        nearest = np.argsort(-similarity, axis=1, kind="stable")[:, :K]
        votes = np.zeros((len(asked), labels.max() + 1))
        for rank in range(K):
            rows = np.arange(len(asked))
            votes[rows, labels[learned][nearest[:, rank]]] += 1 + 1e-3 * similarity[rows, nearest[:, rank]]
        n_right += int((votes.argmax(axis=1) == labels[asked]).sum())
    return n_right / len(labels)


def probe_accuracy(vectors: Floats, labels: npt.NDArray[np.int64]) -> float:
    """Accuracy of a logistic probe over the same folds."""
    probe = make_pipeline(StandardScaler(), LogisticRegression(C=0.01, max_iter=300))
    folds = StratifiedKFold(FOLDS, shuffle=True, random_state=0)
    return float(cross_val_score(probe, vectors, labels, cv=folds).mean())


def speed(side: int, features: Features, seconds: float = 4.0) -> float:
    """Pictures/s, two batches at once, each on one thread."""
    batch = np.random.default_rng(0).integers(0, 256, (BATCH, side, side, 3), dtype=np.uint8)
    with ThreadPoolExecutor(2) as threads:
        list(threads.map(features, [batch] * 4))
        started, n = time.perf_counter(), 0
        while time.perf_counter() - started < seconds:
            list(threads.map(features, [batch] * 4))
            n += 4 * BATCH
        return n / (time.perf_counter() - started)


if __name__ == "__main__":
    main()
