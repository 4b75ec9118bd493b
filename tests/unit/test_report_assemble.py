"""What a report says first: ranking, the five numbers, the verdict."""

from __future__ import annotations

from audit.assemble import assemble, is_answered, rank_findings, worst_severity
from audit.report import DatasetSummary, Finding, Metric, Provenance, Report, Section, Severity, TextBlock

PROVENANCE = Provenance(
    assay_version="0", extractor="classical", extractor_fingerprint="f", seed=0, config={}, libraries={}
)


def dataset(name: str = "birds", n_ok: int = 100, n_quarantined: int = 0, n_skipped: int = 0) -> DatasetSummary:
    return DatasetSummary(
        name=name,
        source="folder",
        fingerprint="d" * 64,
        n_inputs=n_ok + n_quarantined + n_skipped,
        n_ok=n_ok,
        n_quarantined=n_quarantined,
        n_skipped=n_skipped,
        n_classes=2,
    )


def finding(name: str, severity: Severity, weight: float = 0.1) -> Finding:
    metric = Metric(name=name, value=weight, unit="share")
    return Finding(id=name, severity=severity, sentence=f"{name} is so", metric=metric, action="do", weight=weight)


def section(name: str, *findings: Finding, headline: int = 0, error: str = "", analysis: str | None = None) -> Section:
    return Section(
        id=name,
        title=name.title(),
        question=f"{name}?",
        summary="",
        analysis=analysis or name,
        version=1,
        findings=findings,
        headline=tuple(Metric(name=f"{name} {place}", value=place) for place in range(headline)),
        error=error,
    )


def audit(*sections: Section, n_ok: int = 100, n_quarantined: int = 0) -> Report:
    return assemble("audit", "Birds", [dataset(n_ok=n_ok, n_quarantined=n_quarantined)], sections, PROVENANCE)


def test_findings_are_ordered_by_severity_and_then_by_the_share_they_concern() -> None:
    small, large = finding("small", Severity.PROBLEM, 0.01), finding("large", Severity.PROBLEM, 0.5)
    mild = finding("mild", Severity.ATTENTION, 0.9)
    report = audit(section("a", mild, small, large))
    assert [found.id for found in report.sections[0].findings] == ["large", "small", "mild"]


def test_ranking_crosses_sections_and_keeps_the_order_of_equals() -> None:
    sections = [
        section("a", finding("x", Severity.INFO), finding("y", Severity.OK)),
        section("b", finding("z", Severity.INFO), finding("w", Severity.PROBLEM)),
    ]
    assert [place.finding.id for place in rank_findings(sections)] == ["w", "x", "z", "y"]


def test_the_worst_severity_of_nothing_is_ok() -> None:
    assert worst_severity([]) is Severity.OK


def test_the_first_number_is_how_many_pictures_are_usable() -> None:
    first = audit(section("a", headline=1), n_ok=97, n_quarantined=3).headline[0]
    assert (first.value, first.n, first.note) == (97, 100, "of 100 inputs")


def test_five_numbers_come_from_the_sections_with_the_worst_findings_in_report_order() -> None:
    sections = [section(name, headline=2) for name in "abcd"]
    sections += [section("e", finding("x", Severity.PROBLEM), headline=2)]
    sections += [section("f", finding("y", Severity.ATTENTION), headline=2)]
    names = [metric.name for metric in audit(*sections).headline]
    assert names == ["Usable pictures", "a 0", "b 0", "e 0", "f 0"]


def test_second_numbers_fill_up_when_few_sections_offer_any() -> None:
    names = [metric.name for metric in audit(section("a", headline=3), section("b", headline=1)).headline]
    assert names == ["Usable pictures", "a 0", "a 1", "a 2", "b 0"]


def test_a_report_without_sections_has_one_number() -> None:
    assert len(audit().headline) == 1


def test_the_verdict_is_as_severe_as_the_worst_finding_and_quotes_it() -> None:
    verdict = audit(section("a", finding("copies", Severity.PROBLEM), finding("dust", Severity.ATTENTION))).verdict
    assert verdict.severity is Severity.PROBLEM
    assert verdict.sentence == "1 problem and 1 point to check in 100 usable pictures. copies is so."


def test_two_findings_of_one_section_are_not_both_quoted() -> None:
    one = section("a", finding("first", Severity.PROBLEM, 0.9), finding("second", Severity.PROBLEM, 0.8))
    other = section("b", finding("third", Severity.PROBLEM, 0.1))
    sentence = audit(one, other).verdict.sentence
    assert "first is so. third is so." in sentence
    assert "second" not in sentence


