"""An audit of each real set by the command line: counts, time, pictures/s and peak memory.

``PYTHONPATH=. python -m tests.bench.bench_real_sets [--out DIR] [SET ...]``
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

import psutil

from tests.bench.real_pictures import shared_data

OPTIONS: dict[str, list[str]] = {
    "caltech101": [],
    "cifake": [],
    "clothing": [],
    "cue_conflict": [],
    "daynight": [],
    "pacs": [],
    "waterbirds": [],
    "weather": [],
}


def main() -> None:
    """Audit every set in a fresh home and print a row for each."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("sets", nargs="*", default=sorted(OPTIONS))
    parser.add_argument("--out", type=Path, default=None, help="keep the reports here")
    arguments = parser.parse_args()
    print(
        f"{'set':<14}{'inputs':>8}{'ok':>7}{'quar.':>7}{'skip':>6}{'s':>8}{'pic/s':>8}{'MB':>7}{'all MB':>8}  findings"
    )
    with tempfile.TemporaryDirectory() as folder:
        for name in arguments.sets:
            out = (arguments.out or Path(folder)) / name
            report, seconds, memory = _audit(name, out, Path(folder) / f"home-{name}")
            print(_row(name, report, seconds, memory), flush=True)


def _audit(name: str, out: Path, home: Path) -> tuple[dict[str, object], float, tuple[float, float]]:
    source = shared_data() / "images" / name
    command = [
        str(Path(sys.executable).with_name("assay")),
        "audit",
        str(source),
        *OPTIONS[name],
        "--out",
        str(out),
        "--json",
    ]
    started = time.perf_counter()
    process = subprocess.Popen(
        command, env={**os.environ, "ASSAY_HOME": str(home)}, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    peak = [0.0, 0.0]
    watcher = threading.Thread(target=watch_memory, args=(process.pid, peak), daemon=True)
    watcher.start()
    answer, errors = process.communicate()
    seconds = time.perf_counter() - started
    watcher.join()
    if process.returncode != 0:
        sys.exit(f"{name}: assay ended with {process.returncode}\n{errors}")
    return json.loads(answer), seconds, (peak[0], peak[1])


def watch_memory(pid: int, peak: list[float]) -> None:
    """Largest anonymous memory of the process, and of it and its children together, in MB."""
    while True:
        try:
            process = psutil.Process(pid)
            family = [process, *process.children(recursive=True)]
            sizes = [anonymous(member.pid) for member in family]
        except psutil.NoSuchProcess:
            return
        if process.status() == psutil.STATUS_ZOMBIE:
            return
        peak[0], peak[1] = max(peak[0], sizes[0]), max(peak[1], sum(sizes))
        time.sleep(0.05)


def anonymous(pid: int) -> float:
    """Resident memory that no file backs, in MB: what the kernel cannot take back."""
    try:
        for line in Path(f"/proc/{pid}/status").read_text().splitlines():
            if line.startswith("RssAnon:"):
                return int(line.split()[1]) / 1024
    except (FileNotFoundError, ProcessLookupError):
        pass
    return 0.0


def _row(name: str, report: dict[str, object], seconds: float, memory: tuple[float, float]) -> str:
    datasets = report["datasets"]
    findings = report["findings"]
    if not isinstance(datasets, list) or not isinstance(findings, list):
        raise TypeError("assay audit --json gave neither datasets nor findings")
    d = datasets[0]
    kinds = ", ".join(f"{f['id']} {f['metric']['value']:g}" for f in findings if f["metric"]["value"] is not None)
    return (
        f"{name:<14}{d['n_inputs']:>8}{d['n_ok']:>7}{d['n_quarantined']:>7}{d['n_skipped']:>6}{seconds:>8.1f}"
        f"{d['n_ok'] / seconds:>8.0f}{memory[0]:>7.0f}{memory[1]:>8.0f}  {kinds}"
    )


if __name__ == "__main__":
    main()
