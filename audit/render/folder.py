"""What lies beside a report: the names of its files and, for each, one sentence."""

from __future__ import annotations

from collections.abc import Mapping

from audit.report import Report, TableBlock

TABLES_VERSION = 1
"""Goes up when a column of a promised table is renamed, removed or changes its meaning."""

TABLES: Mapping[str, str] = {
    "images": "Every input, one row each: path, status, reason when it was left out, label, split, size, statistics.",
    "embeddings": "The embedding of every usable picture, in the order of images.",
    "duplicates": "Groups of pictures that are copies of each other, with the kind of each copy.",
    "leakage": "Pictures that are in more than one split, or in both datasets.",
    "outliers": "Every usable picture with its outlier score, the strangest first.",
    "labels": "Pictures whose label their neighbours dispute, with the label suggested instead.",
    "quality": "Pictures with a fault: dark, bright, blurred, washed out, low in contrast or odd in size.",
    "balance": "Number of pictures of each class, in all and by split.",
}
"""The promise of docs/reports.md, in the order in which the files are listed."""

_ALWAYS = ("images", "embeddings")
_FILES = (
    ("report.html", "This page; it needs no other file."),
    ("report.json", "Everything this page says, for programs."),
)


def files(report: Report) -> list[tuple[str, str]]:
    """Name and description of every file that goes with a report, tables as far as the report names them."""
    named = _tables_named(report)
    known = [name for name in TABLES if name in named or name in _ALWAYS]
    others = sorted(named - set(TABLES))
    described = [
        (f"tables/{name}.parquet", TABLES.get(name, "A table that a section above refers to.")) for name in known
    ]
    return [*_FILES, *described, *((f"tables/{name}.parquet", _used_by(report, name)) for name in others)]


def _tables_named(report: Report) -> set[str]:
    names = {finding.table for section in report.sections for finding in section.findings}
    names |= {block.source for section in report.sections for block in section.blocks if isinstance(block, TableBlock)}
    names |= {section.analysis for section in report.sections if section.analysis in TABLES and not section.error}
    return names - {""}


def _used_by(report: Report, name: str) -> str:
    titles = [
        section.title
        for section in report.sections
        if any(finding.table == name for finding in section.findings)
        or any(isinstance(block, TableBlock) and block.source == name for block in section.blocks)
    ]
    return f"The whole list behind “{'”, “'.join(titles)}”."
