"""Rings over pictures: round, at the place, said in words, kept out of reports that have none."""

import doctest
import re

import pytest
from pydantic import ValidationError

from audit.render import render_html, ring
from audit.report import ImagesBlock, Picture, Report
from tests.sample_pictures import thumbnail
from tests.sample_report import audit_report

PLACE = (0.25, 0.5, 0.5, 0.75)


def shown(place):
    return Picture(dataset="harbour", image_id="a", path="a.png", caption="0.93", place=place)


def page_with(place) -> str:
    report = audit_report()
    block = ImagesBlock(title="Where it is", groups=((shown(place),),))
    section = report.sections[0].model_copy(update={"blocks": (block,)})
    return render_html(report.model_copy(update={"sections": (section,)}), thumbnail)


def test_the_ring_is_drawn_twice_around_the_middle_of_the_place():
    circles = re.findall(r'<circle cx="([\d.]+)%" cy="([\d.]+)%" r="([\d.]+)%"/>', ring.ring_svg(PLACE))
    assert circles == [("37.5", "62.5", "12.5")] * 2


def test_the_ring_of_a_small_place_is_large_enough_to_be_seen():
    assert f'r="{ring.SMALLEST}%"' in ring.ring_svg((0.5, 0.5, 0.52, 0.52))


def test_a_picture_without_a_place_has_no_ring():
    assert ring.ring_svg(None) == ""
    assert '<svg class="ring"' not in page_with(None)


def test_the_page_draws_the_ring_and_says_where_it_is():
    page = page_with((0.0, 0.0, 0.1, 0.1))
    assert page.count('<svg class="ring" aria-hidden="true">') == 1
    assert 'aria-label="Enlarge a.png, 0.93, strongest at the upper left"' in page


def test_the_words_of_the_examples():
    assert doctest.testmod(ring).failed == 0


@pytest.mark.parametrize("place", [(0.5, 0, 0.5, 1), (0, 0.5, 1, 0.2), (-0.1, 0, 1, 1), (0, 0, 1, 1.1)])
def test_a_place_that_is_none_or_beyond_the_picture_is_refused(place):
    with pytest.raises(ValidationError, match="a place has"):
        shown(place)


def test_a_report_without_places_reads_as_before_and_writes_none():
    old = audit_report().model_copy(update={"version": 2}).model_dump_json()
    assert '"place"' not in old
    assert Report.model_validate_json(old).version == 2
    assert Picture.model_validate_json(shown(PLACE).model_dump_json()) == shown(PLACE)
