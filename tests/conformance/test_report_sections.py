"""Every analysis of the registry against the page that shows it and the tables that are promised."""

import functools
import re
from pathlib import Path

import numpy as np
import pytest

from audit.analyses.base import Analysis, analyses
from audit.assemble import assemble
from audit.render import render_html, render_summary
from audit.render.folder import TABLES, TABLES_VERSION
from audit.report import DatasetSummary, Provenance, Section
from tests.views import make_view

DOCS = (Path(__file__).parents[2] / "docs" / "reports.md").read_text(encoding="utf-8")
ALL = analyses()
NOT_HERE = {"dna_unlike"}
"""Tables that the synthetic views give no cause to write."""
every = pytest.mark.parametrize("analysis", ALL, ids=lambda a: a.name)


@functools.cache
def computed(name: str):
    found = next(a for a in ALL if a.name == name)
    views = (make_view(1, wrong=3), make_view(2, name="candidate", shift=1.5))[: found.datasets]
    return found.compute(views, found.config(), np.random.default_rng(7))


def report_of(analysis: Analysis, section: Section):
    sides = [
        DatasetSummary(
            name=name,
            source="folder",
            fingerprint="d" * 64,
            n_inputs=90,
            n_ok=90,
            n_quarantined=0,
            n_skipped=0,
            n_classes=3,
        )
        for name in ("reference", "candidate")[: analysis.datasets]
    ]
    made = Provenance(
        assay_version="0", extractor="synthetic", extractor_fingerprint="f", seed=7, config={}, libraries={}
    )
    return assemble("comparison" if analysis.datasets == 2 else "audit", "Synthetic", sides, [section], made)


@every
def test_its_section_is_shown_whole(analysis):
    section = analysis.section(computed(analysis.name).result)
    page = render_html(report_of(analysis, section), lambda *_: None)
    assert "could not be drawn" not in page
    assert page.count('<article class="finding') == len(section.findings)
    assert render_summary(report_of(analysis, section))


@every
def test_its_tables_are_documented_and_have_the_promised_columns(analysis):
    assert set(analysis.tables) <= set(TABLES)
    assert {name for name, table in TABLES.items() if analysis.name in table.analyses} == set(analysis.tables)
    for name, table in computed(analysis.name).tables.items():
        assert set(TABLES[name].columns) <= set(table.column_names), name
        assert set(table.column_names) <= {*TABLES[name].columns, *TABLES[name].more}, name


def test_every_column_that_is_documented_is_written_by_some_analysis():
    written: dict[str, set[str]] = {}
    for name, table in ((name, table) for one in ALL for name, table in computed(one.name).tables.items()):
        written.setdefault(name, set()).update(table.column_names)
    assert written == {
        name: {*table.columns, *table.more} for name, table in TABLES.items() if table.analyses and name not in NOT_HERE
    }


def test_the_page_on_reports_lists_every_table_once_with_all_its_columns():
    rows = re.findall(r"^\| `(\w+)\.parquet` \| ([^|]*) \| ([^|]*) \| ([^|]*)\|$", DOCS, re.MULTILINE)
    assert len(rows) == len(TABLES)
    assert {
        name: (what, *(tuple(re.findall(r"`(\w+)`", columns)) for columns in lists)) for name, what, *lists in rows
    } == {name: (table.description, table.columns, table.more) for name, table in TABLES.items()}
    assert f"version {TABLES_VERSION} of the tables" in DOCS
