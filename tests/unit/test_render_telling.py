"""Pictures of a difference on the first screen of a comparison."""

from __future__ import annotations

import re

from audit.assemble import assemble
from audit.render import render_html, render_summary
from audit.render.telling import MAX_TELLING, in_turns, telling
from audit.report import Finding, ImagesBlock, Picture, Report, Section, Severity
from tests.sample_pictures import thumbnail
from tests.sample_report import comparison_report

LEFT, RIGHT = (dataset.name for dataset in comparison_report().datasets)


def shown(dataset: str, n: int = 1, first: str = "a") -> tuple[Picture, ...]:
    return tuple(Picture(dataset=dataset, image_id=f"{first}{i}", path=f"{first}{i}.png", caption="") for i in range(n))


def section(
    name: str, severity: str, weight: float, pictures: tuple[Picture, ...], *groups: tuple[Picture, ...]
) -> Section:
    like = comparison_report().sections[0]
    finding: Finding = like.findings[0].model_copy(
        update={"id": name, "severity": Severity(severity), "weight": weight, "pictures": pictures}
    )
    blocks = (ImagesBlock(title="Evidence", groups=groups),) if groups else ()
    return like.model_copy(update={"id": name, "title": name, "findings": (finding,), "blocks": blocks})


def report(*sections: Section) -> Report:
    like = comparison_report()
    return assemble("comparison", "Two", like.datasets, sections, like.provenance)


def ids(found: Report) -> dict[str, list[str]]:
    return {name: [picture.image_id for picture in one.pictures] for name, one in telling(found).items()}


def test_a_finding_that_shows_both_datasets_comes_before_a_worse_one_that_shows_one() -> None:
    one = section("one", "problem", 1.0, shown(RIGHT, first="x"))
    both = section("both", "attention", 0.1, shown(LEFT) + shown(RIGHT))
    assert ids(report(one, both)) == {LEFT: ["a0"], RIGHT: ["a0"]}
    assert {found.section for found in telling(report(one, both)).values()} == {"both"}


def test_a_dataset_that_no_finding_shows_is_shown_from_the_evidence_of_the_worst() -> None:
    one = section("one", "attention", 1.0, shown(RIGHT, first="x"), shown(RIGHT, first="y"), shown(LEFT, first="z"))
    assert ids(report(one)) == {LEFT: ["z0"], RIGHT: ["x0"]}


def test_no_more_are_shown_than_stand_in_a_row() -> None:
    found = ids(report(section("both", "attention", 0.1, shown(LEFT, 9) + shown(RIGHT, 9))))
    assert [len(pictures) for pictures in found.values()] == [MAX_TELLING, MAX_TELLING]


def test_where_nothing_serious_was_found_no_picture_claims_a_difference() -> None:
    quiet = section("quiet", "info", 1.0, shown(LEFT) + shown(RIGHT))
    assert telling(report(quiet)) == {}


def test_the_first_screen_of_a_comparison_shows_pictures_of_both_before_any_number() -> None:
    page = render_html(report(section("both", "attention", 0.1, shown(LEFT) + shown(RIGHT))), thumbnail)
    first = page[page.index('<div class="pair">') : page.index('<dl class="figures">')]
    assert len(re.findall(r'<div class="strip telling">', first)) == 2
    assert first.count('href="#q-both"') == 2


def test_a_number_of_the_first_screen_has_its_unit() -> None:
    like = comparison_report()
    metric = like.headline[1].model_copy(update={"name": "Distance", "value": 0.215, "unit": "SD"})
    page = render_html(like.model_copy(update={"headline": (metric,)}), thumbnail)
    assert '0.215<span class="unit"> SD</span></span>' in page[page.index('<dl class="figures">') :]


def test_a_few_pictures_show_both_datasets() -> None:
    left, right = shown(LEFT, 3), shown(RIGHT, 3, first="x")
    assert [picture.image_id for picture in in_turns(left + right, 3)] == ["a0", "x0", "a1"]
    assert in_turns(left, 2) == left[:2]


def test_the_summary_says_of_which_dataset_a_picture_is() -> None:
    summary = render_summary(report(section("both", "attention", 0.1, shown(LEFT, 3) + shown(RIGHT, 3, first="x"))))
    assert f"{LEFT}: a0.png" in summary
    assert f"{RIGHT}: x0.png" in summary
