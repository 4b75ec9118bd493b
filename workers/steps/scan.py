"""Scan: every input of a source becomes one row, with its content hash and header, or the reason why not."""

from __future__ import annotations

import hashlib
from typing import Any

import pyarrow as pa

from audit.fingerprint import fingerprint
from audit.model import OK, QUARANTINED, SKIPPED
from storage.parquet import write_table
from storage.records import Outcome
from storage.settings import Settings
from storage.sources import Source
from storage.sources.scan import dataset_fingerprint, scan
from storage.sources.state import state
from workers.context import StepContext
from workers.steps.params import ScanParams

SCAN_VERSION = 3
"""Goes up whenever the same files can give another scan."""


def run(context: StepContext) -> Outcome:
    """Scan a source into the artefact ``scan``: ``images.parquet`` with a row per input."""
    params = ScanParams.model_validate(context.step.params)
    runtime = context.runtime
    settings = runtime.settings
    with runtime.source(params.source) as source:
        seen = state_of(source, settings)
        images = scan(source, threads=settings.threads, max_pixels=settings.max_pixels, on_progress=context.progress)
    identity = dataset_fingerprint(images)
    with runtime.artefacts.workspace() as folder:
        path = write_table(images, folder / "images.parquet")
        with path.open("rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
        name = fingerprint("scan", {"dataset": identity, "images": digest})
        runtime.artefacts.commit("scan", name, {"images.parquet": path}, {"dataset": identity})
    summary = count_status(images) | {"state": seen}
    return Outcome(artefact_kind="scan", artefact=name, fingerprint=identity, summary=summary)


def state_of(source: Source, settings: Settings) -> str:
    """What a scan of the source follows from: files as they are on disk, and settings; empty where it is not known."""
    found = state(source)
    made_by = {"version": SCAN_VERSION, "max_pixels": settings.max_pixels, "max_file_bytes": settings.max_file_bytes}
    return fingerprint("state", made_by | {"files": found}) if found else ""


def count_status(images: pa.Table) -> dict[str, Any]:
    """How many inputs there are, and how many of each status: n_inputs = n_ok + n_quarantined + n_skipped."""
    counts = {entry["values"]: entry["counts"] for entry in images.column("status").value_counts().to_pylist()}
    return {
        "n_inputs": images.num_rows,
        "n_ok": counts.get(OK, 0),
        "n_quarantined": counts.get(QUARANTINED, 0),
        "n_skipped": counts.get(SKIPPED, 0),
    }
