"""Sections become a report: findings ranked, five numbers chosen, the verdict put into words."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import zip_longest
from typing import Literal, NamedTuple

from audit.report import SERIOUS, DatasetSummary, Finding, Metric, Provenance, Report, Section, Severity, Verdict

N_HEADLINE = 5
"""How many numbers the first screen holds."""

_RANK = {severity: place for place, severity in enumerate(Severity)}
_OVERLAP_ANALYSES = frozenset({"leakage", "cross_leakage"})
_TITLES = {
    "audit": {
        Severity.PROBLEM: "Clean this before training",
        Severity.ATTENTION: "Usable, with points to check",
        Severity.INFO: "Nothing stands in the way of training",
        Severity.OK: "Nothing stands in the way of training",
    },
    "comparison": {
        Severity.PROBLEM: "The two datasets differ where it matters",
        Severity.ATTENTION: "The two datasets differ: check how",
        Severity.INFO: "No difference that matters was found",
        Severity.OK: "No difference that matters was found",
    },
}
_OVERLAP_TITLE = "The two datasets share pictures"


class PlacedFinding(NamedTuple):
    """A finding and the section that says it."""

    section: Section
    finding: Finding


def assemble(
    kind: Literal["audit", "comparison"],
    title: str,
    datasets: Sequence[DatasetSummary],
    sections: Sequence[Section],
    provenance: Provenance,
    through: str = "",
) -> Report:
    """Make a report of sections that are already in their order.

    Parameters
    ----------
    kind : "audit" or "comparison"
    title : str
        Name of the report, usually that of the dataset.
    datasets : one DatasetSummary, or two (reference, candidate)
    sections : sections in the order of ``Analysis.order``
    provenance : Provenance
    through : str
        What the datasets were compared through, in a sentence for the first screen; "" where by one extractor.

    Returns
    -------
    Report
        Findings of each section are ordered worst first; everything else of a section is kept as it came.
        The same input gives the same report.
    """
    ordered = tuple(_with_findings_ranked(section) for section in sections)
    verdict = _verdict(kind, datasets, ordered)
    if through:
        verdict = verdict.model_copy(update={"sentence": f"{verdict.sentence} {through}"})
    return Report(
        kind=kind,
        title=title,
        datasets=tuple(datasets),
        verdict=verdict,
        headline=_headline(datasets, ordered),
        sections=ordered,
        provenance=provenance,
    )


def rank_findings(sections: Iterable[Section]) -> tuple[PlacedFinding, ...]:
    """All findings, worst first: by severity, then by share of the dataset concerned, then as they came."""
    placed = [PlacedFinding(section, finding) for section in sections for finding in section.findings]
    return tuple(sorted(placed, key=lambda place: _badness(place.finding)))


def worst_severity(findings: Iterable[Finding]) -> Severity:
    """The worst severity among findings; OK when there are none."""
    return min((finding.severity for finding in findings), key=_RANK.__getitem__, default=Severity.OK)


def _badness(finding: Finding) -> tuple[int, float]:
    return _RANK[finding.severity], -finding.weight


def _with_findings_ranked(section: Section) -> Section:
    return section.model_copy(update={"findings": tuple(sorted(section.findings, key=_badness))})


def _headline(datasets: Sequence[DatasetSummary], sections: Sequence[Section]) -> tuple[Metric, ...]:
    """Usable pictures, then a number from each of the sections with the worst findings, in report order.

    When fewer sections than places offer a number, their second and third numbers fill up.
    """
    offering = [place for place, section in enumerate(sections) if section.headline]
    by_need = sorted(offering, key=lambda place: _RANK[worst_severity(sections[place].findings)])
    rounds = zip_longest(*(sections[place].headline for place in by_need))
    offers = [
        (place, depth)
        for depth, metrics in enumerate(rounds)
        for place, metric in zip(by_need, metrics, strict=True)
        if metric is not None
    ]
    chosen = sorted(offers[: N_HEADLINE - 1])
    return (_usable(datasets), *(sections[place].headline[depth] for place, depth in chosen))


def _usable(datasets: Sequence[DatasetSummary]) -> Metric:
    n_ok, n_inputs = _total(datasets, "n_ok"), _total(datasets, "n_inputs")
    note = f"of {n_inputs:,} inputs"
    if len(datasets) > 1:
        note = " + ".join(f"{dataset.n_ok:,} in {dataset.name}" for dataset in datasets)
    return Metric(name="Usable pictures", value=n_ok, unit="pictures", n=n_inputs, note=note)


def _total(datasets: Iterable[DatasetSummary], field: str) -> int:
    return sum(int(getattr(dataset, field)) for dataset in datasets)


def _verdict(
    kind: Literal["audit", "comparison"], datasets: Sequence[DatasetSummary], sections: Sequence[Section]
) -> Verdict:
    barren = [dataset for dataset in datasets if dataset.n_ok == 0]
    if barren or not datasets:
        return _nothing_usable(barren, n_datasets=len(datasets))
    ranked = rank_findings(sections)
    failed = [section for section in sections if section.error]
    unanswered = [section for section in sections if not section.error and not is_answered(section)]
    severity = worst_severity(place.finding for place in ranked)
    title = _title(kind, severity, ranked)
    if severity not in SERIOUS and (failed or 2 * len(unanswered) > len(sections)):
        severity = Severity.ATTENTION
        title = f"No problem found, but {_missing(len(failed), len(unanswered), len(sections))}"
    parts = [
        _tally(datasets, ranked, len(sections) - len(failed), len(unanswered)),
        *_leads(ranked),
        _unread(datasets),
        _named("check", "could not be made", failed),
        _named("question", "could not be answered", unanswered),
    ]
    return Verdict(severity=severity, title=title, sentence=" ".join(part for part in parts if part))


def is_answered(section: Section) -> bool:
    """Whether a section says anything: a number, a finding to act on, or evidence where no number is offered.

    One that failed, was not run (no labels), or had too few images to give a number has no answer.
    """
    if section.error:
        return False
    numbers = [*section.headline, *(finding.metric for finding in section.findings)]
    if any(metric.value is not None for metric in numbers):
        return True
    return worst_severity(section.findings) in SERIOUS or bool(section.blocks and not section.headline)


def _missing(n_failed: int, n_unanswered: int, n_sections: int) -> str:
    if n_failed:
        return f"{_count(n_failed, 'check')} could not be made"
    return f"{n_unanswered} of {_count(n_sections, 'question')} could not be answered"


def _title(kind: str, severity: Severity, ranked: Sequence[PlacedFinding]) -> str:
    shares_pictures = severity is Severity.PROBLEM and ranked[0].section.analysis in _OVERLAP_ANALYSES
    if kind == "comparison" and shares_pictures:
        return _OVERLAP_TITLE
    return _TITLES[kind][severity]


def _tally(datasets: Sequence[DatasetSummary], ranked: Sequence[PlacedFinding], n_asked: int, n_unanswered: int) -> str:
    where = f"in {_count(_total(datasets, 'n_ok'), 'usable picture')}"
    problems = sum(place.finding.severity is Severity.PROBLEM for place in ranked)
    points = sum(place.finding.severity is Severity.ATTENTION for place in ranked)
    found = [_count(n, noun) for n, noun in ((problems, "problem"), (points, "point")) if n]
    if not found:
        asked = f"{_count(n_asked, 'question')} asked"
        if n_unanswered:
            asked += f", {n_asked - n_unanswered} answered"
        return f"{asked}, no problem found {where}."
    return f"{' and '.join(found)}{' to check' if points else ''} {where}."


def _leads(ranked: Sequence[PlacedFinding]) -> list[str]:
    """The sentences of the worst finding, and of the next one if it is as severe and says something of another kind."""
    serious = [place for place in ranked if place.finding.severity in SERIOUS]
    if not serious:
        return []
    first = serious[0]
    others = (
        place
        for place in serious[1:]
        if place.finding.severity is first.finding.severity and place.section.id != first.section.id
    )
    second = next(others, None)
    return [_stopped(place.finding.sentence) for place in (first, second) if place is not None]


def _unread(datasets: Sequence[DatasetSummary]) -> str:
    n = _total(datasets, "n_quarantined")
    return f"{_count(n, 'input')} of {_total(datasets, 'n_inputs'):,} could not be used." if n else ""


def _named(noun: str, what: str, sections: Sequence[Section]) -> str:
    if not sections:
        return ""
    names = ", ".join(section.title for section in sections)
    return f"{_count(len(sections), noun)} {what}: {names}."


def _nothing_usable(barren: Sequence[DatasetSummary], *, n_datasets: int) -> Verdict:
    """The verdict where a dataset has no picture to say anything about; of a comparison, the datasets are named."""
    n_inputs = _total(barren, "n_inputs")
    of_pair = n_datasets > 1
    names = " or in ".join(dataset.name for dataset in barren)
    where = f" in {names}" if of_pair else ""
    if n_inputs == 0:
        said = f"There are no inputs{where}: check that the source is the right one and that it is not empty."
    else:
        said = (
            f"None of the {_count(n_inputs, 'input')}{where} could be used; "
            "the list of reasons below says why and what to do about each."
        )
    title = f"Nothing to compare: no usable picture{where}" if of_pair else "No usable picture"
    return Verdict(severity=Severity.PROBLEM, title=title, sentence=said)


def _count(n: int, noun: str) -> str:
    return f"{n:,} {noun}{'' if n == 1 else 's'}"


def _stopped(sentence: str) -> str:
    text = sentence.strip()
    return text if text.endswith((".", "!", "?")) else f"{text}."
