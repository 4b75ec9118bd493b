"""A report for the terminal and for programs."""

from __future__ import annotations

import json
import math
import textwrap
from typing import Any

from audit.assemble import rank_findings
from audit.render.names import visible
from audit.render.numbers import interval, quantity, unit_name
from audit.render.telling import in_turns
from audit.report import SERIOUS, Finding, Metric, Report, Severity

WIDTH = 100
"""No line of a summary is wider, except a name that has no place to break."""

_MARKS = {Severity.PROBLEM: "✖", Severity.ATTENTION: "▲", Severity.INFO: "●", Severity.OK: "✔"}
_N_EXAMPLES = 3


def report_json(report: Report) -> bytes:
    """The report as JSON: UTF-8, keys sorted, two spaces, a final newline; the same report gives the same bytes.

    NaN and infinities, which JSON does not have, become null.
    """
    plain = _finite(report.model_dump(mode="python"))
    text = json.dumps(plain, sort_keys=True, indent=2, ensure_ascii=False, allow_nan=False)
    return f"{text}\n".encode("utf-8", "backslashreplace")


def render_summary(report: Report) -> str:
    """What a terminal shows after an audit: verdict, figures, findings worst first, what could not be done.

    Returns
    -------
    str
        Plain text with Unicode marks, at most 100 columns wide; names are shown with control characters escaped.
    """
    parts = [_verdict(report), _figures(report), _findings(report), _failures(report)]
    return "\n\n".join(part for part in parts if part) + "\n"


def _verdict(report: Report) -> str:
    names = " against ".join(visible(dataset.name) for dataset in report.datasets)
    head = f"{_MARKS[report.verdict.severity]} {report.verdict.title}"
    return "\n".join([head, f"  {names}", "", *_wrapped(report.verdict.sentence, "  ")])


def _figures(report: Report) -> str:
    width = max((len(metric.name) for metric in report.headline), default=0)
    return "\n".join(line for metric in report.headline for line in _figure(metric, width))


def _figure(metric: Metric, width: int) -> list[str]:
    value = quantity(metric.value, metric.unit)
    bounds = f"[{interval(metric)}]" if interval(metric) else ""
    n = f"n = {metric.n:,}" if metric.n is not None and bounds else ""
    aside = metric.note if metric.value is None or not bounds else ""
    unit = "" if metric.value is None else unit_name(metric)
    words = " ".join(part for part in (f"{value:>8}", unit, bounds, n, aside) if part)
    lead = f"  {metric.name:<{width}}  "
    return textwrap.wrap(words, WIDTH, initial_indent=lead, subsequent_indent=" " * len(lead), drop_whitespace=True)


def _findings(report: Report) -> str:
    shown = [place.finding for place in rank_findings(report.sections) if place.finding.severity is not Severity.OK]
    named = len(report.datasets) > 1
    return "\n\n".join("\n".join(_finding(finding, named=named)) for finding in shown)


def _finding(finding: Finding, *, named: bool) -> list[str]:
    """A finding in lines; in a comparison (``named``) each picture says of which dataset it is."""
    lines = _wrapped(finding.sentence, "    ", first=f"  {_MARKS[finding.severity]} ")
    if finding.severity in SERIOUS:
        for picture in in_turns(finding.pictures, _N_EXAMPLES):
            path = f"{picture.dataset}: {picture.path}" if named else picture.path
            lines += _wrapped(visible(path), "        ", first="      ")
        lines += _wrapped(finding.action, "      ", first="    → ") if finding.action else []
        lines += [f"    tables/{finding.table}.parquet"] if finding.table else []
    return lines


def _failures(report: Report) -> str:
    failed = [section for section in report.sections if section.error]
    return "\n".join(
        line
        for section in failed
        for line in _wrapped(f"{section.title} could not be computed: {section.error}", "    ", first="  ! ")
    )


def _wrapped(text: str, indent: str, *, first: str | None = None) -> list[str]:
    return textwrap.wrap(
        text, WIDTH, initial_indent=indent if first is None else first, subsequent_indent=indent, break_on_hyphens=False
    )


def _finite(value: Any) -> Any:
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, dict):
        return {str(key): _finite(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(item) for item in value]
    return value
