"""Results as one JSON object for machines."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from audit.report import Report, Severity

SEVERITIES = (Severity.OK, Severity.INFO, Severity.ATTENTION, Severity.PROBLEM)
"""From good to bad."""


def audit_json(audit_id: str, report: Report, tables: Mapping[str, int], *, out: Path | None) -> dict[str, Any]:
    """What ``assay audit --json`` says.

    Parameters
    ----------
    audit_id : str
    report : Report
    tables : mapping of str to int
        Rows of each table.
    out : Path or None
        Where the report was written.
    """
    return {
        "id": audit_id,
        "kind": report.kind,
        "title": report.title,
        "verdict": report.verdict.model_dump(mode="json"),
        "datasets": [dataset.model_dump(mode="json") for dataset in report.datasets],
        "counts": _counts(report),
        "headline": [metric.model_dump(mode="json") for metric in report.headline],
        "findings": [
            {
                "section": section.id,
                "id": finding.id,
                "severity": finding.severity.value,
                "sentence": finding.sentence,
                "action": finding.action,
                "metric": finding.metric.model_dump(mode="json"),
                "table": finding.table,
            }
            for section in report.sections
            for finding in section.findings
        ],
        "failed": {section.id: section.error for section in report.sections if section.error},
        "tables": dict(tables),
        "report": str(out / "report.html") if out is not None else None,
    }


def _counts(report: Report) -> dict[str, int]:
    names = ("n_inputs", "n_ok", "n_quarantined", "n_skipped")
    return {name: sum(getattr(dataset, name) for dataset in report.datasets) for name in names}


def reaches(severity: Severity, threshold: Severity) -> bool:
    """Whether a verdict is at least as bad as a threshold."""
    return SEVERITIES.index(severity) >= SEVERITIES.index(threshold)
