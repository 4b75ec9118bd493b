"""Near-duplicates on real pictures: planted copies found, pairs that nobody planted, and time.

Run: ``python tests/bench/bench_duplicates.py [--seed 1] [--pictures 5000] [--sheet pairs.png]``. The pairs that nobody
planted hold true copies (the evaluation sets have some): ``--sheet`` draws them, to be looked at.
"""

from __future__ import annotations

import argparse
import csv
import io
import os
import sys
import time
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
from PIL import Image, ImageOps

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from audit.duplicates.find import NearConfig, find_within
from audit.duplicates.groups import make_groups
from tests.bench.real_pictures import shared_data
from tests.duplicates_samples import COPIES, dataset, row_of

PLANTED = 60
SHARES = {"caltech101": 1200, "clothing": 600, "pacs": 420, "cifake": 1000}


def pictures(n: int, seed: int) -> list[tuple[str, bytes]]:
    """(name, file bytes) of n pictures: photographs of four sets, filled up with Tiny-ImageNet."""
    folder, rng = shared_data(), np.random.default_rng(seed)
    with (folder / "MANIFEST.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    chosen: list[tuple[str, bytes]] = []
    for name, share in SHARES.items():
        paths = [
            r["path"] for r in rows if r["set"] == name and (name != "pacs" or "photo" in r["path"] + r["attributes"])
        ]
        picked = [paths[i] for i in rng.permutation(len(paths))[: share * n // 5000]]
        chosen.extend((path, (folder / path).read_bytes()) for path in picked)
    table = pq.read_table(folder / "tiny-imagenet-train.parquet", columns=["image", "name"])
    rest = table.take(rng.permutation(table.num_rows)[: n - len(chosen)])
    chosen.extend((f"tiny/{row['name']}", row["image"]) for row in rest.to_pylist())
    return chosen


def rows_of(job: tuple[str, bytes, tuple[tuple[str, int], ...]]) -> list[dict[str, object]]:
    """The row of a picture and of each copy planted of it."""
    name, data, plan = job
    image = ImageOps.exif_transpose(Image.open(io.BytesIO(data))).convert("RGB")
    rows = [row_of(image, name, label="")]
    return rows + [row_of(COPIES[kind](image, k), f"{name}#{kind}", label=kind) for kind, k in plan]


def main() -> None:
    """Plant, search, count."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--pictures", type=int, default=5000)
    parser.add_argument("--sheet", type=Path)
    arguments = parser.parse_args()
    chosen = pictures(arguments.pictures, arguments.seed)
    rng = np.random.default_rng(arguments.seed + 1000)
    plan: dict[int, list[tuple[str, int]]] = {}
    for kind in COPIES:
        for k, i in enumerate(rng.permutation(len(chosen))[:PLANTED]):
            plan.setdefault(int(i), []).append((kind, k))
    jobs = [(name, data, tuple(plan.get(i, ()))) for i, (name, data) in enumerate(chosen)]
    with ProcessPoolExecutor(os.cpu_count()) as pool:
        view = dataset([row for rows in pool.map(rows_of, jobs, chunksize=64) for row in rows])
    start = time.perf_counter()
    config = NearConfig()
    found = find_within(view, config)
    groups = make_groups(view.images, found, config.threshold)
    print(f"{len(view)} pictures searched in {time.perf_counter() - start:.1f} s")
    report(view, groups, found, config, arguments.sheet)


def report(view, groups, found, config, sheet) -> None:
    """Print what was found of each kind, and what else."""
    paths, labels = view.column("path"), view.column("label")
    hit = dict.fromkeys(COPIES, 0)
    for group in groups:
        base = {paths[row].split("#")[0] for row in group.rows if not labels[row]}
        for row in group.rows:
            hit[labels[row] or "requantised"] += bool(labels[row]) and paths[row].split("#")[0] in base
    print(" ".join(f"{kind} {n}/{PLANTED}" for kind, n in hit.items()))
    for threshold in sorted({0.1, 0.15, config.threshold, 0.25, 0.3}):
        near = found.first[found.pairs[found.within(threshold)]]
        strangers = [(a, b) for a, b in near if not labels[a] and not labels[b]]
        print(f"threshold {threshold:g}: {len(strangers)} pairs nobody planted; E = {found.tail.at(threshold):.1f}")
        if sheet is not None and threshold == config.threshold:
            draw(view, strangers, sheet)


def draw(view, pairs, out: Path) -> None:
    """The pairs side by side, from their files where there are any."""
    side, across = 96, 8
    page = Image.new("RGB", (across * (2 * side + 8), (len(pairs) // across + 1) * (side + 8)), "white")
    for number, pair in enumerate(pairs):
        for place, row in enumerate(pair):
            path = shared_data() / view.column("path")[row]
            luma = np.frombuffer(view.images["look_luma"][int(row)].as_py(), np.uint8).reshape(48, 48)
            image = Image.open(path).convert("RGB") if path.is_file() else Image.fromarray(luma).convert("RGB")
            at = ((number % across) * (2 * side + 8) + place * side, (number // across) * (side + 8))
            page.paste(image.resize((side, side)), at)
    page.save(out)


if __name__ == "__main__":
    main()
