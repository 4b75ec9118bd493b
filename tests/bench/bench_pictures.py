"""Pictures per second and memory of one pass over a file, as a ratio to decoding alone.

Run: ``python tests/bench/bench_pictures.py [FOLDER ...]``; without folders, the evaluation pictures beside the
repository (``../shared/data/images``: clothing and caltech101). Times are processor seconds of one process, the best
of some rounds, taken in turns so that a noisy machine disturbs all alike.
"""

from __future__ import annotations

import io
import resource
import sys
import time
from collections.abc import Callable
from pathlib import Path

from PIL import Image

from audit.extractors.base import InputSpec
from audit.pictures.process import process
from workers.allocator import keep_freed_pictures

DATA = Path(__file__).resolve().parents[3] / "shared" / "data" / "images"
MAX_PIXELS = 100_000_000
ROUNDS = 5
AT_MOST = 600


def pictures(folders: list[Path]) -> list[bytes]:
    """Every nth file of the folders, at most 600."""
    paths = sorted(path for folder in folders for path in folder.rglob("*") if path.is_file())
    step = max(1, len(paths) // AT_MOST)
    return [path.read_bytes() for path in paths[::step]][:AT_MOST]


def seconds(work: Callable[[bytes], object], files: list[bytes]) -> float:
    """Processor seconds for one round."""
    start = time.process_time()
    for data in files:
        work(data)
    return time.process_time() - start


def main() -> None:
    """Print the table."""
    keep_freed_pictures()
    files = pictures([Path(a) for a in sys.argv[1:]] or [DATA / "clothing", DATA / "caltech101"])
    if not files:
        sys.exit("no pictures found: give a folder with pictures")
    square, crop = InputSpec(size=96), InputSpec(size=224, fit="crop", resample="bicubic")
    works: dict[str, Callable[[bytes], object]] = {
        "decode only (Pillow)": lambda data: Image.open(io.BytesIO(data)).convert("RGB"),
        "statistics and hashes": lambda data: process(data, None, max_pixels=MAX_PIXELS),
        "and input 96 squash": lambda data: process(data, square, max_pixels=MAX_PIXELS),
        "and input 224 crop": lambda data: process(data, crop, max_pixels=MAX_PIXELS),
    }
    rounds = [{name: seconds(work, files) for name, work in works.items()} for _ in range(ROUNDS)]
    best = {name: min(r[name] for r in rounds) for name in works}
    print(f"{len(files)} pictures, best of {ROUNDS} rounds, one process")
    base = best["decode only (Pillow)"]
    for name, value in best.items():
        print(f"{name:24s}{len(files) / value:9.0f} pictures/s   {value / base:5.2f} x decode")
    held = sum(len(data) for data in files) / 2**20
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(f"peak memory {peak:.0f} MiB, of which {held:.0f} MiB are the files themselves")


if __name__ == "__main__":
    main()
