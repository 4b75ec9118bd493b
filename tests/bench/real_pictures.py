"""Datasets of real pictures for the benchmarks, made from the shared folder beside the checkout."""

from __future__ import annotations

import csv
import os
import random
import sys
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

REPOSITORY = Path(__file__).resolve().parent.parent.parent
TESTED = 0.1
NATURAL = ("caltech101", "clothing", "pacs", "waterbirds", "weather")


def shared_data() -> Path:
    """The shared folder; ends the benchmark with a sentence where it is absent."""
    folder = Path(os.environ.get("ASSAY_SHARED_DATA", REPOSITORY.parent / "shared" / "data"))
    if not (folder / "MANIFEST.csv").is_file():
        sys.exit(f"The pictures are not at {folder}: set ASSAY_SHARED_DATA.")
    return folder


def natural_manifest(out: Path, n: int, *, seed: int = 0) -> Path:
    """Write a CSV manifest of n natural photographs of ordinary sizes, with labels, relative to the shared folder."""
    with (shared_data() / "MANIFEST.csv").open(encoding="utf-8", newline="") as file:
        rows = [row for row in csv.DictReader(file) if row["set"].removeprefix("images/") in NATURAL]
    rows = sorted(random.Random(seed).sample(rows, min(n, len(rows))), key=lambda row: row["path"])
    path = out / "natural.csv"
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(("path", "label"))
        writer.writerows((row["path"], row["label"]) for row in rows)
    return path


def tiny_parquet(out: Path, n: int, *, seed: int = 0) -> Path:
    """Write a Parquet file of n pictures of 64 x 64 with labels and splits, a tenth to test on; returns its path."""
    path = out / f"tiny-{n}.parquet"
    source = pq.ParquetFile(shared_data() / "tiny-imagenet-train.parquet")
    draw = random.Random(seed)
    writer, left = None, n
    for batch in source.iter_batches(batch_size=2048, columns=["image", "label", "name"]):
        table = pa.Table.from_batches([batch]).slice(0, left)
        splits = ["test" if draw.random() < TESTED else "train" for _ in range(table.num_rows)]
        table = table.append_column("split", pa.array(splits))
        writer = writer or pq.ParquetWriter(path, table.schema)
        writer.write_table(table, row_group_size=1024)
        left -= table.num_rows
        if left == 0:
            break
    if writer is not None:
        writer.close()
    return path
