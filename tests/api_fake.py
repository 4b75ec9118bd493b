"""A service that has already done everything, for tests of what stands in front of it."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from audit.report import Report
from audit.translation import Translation
from storage.records import Audit, AuditRequest, Dataset, Progress, Status, Verdict
from storage.sources import SourceSpec
from tests.sample_report import audit_report, comparison_report
from workers.errors import UnknownIdError

DATASET_ID = "d" * 32
AUDIT_ID = "a" * 32
OTHER_AUDIT_ID = "ab" + "c" * 30

IMAGES = pa.table(
    {
        "image_id": [f"{i:016x}" for i in range(5)],
        "path": ["cat/a.jpg", "cat/=b.jpg", "dog/c.jpg", "dog/d.jpg", "dog/e.jpg"],
        "status": ["ok", "ok", "ok", "ok", "quarantined"],
        "reason": [None, None, None, None, "truncated"],
        "label": ["cat", "cat", "dog", "dog", "dog"],
        "split": ["train", "test", "train", "train", "train"],
    }
)


def progress(done: int, total: int = 5) -> Progress:
    """Where a job stands."""
    return Progress(stage="embed", done=done, total=total, unit="images", images_per_s=100.0, eta_s=1.0)


def dataset_record(**changes: Any) -> Dataset:
    """A scanned dataset."""
    values: dict[str, Any] = {
        "id": DATASET_ID,
        "name": "flowers",
        "source": {"uri": "/data/flowers"},
        "status": Status.DONE,
        "fingerprint": "f" * 64,
        "n_inputs": 5,
        "n_ok": 4,
        "n_quarantined": 1,
        "n_skipped": 0,
        "progress": progress(5),
        "created_at": 1_700_000_000.0,
    }
    return Dataset(**{**values, **changes})


def audit_record(**changes: Any) -> Audit:
    """An audit that is done."""
    values: dict[str, Any] = {
        "id": AUDIT_ID,
        "kind": "audit",
        "title": "flowers",
        "dataset_ids": (DATASET_ID,),
        "request": AuditRequest(),
        "status": Status.DONE,
        "progress": progress(5),
        "created_at": 1_700_000_000.0,
        "ended_at": 1_700_000_010.0,
    }
    return Audit(**{**values, **changes})


class FakeService:
    """Answers like a service. ``audits_known``: its audits; ``calls``: what it was asked; ``fault``: what it raises.

    ``following``: what :meth:`events` tells; ``report_known``: every audit's report, where it is not the usual one.
    """

    def __init__(self, folder: Path, audits: Sequence[Audit] = ()) -> None:
        self.folder = folder
        self.audits_known = list(audits) or [audit_record()]
        self.calls: list[tuple[Any, ...]] = []
        self.fault: BaseException | None = None
        self.following: list[Audit] | None = None
        self.report_known: Report | None = None
        self.dataset_known = dataset_record()

    @contextmanager
    def open(self) -> Iterator[FakeService]:
        """Stand in for ``Service.open`` in commands."""
        yield self

    def _called(self, *call: Any) -> None:
        self.calls.append(call)
        if self.fault is not None:
            raise self.fault

    def _audit(self, audit_id: str) -> Audit:
        for record in self.audits_known:
            if record.id == audit_id:
                return record
        raise UnknownIdError("audit", audit_id)

    def submit_dataset(self, spec: SourceSpec, name: str | None = None) -> Dataset:
        self._called("submit_dataset", spec, name)
        said = {"source": spec.model_dump(mode="json"), "name": name or "flowers"}
        return self.dataset_known.model_copy(update=said)

    def submit_audit(self, ids: Sequence[str], request: AuditRequest, idempotency_key: str | None = None) -> Audit:
        self._called("submit_audit", tuple(ids), request, idempotency_key)
        return self.audits_known[0]

    def keep_translation(self, data: bytes) -> Translation:
        self._called("keep_translation", data)
        return Translation.from_json(data)

    def verdicts(self, audit_id: str) -> list[Verdict]:
        self._audit(audit_id)
        return []

    def record_verdict(self, audit_id: str, feature: str, said: str, note: str = "") -> list[Verdict]:
        self._called("record_verdict", self._audit(audit_id).id, feature, said, note)
        if said == "withdrawn":
            return []
        return [Verdict(feature=feature, verdict=said, note=note, created_at=1_700_000_020.0)]

    def dataset(self, dataset_id: str) -> Dataset:
        if dataset_id != DATASET_ID:
            raise UnknownIdError("dataset", dataset_id)
        return self.dataset_known

    def audit(self, audit_id: str) -> Audit:
        return self._audit(audit_id)

    def datasets(self, cursor: tuple[float, str] | None = None, limit: int = 50) -> list[Dataset]:
        return [dataset_record()] if cursor is None else []

    def audits(self, cursor: tuple[float, str] | None = None, limit: int = 50) -> list[Audit]:
        after = [record for record in self.audits_known if cursor is None or (record.created_at, record.id) < cursor]
        return after[:limit]

    def events(self, audit_id: str, *, again_s: float = math.inf) -> Iterator[Audit]:
        yield from self.following or [self._audit(audit_id)]

    def cancel(self, audit_id: str) -> Audit:
        self._called("cancel", audit_id)
        return self._audit(audit_id)

    def delete_audit(self, audit_id: str) -> None:
        self._audit(audit_id)
        self._called("delete_audit", audit_id)

    def collect_garbage(self, grace_s: float | None = None) -> int:
        self._called("collect_garbage", grace_s)
        return 3

    def clear_scratch(self, grace_s: float | None = None) -> int:
        self._called("clear_scratch", grace_s)
        return 1

    def delete_dataset(self, dataset_id: str) -> None:
        self._called("delete_dataset", dataset_id)

    def report_json(self, audit_id: str) -> Report:
        if self.report_known is not None:
            return self.report_known
        return comparison_report() if self._audit(audit_id).kind == "comparison" else audit_report()

    def report_file(self, audit_id: str, name: str) -> Path:
        self._audit(audit_id)
        path = self.folder / audit_id / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if name.endswith(".parquet"):
            if name != "tables/images.parquet":
                raise UnknownIdError("table", name)
            pq.write_table(IMAGES, path)
        else:
            path.write_text(f"{name} of {audit_id}")
        return path

    def table(self, audit_id: str, name: str) -> pa.Table:
        self._audit(audit_id)
        if name != "images":
            raise UnknownIdError("table", name)
        return IMAGES

    def report_files(self, audit_id: str) -> dict[str, int]:
        self._audit(audit_id)
        return {"report.html": 1, "report.json": 1, "tables/images.parquet": 1}

    def results(self, audit_id: str) -> Mapping[str, Mapping[str, Any]]:
        self._audit(audit_id)
        return {}

    def outliers(self, audit_id: str, **filters: Any) -> list[dict[str, Any]]:
        self._audit(audit_id)
        self._called("outliers", filters)
        offset, limit = filters.get("offset", 0), filters["limit"]
        rows = [
            {"image_id": f"{i:016x}", "path": f"cat/{i}.jpg", "score": 1 - i / 10, "rank": i + 1} for i in range(10)
        ]
        return rows[offset : offset + limit]

    def neighbours(self, audit_id: str, image: str, k: int, *, dataset: str | None = None) -> list[dict[str, Any]]:
        self._audit(audit_id)
        self._called("neighbours", image, k, dataset)
        if image != "cat/a.jpg":
            raise UnknownIdError("image", image)
        return [{"image_id": "0" * 16, "path": "cat/b.jpg", "dataset": "flowers", "distance": 0.25}][:k]

    def neighbours_of_upload(
        self, audit_id: str, data: bytes, k: int, *, dataset: str | None = None
    ) -> list[dict[str, Any]]:
        self._audit(audit_id)
        self._called("neighbours_of_upload", data, k, dataset)
        return [{"image_id": "0" * 16, "path": "cat/b.jpg", "distance": 0.5}]

    def thumbnail(self, dataset_id: str, image_id: str, side: int) -> bytes:
        self.dataset(dataset_id)
        return f"webp {image_id} {side}".encode()

    def export(self, audit_id: str, out: Path) -> None:
        out.mkdir(parents=True, exist_ok=True)
        (out / "report.html").write_text(audit_id)

    def health(self) -> dict[str, Any]:
        return {"status": "ok"}

    def readiness(self) -> dict[str, Any]:
        return {"ready": True, "checks": {"database": "ok"}}
