"""Kill an audit at random moments, start it again, and compare every byte of its report with an undisturbed one.

``PYTHONPATH=. python -m tests.bench.bench_interruptions SOURCE [--rounds 20] [--seed 0]``
"""

from __future__ import annotations

import argparse
import hashlib
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path


def main() -> None:
    """Run undisturbed once, then every round in a fresh home; ends with 1 if any report differs."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("source")
    parser.add_argument("--rounds", type=int, default=20)
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    rng = random.Random(arguments.seed)
    with tempfile.TemporaryDirectory() as folder:
        started = time.perf_counter()
        wanted = _finish(arguments.source, Path(folder) / "fresh")
        length = time.perf_counter() - started
        print(f"undisturbed: {length:.1f} s, {len(wanted)} files")
        n_equal = 0
        for number in range(arguments.rounds):
            home = Path(folder) / f"round-{number}"
            after = rng.uniform(0.15, 0.95) * length
            reached = _kill(arguments.source, home, after)
            started = time.perf_counter()
            is_equal = _finish(arguments.source, home) == wanted
            n_equal += is_equal
            resumed = time.perf_counter() - started
            verdict = "equal" if is_equal else "DIFFERENT"
            print(
                f"round {number:>2}: killed after {after:5.1f} s ({reached}), {resumed:5.1f} s more, {verdict}",
                flush=True,
            )
    print(f"{n_equal} of {arguments.rounds} reports are the same, byte for byte")
    sys.exit(n_equal != arguments.rounds)


def _start(source: str, home: Path) -> subprocess.Popen[str]:
    command = [str(Path(sys.executable).with_name("assay")), "audit", source, "--out", str(home / "out")]
    environment = {**os.environ, "ASSAY_HOME": str(home / "home")}
    return subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)


def _finish(source: str, home: Path) -> dict[str, str]:
    """Run to the end; SHA-256 of every file of the report by its name."""
    process = _start(source, home)
    _, errors = process.communicate()
    if process.returncode != 0:
        sys.exit(f"assay ended with {process.returncode}\n{errors}")
    files = sorted(path for path in (home / "out").rglob("*") if path.is_file())
    if not files:
        sys.exit("the report has no files")
    return {path.relative_to(home / "out").as_posix(): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


def _kill(source: str, home: Path, after: float) -> str:
    """Kill the process after so many seconds; says what it had last reported."""
    process = _start(source, home)
    try:
        _, errors = process.communicate(timeout=after)
    except subprocess.TimeoutExpired:
        process.send_signal(signal.SIGKILL)
        _, errors = process.communicate()
    lines = [line for line in errors.splitlines() if line.strip()]
    return lines[-1].strip() if lines else "nothing yet"


if __name__ == "__main__":
    main()
