"""Reports with the shape of real ones, for tests of everything that renders them."""

from __future__ import annotations

from audit.assemble import assemble
from audit.report import DatasetSummary, Finding, ImagesBlock, Provenance, Report, Section, Severity
from tests.sample_audit import balance, duplicates, failed, labels, leakage, outliers, quality
from tests.sample_comparison import coverage, differences, distance
from tests.sample_pictures import CANDIDATE, DATASET, HOSTILE, REFERENCE, hash_of, share, thumbnail

__all__ = ["audit_report", "clean_report", "comparison_report", "thumbnail"]


def audit_report() -> Report:
    """An audit with a problem, points to check, things in order, a failed section and a suppressed number."""
    return assemble(
        "audit",
        "Coastal birds, spring campaign",
        [_dataset()],
        [quality(), duplicates(), leakage(), labels(), outliers(), balance(), failed()],
        _provenance(),
    )


def comparison_report() -> Report:
    """A comparison of two datasets that differ, with charts of two series."""
    return assemble(
        "comparison",
        "Street scenes: day against night",
        [_side(REFERENCE, 5_400, 12), _side(CANDIDATE, 3_812, 41)],
        [distance(), differences(), coverage()],
        _provenance(),
    )


def clean_report() -> Report:
    """An audit that finds nothing, with empty sections and no optional text."""
    empty = Section(
        id="duplicates",
        title="Near-duplicates",
        question="Which pictures are copies of each other?",
        summary="",
        analysis="duplicates",
        version=1,
    )
    nothing = Section(
        id="outliers",
        title="Outliers",
        question="Which pictures do not belong here?",
        summary="No picture stands apart from its neighbours.",
        analysis="outliers",
        version=1,
        findings=(
            Finding(
                id="none",
                severity=Severity.OK,
                sentence="No picture lies further from its neighbours than the tail of the dataset explains.",
                metric=share("Outliers", 0, 240),
                action="",
            ),
        ),
        blocks=(ImagesBlock(title="Outliers", groups=()),),
    )
    dataset = DatasetSummary(
        name="tiny",
        source="folder",
        fingerprint="ab" * 32,
        n_inputs=240,
        n_ok=240,
        n_quarantined=0,
        n_skipped=0,
        n_classes=0,
    )
    return assemble("audit", "Tiny", [dataset], [empty, nothing], _provenance())


def _dataset() -> DatasetSummary:
    return DatasetSummary(
        name=DATASET,
        source="folder",
        fingerprint="5f1c9a7e" * 8,
        n_inputs=12_501,
        n_ok=12_438,
        n_quarantined=42,
        n_skipped=21,
        n_classes=14,
        splits={"train": 9_930, "validation": 1_254, "test": 1_254},
        reasons={"truncated": 23, "too_many_pixels": 4, "empty": 9, "not_an_image": 6, "hidden": 21},
    )


def _side(name: str, n: int, n_bad: int) -> DatasetSummary:
    return DatasetSummary(
        name=name,
        source="zip",
        fingerprint=f"{hash_of(name):08x}" * 8,
        n_inputs=n + n_bad,
        n_ok=n,
        n_quarantined=n_bad,
        n_skipped=0,
        n_classes=9,
        splits={"train": n - 500, "test": 500},
        reasons={"truncated": n_bad},
    )


def _provenance() -> Provenance:
    return Provenance(
        assay_version="0.1.0",
        extractor="classical",
        extractor_fingerprint="c0ffee42" * 8,
        seed=0,
        config={"duplicates": {"e_value": 1.0}, "outliers": {"k": 10}, "quality": {"note": HOSTILE}},
        libraries={"numpy": "2.2.1", "pillow": "13.0.0", "scikit-learn": "1.7.2"},
    )
