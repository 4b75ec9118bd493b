"""Heat over pictures: drawn dark where nothing is, said in words, kept out of reports that have none."""

import doctest
import re

import pytest
from pydantic import ValidationError

from audit.render import heat, render_html
from audit.report import ImagesBlock, Picture, Report
from tests.sample_pictures import thumbnail
from tests.sample_report import audit_report

GRID = ((0, 9), (3, 0))


def shown(grid):
    return Picture(dataset="harbour", image_id="a", path="a.png", heat=grid)


def page_with(grid) -> str:
    report = audit_report()
    block = ImagesBlock(title="Where it is", groups=((shown(grid),),))
    section = report.sections[0].model_copy(update={"blocks": (block,)})
    return render_html(report.model_copy(update={"sections": (section,)}), thumbnail)


def test_a_place_of_level_nine_is_left_bright_and_one_of_level_zero_is_darkest():
    drawn = heat.heat_svg(GRID)
    opacities = [float(value) for value in re.findall(r'fill-opacity="([\d.]+)"', drawn)]
    assert opacities == [heat.DARKEST, round(heat.DARKEST * 6 / 9, 2), heat.DARKEST]


def test_places_cover_the_picture_and_reach_beyond_its_border():
    spans = [tuple(map(int, found)) for found in re.findall(r'x="(-?\d+)" width="(\d+)"', heat.heat_svg(((0, 0, 0),)))]
    assert spans == [(-1, 2), (1, 1), (2, 2)]


def test_the_outline_runs_between_places_above_and_below_its_level():
    assert re.findall(r'd="([^"]*)"', heat.heat_svg(GRID)) == ["M1 1h1M1 0v1"]


def test_a_picture_without_heat_has_no_overlay():
    assert heat.heat_svg(()) == ""
    assert '<svg class="heat"' not in page_with(())


def test_the_page_draws_the_overlay_and_says_where_it_is_bright():
    page = page_with(((9, 0, 0), (0, 0, 0), (0, 0, 0)))
    assert page.count('<svg class="heat"') == 1
    assert "brightest at the upper left" in page


def test_the_words_of_the_examples():
    assert doctest.testmod(heat).failed == 0


@pytest.mark.parametrize("grid", [((1, 2), (3,)), ((10,),), ((-1,),), ((),)])
def test_ragged_grids_and_levels_out_of_range_are_refused(grid):
    with pytest.raises(ValidationError, match="heat grid"):
        shown(grid)


def test_a_report_without_heat_reads_as_before_and_writes_no_heat():
    old = audit_report().model_copy(update={"version": 1}).model_dump_json()
    assert '"heat"' not in old
    assert Report.model_validate_json(old).version == 1


def test_heat_survives_json():
    assert Picture.model_validate_json(shown(GRID).model_dump_json()) == shown(GRID)
