"""Processor seconds and memory of every analysis on invented sets of 5 000 and of 50 000 pictures.

``PYTHONPATH=. python -m tests.bench.bench_analyses [ANALYSIS ...] [--views DIR] [--sizes 5000 50000]``

Each analysis runs in a process of its own, on one thread. Memory is anonymous: what no file backs, so memory maps do
not count. ``loaded`` is what the views take of it, ``peak`` the most that loading and computing add to it. The digest
is of the result and all tables: the same digest before and after a change means the same bytes.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import subprocess
import sys
import threading
import time
from pathlib import Path

import numpy as np
from threadpoolctl import threadpool_limits

from audit.analyses.base import analyses, analysis
from tests.bench.bench_real_sets import anonymous, watch_memory
from tests.bench.large_views import large_view


def main() -> None:
    """Build the sets where they are absent, then print a row for each analysis and size."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="*", default=[one.name for one in analyses()])
    parser.add_argument("--sizes", type=int, nargs="+", default=[5000])
    parser.add_argument("--views", type=Path, default=Path("build/large"), help="where invented sets are kept")
    parser.add_argument("--one", action="store_true", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.one:
        return one(arguments.names[0], arguments.sizes[0], arguments.views)
    print(f"{'analysis':<18}{'pictures':>9}{'processor s':>13}{'loaded MB':>11}{'peak MB':>9}  digest")
    for n in arguments.sizes:
        for seed in (0, 1):
            large_view(arguments.views, n, seed=seed)
        for name in arguments.names:
            print(row(name, n, arguments.views), flush=True)
    return None


def row(name: str, n: int, views: Path) -> str:
    """Run one analysis in a process of its own."""
    command = [sys.executable, "-m", "tests.bench.bench_analyses", name, "--one"]
    command += ["--sizes", str(n), "--views", str(views)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    peak = [0.0, 0.0]
    watcher = threading.Thread(target=watch_memory, args=(process.pid, peak), daemon=True)
    watcher.start()
    out, _ = process.communicate()
    if process.returncode:
        return f"{name:<18}{n:>9}  failed"
    told = json.loads(out)
    added = peak[0] - told["before"]
    return f"{name:<18}{n:>9}{told['seconds']:>13.1f}{told['loaded']:>11.0f}{added:>9.0f}  {told['digest']}"


def one(name: str, n: int, folder: Path) -> None:
    """Compute one analysis and say what it took."""
    asked = analysis(name)
    before = anonymous(os.getpid())
    views = [large_view(folder, n, seed=seed) for seed in range(asked.datasets)]
    loaded = anonymous(os.getpid()) - before
    started = time.process_time()
    with threadpool_limits(1):
        computed = asked.compute(views, asked.config(), np.random.default_rng(0))
        asked.section(computed.result)
    seconds = time.process_time() - started
    digest = hashlib.sha256(computed.result.model_dump_json().encode())
    for table_name, table in sorted(computed.tables.items()):
        digest.update(f"{table_name}{table.to_pydict()}".encode())
    told = {"before": before, "loaded": loaded, "seconds": seconds, "digest": digest.hexdigest()[:12]}
    print(json.dumps(told))


if __name__ == "__main__":
    main()