def test_nothing_found_says_how_much_was_asked() -> None:
    verdict = audit(section("a", headline=1), section("b", finding("fine", Severity.OK))).verdict
    assert verdict.severity is Severity.OK
    assert verdict.sentence == "2 questions asked, no problem found in 100 usable pictures."


def test_a_failed_check_keeps_a_report_from_being_in_order() -> None:
    verdict = audit(section("a", headline=1), section("b", error="out of memory")).verdict
    assert verdict.severity is Severity.ATTENTION
    assert verdict.title == "No problem found, but 1 check could not be made"
    assert verdict.sentence.startswith("1 question asked")
    assert verdict.sentence.endswith("1 check could not be made: B.")


def unanswered(name: str) -> Section:
    """A question for which there were too few pictures."""
    return section(name).model_copy(
        update={"headline": (Metric(name=name, value=None, note="needs at least 40 images"),)}
    )


def test_an_audit_whose_questions_could_mostly_not_be_answered_is_not_in_order() -> None:
    verdict = audit(section("a", headline=1), unanswered("b"), section("c")).verdict
    assert verdict.severity is Severity.ATTENTION
    assert verdict.title == "No problem found, but 2 of 3 questions could not be answered"
    assert verdict.sentence == (
        "3 questions asked, 1 answered, no problem found in 100 usable pictures. "
        "2 questions could not be answered: B, C."
    )


def test_a_few_unanswered_questions_are_named_and_leave_the_rest_in_order() -> None:
    verdict = audit(section("a", headline=1), section("b", headline=1), unanswered("c")).verdict
    assert verdict.severity is Severity.OK
    assert verdict.sentence.startswith("3 questions asked, 2 answered, no problem found")
    assert verdict.sentence.endswith("1 question could not be answered: C.")


def test_a_finding_without_a_number_is_no_answer_unless_it_is_one_to_act_on() -> None:
    metric = Metric(name="share", value=None, note="no usable images")
    said = [finding("x", severity).model_copy(update={"metric": metric}) for severity in Severity]
    assert [is_answered(section("a", one)) for one in said] == [True, True, False, False]


def test_evidence_is_an_answer_where_no_number_is_offered() -> None:
    shown = section("a").model_copy(update={"blocks": (TextBlock(text="one row for each class"),)})
    assert is_answered(shown)
    assert not is_answered(shown.model_copy(update={"headline": unanswered("a").headline}))


def test_inputs_that_could_not_be_used_are_counted_in_the_verdict() -> None:
    assert "2 inputs of 102 could not be used." in audit(section("a"), n_quarantined=2).verdict.sentence


def test_no_usable_picture_is_a_problem_whatever_the_sections_say() -> None:
    verdict = audit(section("a", finding("fine", Severity.OK)), n_ok=0, n_quarantined=7).verdict
    assert (verdict.severity, verdict.title) == (Severity.PROBLEM, "No usable picture")
    assert "None of the 7 inputs" in verdict.sentence


def test_an_empty_source_says_so() -> None:
    assert audit(n_ok=0).verdict.sentence.startswith("There are no inputs")


def test_a_comparison_with_a_side_without_usable_pictures_is_a_problem_and_names_the_side() -> None:
    fine = section("a", finding("fine", Severity.OK))
    empty = assemble("comparison", "Pair", [dataset("day"), dataset("night", 0)], [fine], PROVENANCE).verdict
    assert (empty.severity, empty.title) == (Severity.PROBLEM, "Nothing to compare: no usable picture in night")
    assert empty.sentence.startswith("There are no inputs in night: check")
    broken = assemble("comparison", "P", [dataset("day", 0, 3), dataset("night")], [fine], PROVENANCE).verdict
    assert broken.sentence.startswith("None of the 3 inputs in day could be used")


def test_a_comparison_counts_both_datasets() -> None:
    pair = [dataset("day", 60), dataset("night", 40)]
    first = assemble("comparison", "Pair", pair, [], PROVENANCE).headline[0]
    assert (first.value, first.note) == (100, "60 in day + 40 in night")


def test_a_comparison_whose_worst_finding_is_shared_pictures_says_that_and_not_that_they_differ() -> None:
    pair = [dataset("day"), dataset("night")]
    shared = section("overlap", finding("x", Severity.PROBLEM), analysis="leakage")
    apart = section("dna", finding("y", Severity.PROBLEM, 0.05))
    assert assemble("comparison", "P", pair, [apart, shared], PROVENANCE).verdict.title == (
        "The two datasets share pictures"
    )
    assert assemble("comparison", "P", pair, [apart], PROVENANCE).verdict.title == (
        "The two datasets differ where it matters"
    )


def test_the_same_input_gives_an_equal_report() -> None:
    sections = (section("a", finding("x", Severity.PROBLEM), headline=2), section("b", headline=1))
    assert audit(*sections) == audit(*sections)
