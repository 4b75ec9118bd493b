"""A report as one HTML file that needs nothing else: pictures, charts, style and script inside, no request made.

The page carries a content security policy that allows its one style sheet and its one script by their hashes,
pictures from ``data:`` and nothing else.
"""

from __future__ import annotations

import base64
import functools
import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from importlib import resources
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from audit.assemble import PlacedFinding, is_answered, rank_findings, worst_severity
from audit.errors import ConfigError
from audit.pictures.reasons import REASONS
from audit.render import charts, folder, names, numbers
from audit.render.heat import heat_svg, where
from audit.render.intervals import interval_bar
from audit.render.pictures import Album, Thumbnail
from audit.render.ring import ring_svg, ring_words
from audit.render.telling import in_turns, telling
from audit.render.treemap import treemap_svg
from audit.report import SERIOUS, ChartBlock, Column, DatasetSummary, Report, Section, Severity

MAX_ROWS = 50
MAX_PICTURES = 12
MAX_GROUPS = 24
FIRST_PICTURES = 24
"""Pictures of a block that are shown at first, in whole groups; the others open below them."""
MOST_FIRST = 6
"""Groups of a block that are shown at first, at most."""
MAX_LEADING = 3

SEVERITY_NAMES = {
    Severity.PROBLEM: "Problem",
    Severity.ATTENTION: "To check",
    Severity.INFO: "Good to know",
    Severity.OK: "In order",
}
_ROLES = ("reference", "candidate")
_REASON_COLUMNS = (
    Column(name="sentence", title="What happened"),
    Column(name="action", title="What to do"),
    Column(name="reason", title="Reason code"),
    Column(name="n", title="Inputs", align="right", format="integer"),
    Column(name="share", title="Of all", align="right", format="percent"),
)


@dataclass(frozen=True)
class Entry:
    """A section with what the page needs besides: where it is, what it found, where each finding is."""

    section: Section
    anchor: str
    severity: Severity
    n_serious: int
    state: str
    finding_anchors: tuple[str, ...]


@dataclass(frozen=True)
class Drawn:
    """A chart in its two widths, or why there is none."""

    wide: Markup | None = None
    narrow: Markup | None = None
    is_row: bool = False
    """Whether the narrow one is a row of plots, wider than a phone, that scrolls within itself."""
    problem: str = ""


def render_html(report: Report, thumbnail: Thumbnail) -> str:
    """The report as a self-contained page.

    Parameters
    ----------
    report : Report
    thumbnail : (dataset name, image_id) -> bytes or None
        WebP, JPEG or PNG bytes; asked once for each picture, and each picture is embedded once. None where there is
        none: a placeholder is shown.

    Returns
    -------
    str
        The same report and thumbnails give the same text.
    """
    album = Album(thumbnail)
    environment = _environment()
    body = environment.get_template("report.html.jinja").render(_context(report, album))
    style = f"{stylesheet()}\n{_asset('report.css')}\n{album.stylesheet()}"
    script = _asset("report.js")
    return environment.get_template("shell.html.jinja").render(
        report=report,
        body=Markup(body),  # noqa: S704 (rendered above with autoescape)
        style=Markup(style),  # noqa: S704 (our own files and base64)
        script=Markup(script),  # noqa: S704 (our own file)
        policy=_policy(style, script),
    )


def stylesheet() -> str:
    """The tokens and shared parts of the look of Assay, as CSS: pages of the service use the same."""
    return _asset("base.css")


@functools.cache
def _asset(name: str) -> str:
    return resources.files("audit.render").joinpath("templates", name).read_text(encoding="utf-8")


