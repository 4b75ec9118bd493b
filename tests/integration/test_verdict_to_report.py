"""What a person says of a suspected feature, from the report of one audit to that of the next."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from audit.analyses import base
from audit.report import Finding, Severity
from storage.records import AuditRequest, Status
from storage.settings import Settings
from storage.sources import SourceSpec
from workers.errors import UnknownIdError
from workers.service import Service

N, SIDE = 120, 48
FEATURE = "camera = south"


@pytest.fixture
def service(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Service]:
    """A service that knows this analysis only."""
    base.analyses()
    monkeypatch.setattr(base, "_REGISTRY", {"spurious": base.analysis("spurious")})
    with Service.open(Settings(home=tmp_path / "home", decoders=1, threads=1)) as opened:
        yield opened


@pytest.fixture
def manifest(tmp_path: Path) -> Path:
    """Bright squares and bars on noise; 95 % of the squares and 5 % of the bars are from the camera in the north."""
    rng, rows = np.random.default_rng(0), []
    for number in range(N):
        is_square = number % 2 == 0
        pixels = rng.integers(0, 120, (SIDE, SIDE, 3), dtype=np.uint8)
        x, y = rng.integers(0, SIDE - 24, 2)
        width, height = (16, 16) if is_square else (24, 8)
        pixels[y : y + height, x : x + width] = rng.integers(120, 255, (height, width, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(tmp_path / f"{number:03}.png")
        camera = "north" if is_square == (number % 40 > 1) else "south"
        rows.append({"path": f"{number:03}.png", "label": "square" if is_square else "bar", "camera": camera})
    path = tmp_path / "pictures.csv"
    with path.open("w", newline="") as file:
        writer = csv.DictWriter(file, ["path", "label", "camera"])
        writer.writeheader()
        writer.writerows(rows)
    return path


class Audits:
    """Audits of the same dataset, one after the other."""

    def __init__(self, service: Service, manifest: Path) -> None:
        self._service, self._dataset = service, service.submit_dataset(SourceSpec(uri=str(manifest))).id

    def again(self) -> str:
        asked = AuditRequest(extractor="classical", analyses={"spurious": {"n_permutations": 99, "n_null": 19}})
        audit = self._service.wait(self._service.submit_audit([self._dataset], asked).id)
        assert (audit.status, audit.n_failed, audit.error) == (Status.DONE, 0, "")
        return str(audit.id)

    def finding(self, audit_id: str) -> Finding | None:
        """The finding on the camera in the report."""
        (section,) = [one for one in self._service.report_json(audit_id).sections if one.id == "spurious"]
        found = [one for one in section.findings if "camera" in one.sentence]
        assert len(found) <= 1
        return found[0] if found else None

    def row(self, audit_id: str) -> dict[str, object]:
        """The feature in the table of the audit, by its name."""
        rows = self._service.table(audit_id, "spurious").to_pylist()
        (row,) = [row for row in rows if row["feature"] == FEATURE]
        return dict(row)


def test_a_verdict_changes_the_next_report_and_is_taken_back(service: Service, manifest: Path) -> None:
    audits = Audits(service, manifest)
    first = audits.again()
    tied = audits.finding(first)
    assert tied is not None
    assert tied.severity is Severity.ATTENTION
    assert "“camera” is “" in tied.sentence

    service.record_verdict(first, FEATURE, "confirmed")
    confirmed = audits.again()
    spurious = audits.finding(confirmed)
    assert spurious is not None
    assert spurious.severity is Severity.PROBLEM
    assert spurious.sentence.startswith("A person confirmed a shortcut")
    assert (audits.row(confirmed)["verdict"], "E5" in str(audits.row(confirmed)["level"])) == ("confirmed", True)
    assert service.report_json(confirmed).verdict.severity is Severity.PROBLEM

    service.record_verdict(first, FEATURE, "rejected")
    rejected = audits.again()
    assert audits.finding(rejected) is None
    assert (audits.row(rejected)["verdict"], "E5" in str(audits.row(rejected)["level"])) == ("rejected", False)

    with pytest.raises(UnknownIdError, match="nearest to it: 'camera = "):
        service.record_verdict(first, f"{FEATURE}?", "confirmed")

    service.record_verdict(first, FEATURE, "withdrawn")
    with pytest.raises(UnknownIdError, match="no verdict on"):
        service.record_verdict(first, FEATURE, "withdrawn")
    assert audits.again() == first
    assert audits.finding(first) == tied
