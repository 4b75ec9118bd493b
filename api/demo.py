"""The demo: draw two datasets with planted problems, audit one, compare both, check what was found."""

from __future__ import annotations

import csv
import json
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from audit.fingerprint import fingerprint
from audit.scenes import PlantedFile, planted_candidate, planted_reference
from audit.scenes.scoring import Score, score_audit, score_comparison
from storage.records import Audit, AuditRequest
from storage.sources import SourceSpec
from workers.service import Service

SEED = 7
_DRAWING = 1
"""Goes up when the drawings change, so that older ones are drawn again."""

Watch = Callable[[Service, Audit], Audit]


@dataclass(frozen=True)
class Demo:
    """What the demo did.

    Attributes
    ----------
    scores : tuple of Score
    audit, comparison : str
        Ids, for ``assay outliers`` and the like.
    audit_report, comparison_report : Path
        The two pages to open.
    seconds : mapping of str to float
        How long drawing, the audit and the comparison took.
    """

    scores: tuple[Score, ...]
    audit: str
    comparison: str
    audit_report: Path
    comparison_report: Path
    seconds: Mapping[str, float]


def run_demo(service: Service, out: Path, *, watch: Watch, note: Callable[[str], None], seed: int = SEED) -> Demo:
    """Draw, audit, compare and check; what exists under ``out`` or in the service is used again.

    Parameters
    ----------
    watch : (service, audit) -> audit
        Waits for an audit to end and shows its progress.
    note : (sentence) -> None
        Says what is being done.
    """
    clock = _Clock()
    note("Drawing two small datasets with planted problems ...")
    reference, candidate = _planted(out, seed)
    clock.lap("draw")
    note(f"Auditing {len(reference)} files in {out / 'reference'} ...")
    first = service.submit_dataset(SourceSpec(uri=str(out / "reference")), "reference")
    audit = watch(service, service.submit_audit([first.id], AuditRequest(title="Demo: the reference dataset")))
    service.export(audit.id, out / "audit")
    clock.lap("audit")
    note(f"Comparing it with {len(candidate)} files in {out / 'candidate'} ...")
    second = service.submit_dataset(SourceSpec(uri=str(out / "candidate")), "candidate")
    request = AuditRequest(title="Demo: candidate against reference")
    comparison = watch(service, service.submit_audit([first.id, second.id], request))
    service.export(comparison.id, out / "comparison")
    clock.lap("comparison")
    scores = score_audit(reference, _tables(out / "audit"))
    scores += score_comparison(reference, candidate, _tables(out / "comparison"))
    return Demo(
        tuple(scores),
        audit.id,
        comparison.id,
        out / "audit" / "report.html",
        out / "comparison" / "report.html",
        clock.seconds,
    )


def demo_json(demo: Demo) -> dict[str, object]:
    """The outcome as plain JSON, for ``assay demo --json``."""
    return {
        "scores": [asdict(score) for score in demo.scores],
        "audit": demo.audit,
        "comparison": demo.comparison,
        "audit_report": str(demo.audit_report),
        "comparison_report": str(demo.comparison_report),
        "seconds": dict(demo.seconds),
    }


class _Clock:
    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}
        self._last = time.monotonic()

    def lap(self, name: str) -> None:
        now = time.monotonic()
        self.seconds[name], self._last = round(now - self._last, 2), now


def _planted(out: Path, seed: int) -> tuple[list[PlantedFile], list[PlantedFile]]:
    """The two datasets, on disk under ``out``; drawn unless they are there already."""
    name = fingerprint("demo", {"seed": seed, "drawing": _DRAWING})
    plan = out / "planted.json"
    if plan.is_file():
        kept = json.loads(plan.read_text("utf-8"))
        if kept["name"] == name:
            return _read(out / "reference", kept["reference"]), _read(out / "candidate", kept["candidate"])
    reference = planted_reference(seed=seed)
    candidate = planted_candidate(reference, seed=seed)
    plans = {"reference": _write(out / "reference", reference), "candidate": _write(out / "candidate", candidate)}
    plan.write_text(json.dumps({"name": name, **plans}, indent=1), "utf-8")
    return reference, candidate


def _write(folder: Path, files: Sequence[PlantedFile]) -> list[dict[str, str]]:
    for file in files:
        path = folder / file.path
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(file.data)
    with (folder / "metadata.csv").open("w", encoding="utf-8", newline="") as out:
        rows = csv.writer(out)
        rows.writerow(("file_name", "place"))
        rows.writerows((f.path, f.place) for f in files)
    return [{key: str(value) for key, value in asdict(f).items() if key != "data"} for f in files]


def _read(folder: Path, plan: Sequence[Mapping[str, str]]) -> list[PlantedFile]:
    return [PlantedFile(data=(folder / row["path"]).read_bytes(), **row) for row in plan]


def _tables(out: Path) -> dict[str, pa.Table]:
    return {path.stem: pq.read_table(path) for path in sorted((out / "tables").glob("*.parquet"))}