@functools.cache
def _environment() -> Environment:
    environment = Environment(
        loader=PackageLoader("audit.render"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {"visible": names.visible, "file_name": names.file_name, "prose": names.prose}
    environment.globals |= {
        "cell": numbers.cell,
        "heat_svg": heat_svg,
        "in_turns": in_turns,
        "interval": numbers.interval,
        "interval_bar": interval_bar,
        "number": numbers.number,
        "percent": numbers.percent,
        "quantity": numbers.quantity,
        "ring_svg": ring_svg,
        "ring_words": ring_words,
        "unit_name": numbers.unit_name,
        "treemap": treemap_svg,
        "where": where,
    }
    return environment


def render_section(section: Section, datasets: Sequence[str], thumbnail: Thumbnail) -> tuple[Markup, str]:
    """One answer as a piece of a page of the service.

    Parameters
    ----------
    section : Section
    datasets : names of the datasets that it is about; of two, reference and candidate
    thumbnail : as for :func:`render_html`

    Returns
    -------
    body : Markup
    style : str
        CSS of this piece besides :func:`stylesheet`, with its pictures; what of it acts is in :func:`script`.
    """
    album = Album(thumbnail)
    context = _shared(tuple(datasets), frozenset(datasets), album) | {"entry": _entries((section,))[0]}
    body = _environment().get_template("section.html.jinja").render(context)
    return Markup(body), f"{_asset('report.css')}\n{album.stylesheet()}"  # noqa: S704 (rendered above with autoescape)


def script() -> str:
    """The script of reports: pictures that can be enlarged, and the choice of theme where there is one."""
    return _asset("report.js")


def _shared(series: tuple[str, ...], kept: frozenset[str], album: Album) -> dict[str, Any]:
    """What the macros read, of a report as of one answer."""
    return {
        "album": album,
        "roles": dict(zip(series, _ROLES, strict=True)) if len(set(series)) == 2 else {},
        "draw_chart": _chart_drawer(series),
        "heading": functools.partial(names.heading, kept=kept),
        "severity_names": SEVERITY_NAMES,
        "max_rows": MAX_ROWS,
        "max_pictures": MAX_PICTURES,
        "max_groups": MAX_GROUPS,
        "n_first": n_first,
    }


def _context(report: Report, album: Album) -> dict[str, Any]:
    entries = _entries(report.sections)
    series = tuple(dataset.name for dataset in report.datasets)
    return _shared(series, _names(report), album) | {
        "report": report,
        "entries": entries,
        "leading": _leading(report, entries),
        "telling": telling(report) if report.kind == "comparison" else {},
        "anchors": {entry.section.id: entry.anchor for entry in entries},
        "reason_columns": _REASON_COLUMNS,
        "reason_rows": _reason_rows,
        "balance_bar": _balance_bar,
        "files": folder.files(report),
        "provenance": _provenance(report),
        "config_json": json.dumps(report.provenance.config, indent=2, sort_keys=True, ensure_ascii=False),
    }


def _entries(sections: Sequence[Section]) -> tuple[Entry, ...]:
    anchors = _unique_anchors(section.id for section in sections)
    return tuple(_entry(section, anchor) for section, anchor in zip(sections, anchors, strict=True))


def _entry(section: Section, anchor: str) -> Entry:
    n_serious = sum(finding.severity in SERIOUS for finding in section.findings)
    severity = Severity.ATTENTION if section.error else worst_severity(section.findings)
    state = SEVERITY_NAMES[severity].lower()
    if not is_answered(section):
        severity = Severity.INFO if severity is Severity.OK else severity
        state = "could not be answered"
    if n_serious:
        state = f"{state}, {n_serious} finding{'' if n_serious == 1 else 's'}"
    found = _unique_anchors(f"{anchor.removeprefix('q-')}-{finding.id}" for finding in section.findings)
    return Entry(section, anchor, severity, n_serious, state, found)


def _unique_anchors(wanted: Any) -> tuple[str, ...]:
    taken: dict[str, int] = {}
    found = []
    for text in wanted:
        base = f"q-{names.slug(text)}"
        taken[base] = taken.get(base, 0) + 1
        found.append(base if taken[base] == 1 else f"{base}--{taken[base]}")
    return tuple(found)


def _names(report: Report) -> frozenset[str]:
    """Datasets and splits: names that a heading may begin with and that are written as they are."""
    return frozenset(name for dataset in report.datasets for name in (dataset.name, *dataset.splits))


def _leading(report: Report, entries: Sequence[Entry]) -> list[dict[str, Any]]:
    """The worst findings of the report, for the first screen; of equal ones, one per section before a second of any."""
    place_of = {
        id(finding): anchor
        for entry in entries
        for finding, anchor in zip(entry.section.findings, entry.finding_anchors, strict=True)
    }
    serious = [place for place in rank_findings(report.sections) if place.finding.severity in SERIOUS]
    chosen = _spread(serious)[:MAX_LEADING]
    return [
        {"section": place.section, "finding": place.finding, "anchor": place_of[id(place.finding)]} for place in chosen
    ]


def _spread(ranked: Sequence[PlacedFinding]) -> list[PlacedFinding]:
    """Within each severity the first finding of every section comes before the second of any."""
    seen: dict[str, int] = {}
    keyed: list[tuple[int, int, int, PlacedFinding]] = []
    for place in ranked:
        turn = seen.get(place.section.id, 0)
        seen[place.section.id] = turn + 1
        keyed.append((SERIOUS.index(place.finding.severity), turn, len(keyed), place))
    return [place for *_, place in sorted(keyed, key=lambda item: item[:3])]


def _chart_drawer(series: Sequence[str]) -> Callable[[ChartBlock], Drawn]:
    drawn = 0

    def draw(block: ChartBlock) -> Drawn:
        nonlocal drawn
        drawn += 1
        spec: Mapping[str, Any] = block.vega_lite
        try:
            wide = charts.chart_svg(spec, prefix=f"c{drawn}w", width=charts.WIDE, series=series)
            if charts.has_own_size(spec) and not charts.is_grid(spec):
                return Drawn(wide)
            narrow = charts.chart_svg(spec, prefix=f"c{drawn}n", width=charts.NARROW, series=series)
            return Drawn(wide, narrow, is_row=charts.is_grid(spec))
        except ConfigError as error:
            return Drawn(problem=str(error))

    return draw


def n_first(groups: Sequence[Sequence[Any]]) -> int:
    """How many groups of a block are shown at first: all, if but one would be left over.

    >>> n_first([[0] * 6] * 8), n_first([[0] * 2] * 24), n_first([[0] * 6] * 5), n_first([[0] * 12] * 3)
    (4, 6, 5, 2)
    """
    shown = groups[:MAX_GROUPS]
    largest = max((min(len(group), MAX_PICTURES) for group in shown), default=1)
    first = min(max(FIRST_PICTURES // largest, 1), MOST_FIRST)
    return len(shown) if len(shown) <= first + 1 else first


def _reason_rows(dataset: DatasetSummary) -> list[tuple[str | None, str | None, str, int, float]]:
    ordered = sorted(dataset.reasons.items(), key=lambda item: (-item[1], item[0]))
    return [(*_explained(code), code, n, n / max(dataset.n_inputs, 1)) for code, n in ordered]


def _explained(code: str) -> tuple[str | None, str | None]:
    reason = REASONS.get(code)
    return (reason.sentence, reason.action) if reason else (None, None)


def _balance_bar(dataset: DatasetSummary) -> Markup:
    """Usable, quarantined and skipped inputs as one bar; parts that exist are at least visible."""
    parts = (("usable", dataset.n_ok), ("quarantined", dataset.n_quarantined), ("skipped", dataset.n_skipped))
    shares = [(kind, max(n / max(dataset.n_inputs, 1), 0.006)) for kind, n in parts if n]
    total = sum(share for _, share in shares)
    bars, start = [], 0.0
    for kind, share in shares:
        width = 1000 * share / total
        bars.append(
            Markup('<rect class="{}" x="{}" width="{}" height="10"/>').format(kind, round(start, 1), round(width, 1))
        )
        start += width
    return Markup('<svg viewBox="0 0 1000 10" preserveAspectRatio="none">{}</svg>').format(Markup("").join(bars))


def _provenance(report: Report) -> list[tuple[str, str]]:
    made = report.provenance
    return [
        ("Assay", made.assay_version),
        ("Extractor", made.extractor),
        ("Extractor fingerprint", made.extractor_fingerprint),
        ("Seed", str(made.seed)),
        *((f"Dataset {dataset.name}", f"{dataset.source} ({dataset.fingerprint})") for dataset in report.datasets),
        *((f"Analysis {section.title}", f"{section.analysis} {section.version}") for section in report.sections),
        *((name, version) for name, version in sorted(made.libraries.items())),
    ]


def _policy(style: str, script: str) -> str:
    return (
        f"default-src 'none'; img-src data:; style-src '{_hash(style)}'; script-src '{_hash(script)}'; "
        "base-uri 'none'; form-action 'none'"
    )


def _hash(text: str) -> str:
    return "sha256-" + base64.b64encode(hashlib.sha256(text.encode("utf-8")).digest()).decode("ascii")
