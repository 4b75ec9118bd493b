"""The terminal summary and the JSON of a report."""

from __future__ import annotations

import json
import unicodedata

import pytest

from audit.render import render_summary, report_json
from audit.report import Metric, Report
from tests.sample_pictures import LONG
from tests.sample_report import audit_report, clean_report, comparison_report

REPORTS = pytest.mark.parametrize("report", [audit_report, comparison_report, clean_report])


@REPORTS
def test_no_line_is_wider_than_a_terminal_and_nothing_controls_it(report) -> None:
    summary = render_summary(report())
    assert max(map(len, summary.splitlines())) <= 100
    assert {char for char in summary if unicodedata.category(char) in ("Cc", "Cf")} == {"\n"}


def test_the_summary_says_verdict_numbers_findings_and_failures() -> None:
    summary = render_summary(audit_report())
    assert summary.startswith("✖ Clean this before training\n")
    assert "8.3% [7.8% – 8.8%] n = 12,438" in summary
    assert "→ Remove these 63 pictures from the training set" in summary
    assert "Shortcuts could not be computed: It ran out of memory" in summary


def test_the_worst_finding_comes_first() -> None:
    summary = render_summary(audit_report())
    assert summary.index("1,032 pictures (8.3%) are copies of another picture, in 417 groups.\n      ") < summary.index(
        "An estimated 2.4%"
    )


def test_what_is_in_order_is_not_listed() -> None:
    assert "odd size" not in render_summary(audit_report())


def test_a_long_path_is_broken_and_not_cut() -> None:
    report = audit_report()
    labels = next(section for section in report.sections if section.id == "labels")
    first = labels.findings[0].model_copy(update={"pictures": labels.findings[0].pictures[3:4]})
    only = report.model_copy(update={"sections": (labels.model_copy(update={"findings": (first,)}),)})
    assert LONG in render_summary(only).replace("\n        ", "")


@REPORTS
def test_json_reads_back_as_the_same_report(report) -> None:
    assert Report.model_validate_json(report_json(report())) == report()


def test_json_is_sorted_indented_and_the_same_every_time() -> None:
    data = report_json(audit_report())
    assert data == report_json(audit_report())
    assert data.endswith(b"}\n")
    assert list(json.loads(data)) == sorted(json.loads(data))


def test_numbers_that_json_does_not_have_become_null() -> None:
    odd = clean_report().model_copy(update={"headline": (Metric(name="x", value=float("nan"), high=float("inf")),)})
    metric = json.loads(report_json(odd))["headline"][0]
    assert (metric["value"], metric["high"]) == (None, None)


def test_a_path_that_is_not_unicode_survives_in_json() -> None:
    odd = clean_report().model_copy(update={"title": "a\udc80b"})
    assert json.loads(report_json(odd))["title"] == "a\udc80b"


def test_a_number_that_is_not_shown_has_no_unit_before_its_reason() -> None:
    metric = Metric(name="Distance", value=None, unit="SD", note="takes at least two images on each side")
    summary = render_summary(clean_report().model_copy(update={"headline": (metric,)}))
    assert "– takes at least two images on each side" in summary
