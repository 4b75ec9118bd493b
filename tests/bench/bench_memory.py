"""Time and memory of an audit of 5 000 and of 50 000 real pictures (64 x 64, in Parquet), everything on.

``PYTHONPATH=. python -m tests.bench.bench_memory [--sizes 5000 50000] [--keep DIR]``

Each size is audited by the command line in a fresh home (``--keep``: again in the same home), one step at a time.
Shown are processor seconds and the largest anonymous memory of every stage and analysis, and the longest time without a
new line of progress.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from itertools import pairwise
from pathlib import Path
from typing import Any

from tests.bench.real_pictures import tiny_parquet


def main() -> None:
    """Audit every size, print the costs of each, and the ratio of the peaks."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sizes", type=int, nargs="+", default=[5000, 50_000])
    parser.add_argument("--label-from", default="label")
    parser.add_argument("--keep", type=Path, help="where pictures, homes, reports and costs stay")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        folder = arguments.keep or Path(scratch)
        folder.mkdir(parents=True, exist_ok=True)
        peaks = [_tell(n, *_audit(tiny_parquet(folder, n), folder, arguments.label_from)) for n in arguments.sizes]
    print(f"peak of the main process, last / first: {peaks[-1] / peaks[0]:.2f}")


def _audit(source: Path, folder: Path, label_from: str) -> tuple[dict[str, dict[str, Any]], float, float]:
    """The costs by name, seconds on the clock, and the longest time without a new line."""
    costs = folder / f"costs-{source.stem}.json"
    command = [sys.executable, "-m", "tests.bench.step_costs", str(costs), "audit", str(source)]
    command += ["--label-from", label_from, "--out", str(folder / source.stem)]
    home = {"ASSAY_HOME": str(folder / f"home-{source.stem}"), "ASSAY_CONCURRENCY": "1"}
    began = time.perf_counter()
    lines: list[tuple[float, str]] = []
    with (folder / f"log-{source.stem}.txt").open("w", encoding="utf-8") as log:
        process = subprocess.Popen(command, env=os.environ | home, stderr=subprocess.PIPE, text=True)
        for line in process.stderr or ():
            lines.append((time.perf_counter() - began, line))
            log.write(f"{lines[-1][0]:9.1f} {line}")
            log.flush()
    if process.wait() not in (0, 1):
        sys.exit("".join(line for _, line in lines))
    return json.loads(costs.read_text("utf-8")), time.perf_counter() - began, _longest_silence(lines)


def _longest_silence(lines: list[tuple[float, str]]) -> float:
    """The longest time, in seconds, in which no line said anything new."""
    told = [(at, line) for (at, line), (_, before) in zip(lines, [(0.0, ""), *lines], strict=False) if line != before]
    return max((later - at for (at, _), (later, _) in pairwise(told)), default=0.0)


def _tell(n: int, costs: dict[str, dict[str, Any]], clock: float, silence: float) -> float:
    """Print a row for each name, the costliest first; the largest memory of the main process."""
    total, peak = (pick(cost[key] for cost in costs.values()) for pick, key in ((sum, "processor"), (max, "peak_mb")))
    everyone = max(cost["peak_all_mb"] for cost in costs.values())
    print(
        f"{n} pictures: {clock:.0f} s, {total:.0f} s of processor, peak {peak:.0f} MB, with decoders {everyone:.0f} MB"
    )
    print(f"  longest time without a new line of progress: {silence:.0f} s")
    for name, cost in sorted(costs.items(), key=lambda item: -item[1]["processor"]):
        print(f"  {name:<18}{cost['steps']:>5} steps{cost['processor']:>9.1f} s of processor{cost['peak_mb']:>7.0f} MB")
    sys.stdout.flush()
    return peak


if __name__ == "__main__":
    main()
