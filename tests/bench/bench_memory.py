"""Peak memory of an audit of 5 000 and of 50 000 real pictures (64 x 64, in Parquet).

``PYTHONPATH=. python -m tests.bench.bench_memory [--sizes 5000 50000]``
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

from tests.bench.bench_real_sets import watch_memory
from tests.bench.real_pictures import tiny_parquet


def main() -> None:
    """Audit both sizes, each in a fresh home, and print the peaks and their ratio."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sizes", type=int, nargs="+", default=[5000, 50_000])
    parser.add_argument("--label-from", default="label")
    arguments = parser.parse_args()
    peaks = []
    with tempfile.TemporaryDirectory() as folder:
        for n in arguments.sizes:
            seconds, main_peak, all_peak = _audit(tiny_parquet(Path(folder), n), Path(folder), arguments.label_from)
            speed = f"{seconds:8.1f} s {n / seconds:7.0f}/s"
            print(f"{n:>7} pictures {speed}  main {main_peak:6.0f} MB  all {all_peak:6.0f} MB", flush=True)
            peaks.append(main_peak)
    print(f"peak of the main process, last / first: {peaks[-1] / peaks[0]:.2f}")


def _audit(source: Path, folder: Path, label_from: str) -> tuple[float, float, float]:
    assay = str(Path(sys.executable).with_name("assay"))
    home = folder / f"home-{source.stem}"
    command = [assay, "audit", str(source), "--label-from", label_from, "--out", str(folder / source.stem)]
    started = time.perf_counter()
    with (folder / "log").open("w") as log:
        process = subprocess.Popen(command, env={**os.environ, "ASSAY_HOME": str(home)}, stdout=log, stderr=log)
        peak = [0.0, 0.0]
        watcher = threading.Thread(target=watch_memory, args=(process.pid, peak), daemon=True)
        watcher.start()
        code = process.wait()
    watcher.join()
    if code != 0:
        sys.exit((folder / "log").read_text())
    return time.perf_counter() - started, peak[0], peak[1]


if __name__ == "__main__":
    main()
