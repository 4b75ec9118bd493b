"""Small folders of pictures and the processes that audit them, for the tests of the whole way."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

REPOSITORY = Path(__file__).resolve().parents[2]

AUDIT = """
import hashlib, json, sys
from pathlib import Path
from storage.settings import Settings
from storage.sources import SourceSpec
from workers.service import AuditRequest, Service

if __name__ == "__main__":
    with Service.open(Settings()) as service:
        datasets = [service.submit_dataset(SourceSpec(uri=uri)) for uri in sys.argv[1:]]
        audit = service.wait(service.submit_audit([one.id for one in datasets], AuditRequest()).id)
        names = service.report_files(audit.id) if audit.status == "done" else ()
        files = {n: hashlib.sha256(service.report_file(audit.id, n).read_bytes()).hexdigest() for n in names}
        print(json.dumps({"status": audit.status, "n_failed": audit.n_failed, "error": audit.error, "files": files}))
"""

WORKER = """
from storage.settings import Settings
from workers.celery_app import run_worker

if __name__ == "__main__":
    run_worker(Settings())
"""


def draw(folder: Path, n: int, *, seed: int = 0, side: int = 40) -> Path:
    """Write n small pictures of two classes, one that is no picture and one that is empty."""
    rng = np.random.default_rng(seed)
    for i in range(n):
        path = folder / f"class{i % 2}" / f"{i:05d}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        blocks = rng.integers(0, 256, (5, 5, 3), dtype=np.uint8)
        Image.fromarray(blocks).resize((side, side), Image.Resampling.BICUBIC).save(path)
    (folder / "class0" / "broken.jpg").write_bytes(b"this is not a picture")
    (folder / "class1" / "empty.png").write_bytes(b"")
    return folder


def environment(home: Path, **settings: str) -> dict[str, str]:
    """Variables for a process of ours with a home of its own."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("ASSAY_")}
    kept |= {"PYTHONPATH": str(REPOSITORY), "OMP_NUM_THREADS": "2", "ASSAY_HOME": str(home)}
    return kept | {f"ASSAY_{name.upper()}": value for name, value in settings.items()}


def start(code: str, *arguments: str, env: dict[str, str]) -> subprocess.Popen[str]:
    """Start a process that runs a piece of code."""
    command = [sys.executable, "-c", code, *arguments]
    return subprocess.Popen(command, env=env, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def audit(home: Path, *sources: Path, **settings: str) -> dict[str, Any]:
    """Audit in a process of its own; what it printed: status, n_failed, files with their SHA-256."""
    process = start(AUDIT, *map(str, sources), env=environment(home, **settings))
    out, err = process.communicate(timeout=240)
    if process.returncode != 0:
        raise AssertionError(f"the audit ended with {process.returncode}:\n{err}")
    result: dict[str, Any] = json.loads(out.strip().splitlines()[-1])
    return result


def digest(path: Path) -> str:
    """SHA-256 of a file."""
    return hashlib.sha256(path.read_bytes()).hexdigest()
