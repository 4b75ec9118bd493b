"""Charts drawn from Vega-Lite."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from audit.errors import ConfigError
from audit.render import charts, html, svg

BARS: dict[str, Any] = {
    "data": {"values": [{"kind": "a", "n": 3}, {"kind": "b", "n": 5}]},
    "mark": "bar",
    "encoding": {"x": {"field": "n", "type": "quantitative"}, "y": {"field": "kind", "type": "nominal"}},
}


def coloured(*datasets: str) -> dict[str, Any]:
    values = [{"kind": "a", "n": 3, "dataset": name} for name in datasets]
    return {
        "data": {"values": values},
        "mark": "bar",
        "encoding": {**BARS["encoding"], "color": {"field": "dataset", "type": "nominal"}},
    }


def legend_colours(drawn: str) -> dict[str, str]:
    found = re.findall(r'fill="(#\w{6})" stroke-width="1.5" />(?:</g>)+<g><text[^>]*>([^<]+)', drawn)
    return {name: colour for colour, name in found}


def test_a_chart_is_one_svg_without_anything_that_acts() -> None:
    drawn = str(charts.chart_svg(BARS, prefix="c1", width=300))
    assert drawn.startswith("<svg ")
    assert not re.search(r"<(a|script|image|style|foreignObject)\b|\son\w+=|href|style=|aria-|role=", drawn)


def test_drawing_twice_gives_the_same_text() -> None:
    ramp = {**BARS, "encoding": {**BARS["encoding"], "color": {"field": "n", "type": "quantitative"}}}
    first = charts.chart_svg(ramp, prefix="c1", width=300)
    charts.chart_svg(BARS, prefix="c2", width=300)
    assert charts.chart_svg(ramp, prefix="c1", width=300) == first
    assert 'id="c1-0"' in first
    assert "url(#c1-0)" in first


def test_text_in_a_chart_is_escaped() -> None:
    spec = {**BARS, "data": {"values": [{"kind": "<script>alert(1)</script>", "n": 3}]}}
    assert "<script" not in charts.chart_svg(spec, prefix="c1", width=300)


def test_reference_comes_before_candidate_in_name_and_colour() -> None:
    drawn = str(charts.chart_svg(coloured("candidate", "reference"), prefix="c", width=300))
    assert legend_colours(drawn) == {"reference": charts.SERIES[0], "candidate": charts.SERIES[1]}


def test_the_names_of_the_two_datasets_get_the_two_colours() -> None:
    spec = coloured("a night", "z day")
    drawn = str(charts.chart_svg(spec, prefix="c", width=300, series=("z day", "a night")))
    assert legend_colours(drawn) == {"z day": charts.SERIES[0], "a night": charts.SERIES[1]}


def test_the_specification_is_left_as_it_was() -> None:
    spec = coloured("candidate", "reference")
    charts.chart_svg(spec, prefix="c", width=300)
    assert spec == coloured("candidate", "reference")


def test_a_chart_that_asks_for_a_url_is_refused_by_its_address() -> None:
    with pytest.raises(ConfigError, match=r"https://example\.org/x\.json"):
        charts.chart_svg({**BARS, "data": {"url": "https://example.org/x.json"}}, prefix="c", width=300)


def test_a_chart_that_vega_refuses_says_so() -> None:
    with pytest.raises(ConfigError, match=r"Vega-Lite refuses a chart: Error: Invalid specification"):
        charts.chart_svg({"encoding": {}}, prefix="c", width=300)


def test_bars_of_a_histogram_with_a_rule_have_width_and_height() -> None:
    bars = {
        "data": {"values": [{"from": place, "to": place + 1, "n": 2} for place in range(4)]},
        "mark": "bar",
        "encoding": {
            "x": {"field": "from", "type": "quantitative", "bin": {"binned": True}},
            "x2": {"field": "to"},
            "y": {"field": "n", "type": "quantitative"},
        },
    }
    rule = {
        "data": {"values": [{"at": 1}]},
        "mark": "rule",
        "encoding": {"x": {"field": "at", "type": "quantitative"}},
    }
    drawn = str(charts.chart_svg({"layer": [bars, rule], "height": 100}, prefix="c", width=300))
    sizes = re.findall(rf'd="M[\d.,-]+h([\d.]+)v([\d.]+)h-[\d.]+Z" fill="{charts.SERIES[0]}"', drawn)
    assert len(sizes) == 4
    assert all(float(width) > 30 and float(height) > 90 for width, height in sizes)


def test_a_chart_has_the_width_it_is_asked_for() -> None:
    assert 'width="300"' in charts.chart_svg(BARS, prefix="c", width=300)


def test_every_colour_of_the_theme_follows_the_stylesheet() -> None:
    style = Path(html.__file__).with_name("templates").joinpath("report.css").read_text(encoding="utf-8")
    for colour in (charts.TEXT, charts.MUTED, *charts.SERIES):
        assert f'[fill="{colour}"]' in style
    for colour in (charts.MUTED, charts.GRID, charts.AXIS, *charts.SERIES):
        assert f'[stroke="{colour}"]' in style


def test_links_images_and_handlers_are_cut_out_of_svg() -> None:
    hostile = (
        '<svg xmlns="http://www.w3.org/2000/svg" onload="x()"><a href="javascript:x()"><text>t</text></a>'
        '<image href="https://example.org/x.png"/><rect width="3" height="2" style="x" fill="red"/></svg>'
    )
    assert svg.cleaned(hostile, prefix="p") == '<svg><rect width="3" height="2" fill="red" /></svg>'
