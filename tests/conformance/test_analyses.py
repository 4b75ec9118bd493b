"""What every analysis of the registry must keep, whoever wrote it."""

import re
from pathlib import Path

import numpy as np
import pytest

from audit.analyses.base import Analysis, analyses
from audit.fingerprint import canonical_json
from audit.report import ChartBlock, Metric, MetricBlock, Section, Severity
from tests.views import make_view, shuffled, taken

ALL = analyses()
DOCS = Path(__file__).parents[2] / "docs" / "analyses.md"
every = pytest.mark.parametrize("analysis", ALL, ids=lambda a: a.name)


@pytest.fixture(scope="module")
def datasets():
    return (make_view(1, wrong=3), make_view(2, name="candidate", shift=1.5))


def run(analysis: Analysis, views):
    return analysis.compute(views[: analysis.datasets], analysis.config(), np.random.default_rng(7))


def metrics(section: Section) -> list[Metric]:
    shown = [b.metric for b in section.blocks if isinstance(b, MetricBlock)]
    return [*section.headline, *(f.metric for f in section.findings), *shown]


def assert_same(left, right):
    assert canonical_json(left.result) == canonical_json(right.result)
    assert left.tables.keys() == right.tables.keys()
    for name, table in left.tables.items():
        assert table.equals(right.tables[name]), name


def test_there_are_analyses_of_one_and_of_two_datasets():
    assert {a.datasets for a in ALL} == {1, 2}


@every
def test_the_same_seed_gives_the_same_bytes(analysis, datasets):
    assert_same(run(analysis, datasets), run(analysis, datasets))


@every
def test_the_order_of_the_input_rows_changes_nothing(analysis, datasets):
    mixed = tuple(shuffled(view, seed) for seed, view in enumerate(datasets))
    assert_same(run(analysis, datasets), run(analysis, mixed))


@every
@pytest.mark.parametrize("n", [0, 1, 2, 5])
def test_a_handful_of_images_gives_a_section_and_no_problem(analysis, datasets, n):
    computed = run(analysis, tuple(taken(view, np.arange(2, 2 + n)) for view in datasets))
    section = analysis.section(computed.result)
    assert section.summary
    assert not [f for f in section.findings if f.severity is Severity.PROBLEM]
    canonical_json(computed.result)


@pytest.mark.parametrize("analysis", [a for a in ALL if a.datasets == 2], ids=lambda a: a.name)
def test_an_empty_candidate_beside_a_full_reference_is_no_error(analysis, datasets):
    computed = run(analysis, (datasets[0], taken(datasets[1], [])))
    assert analysis.section(computed.result).summary


@every
def test_unlabelled_images_are_no_error(analysis):
    views = (make_view(1, labelled=False), make_view(2, name="candidate", labelled=False))
    assert analysis.section(run(analysis, views).result).summary


@every
def test_the_result_survives_json(analysis, datasets):
    result = run(analysis, datasets).result
    assert analysis.result.model_validate_json(canonical_json(result)) == result


@every
def test_the_section_survives_json_and_names_its_analysis(analysis, datasets):
    section = analysis.section(run(analysis, datasets).result)
    assert Section.model_validate_json(canonical_json(section)) == section
    assert (section.analysis, section.version) == (analysis.name, analysis.version)


@every
def test_every_number_lies_in_its_interval_or_says_why_it_is_missing(analysis, datasets):
    for metric in metrics(analysis.section(run(analysis, datasets).result)):
        if metric.value is None:
            assert metric.note, metric.name
        if metric.low is not None and metric.high is not None and metric.value is not None:
            assert metric.low <= metric.high, metric
            assert "null" in metric.note or metric.low <= metric.value <= metric.high, metric


@every
def test_every_finding_says_what_to_do_and_points_to_a_table_that_exists(analysis, datasets):
    computed = run(analysis, datasets)
    findings = analysis.section(computed.result).findings
    assert len({f.id for f in findings}) == len(findings)
    for finding in findings:
        assert finding.action
        assert finding.sentence.endswith(".")
        assert 0 <= finding.weight <= 1
        assert finding.table == "" or finding.table in computed.tables


@every
def test_only_tables_that_were_announced_are_written(analysis, datasets):
    assert set(run(analysis, datasets).tables) <= set(analysis.tables)


@every
def test_charts_carry_their_data_and_no_colours(analysis, datasets):
    for block in analysis.section(run(analysis, datasets).result).blocks:
        if isinstance(block, ChartBlock):
            text = canonical_json(block.vega_lite).decode()
            assert '"url"' not in text
            assert not re.search(r'"#[0-9a-fA-F]{3,8}"', text)


@every
def test_the_configuration_works_empty_is_frozen_and_described(analysis):
    config = analysis.config()
    assert config.model_config.get("frozen")
    assert config.model_config.get("extra") == "forbid"
    for name, field in type(config).model_fields.items():
        assert field.description, f"{analysis.name}.{name} has no description"


@every
def test_says_what_it_asks_and_where_it_comes_from(analysis):
    assert analysis.question.endswith("?")
    assert len(analysis.source) > 20
    assert analysis.title


@every
def test_has_a_heading_in_the_documentation(analysis):
    headings = [line for line in DOCS.read_text(encoding="utf-8").splitlines() if line.startswith("## ")]
    assert any(f"(`{analysis.name}`)" in h for h in headings), f"add '## {analysis.title} (`{analysis.name}`)'"
