"""Charts drawn from Vega-Lite."""

from __future__ import annotations

import importlib.util
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from audit.errors import ConfigError
from audit.render import charts, html, svg, widths

BARS: dict[str, Any] = {
    "data": {"values": [{"kind": "a", "n": 3}, {"kind": "b", "n": 5}]},
    "mark": "bar",
    "encoding": {"x": {"field": "n", "type": "quantitative"}, "y": {"field": "kind", "type": "nominal"}},
}


GRID: dict[str, Any] = {
    "data": {"values": [{"plot": plot, "at": at, "n": at} for plot in "abcd" for at in (1, 2)]},
    "facet": {"field": "plot", "type": "nominal", "title": None},
    "columns": 2,
    "spec": {
        "mark": "line",
        "width": 250,
        "height": 60,
        "encoding": {"x": {"field": "at", "type": "quantitative"}, "y": {"field": "n", "type": "quantitative"}},
    },
}
LONG = "a label that goes on and on, far beyond the room that is left for any label beside its bar"


def labelled(*labels: str) -> dict[str, Any]:
    return {**BARS, "data": {"values": [{"kind": label, "n": 3} for label in labels]}}


def size(drawn: str) -> tuple[float, float]:
    width, height = re.search(r'viewBox="0 0 ([\d.]+) ([\d.]+)"', drawn).groups()
    return float(width), float(height)


def measuring_font() -> Any:
    path = Path(__file__).parents[2] / "infra" / "measuring_font.py"
    spec = importlib.util.spec_from_file_location("measuring_font", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def coloured(*datasets: str) -> dict[str, Any]:
    values = [{"kind": "a", "n": 3, "dataset": name} for name in datasets]
    return {
        "data": {"values": values},
        "mark": "bar",
        "encoding": {**BARS["encoding"], "color": {"field": "dataset", "type": "nominal"}},
    }


def legend_colours(drawn: str) -> dict[str, str]:
    found = re.findall(r'fill="(#\w{6})" stroke-width="1.5"[^>]*/>(?:</?g[^>]*>)*<text[^>]*>([^<]+)', drawn)
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
    assert svg.cleaned(hostile, prefix="p") == '<svg><rect width="3" height="2" fill="red"/></svg>'


def test_the_measuring_font_is_the_one_that_the_widths_give() -> None:
    assert (widths.FOLDER / "measure.ttf").read_bytes() == measuring_font().font()


def test_a_drawing_depends_on_no_font_of_the_machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A home whose fonts are named as usual ones, and have every character, twice as wide."""
    maker = measuring_font()
    monkeypatch.setattr(widths, "BLOCKS", tuple((first, last, 2 * width) for first, last, width in widths.BLOCKS))
    monkeypatch.setattr(widths, "ASCII", {char: 2 * width for char, width in widths.ASCII.items()})
    fonts = tmp_path / ".local" / "share" / "fonts"
    fonts.mkdir(parents=True)
    for name in ("Liberation Sans", "DejaVu Sans", "Arial"):
        monkeypatch.setattr(widths, "FAMILY", name)
        (fonts / f"{name}.ttf").write_bytes(maker.font())
    monkeypatch.undo()
    program = (
        "from audit.render.charts import chart_svg\n"
        "values = [{'kind': k, 'n': 3} for k in ('mushroom', '犬と猫', 'صور', '🐕')]\n"
        "encoding = {'x': {'field': 'n', 'type': 'quantitative'}, 'y': {'field': 'kind', 'type': 'nominal'}}\n"
        "print(chart_svg({'data': {'values': values}, 'mark': 'bar', 'encoding': encoding}, prefix='c', width=300))\n"
    )
    root = str(Path(__file__).parents[2])
    drawn = {
        subprocess.run(
            [sys.executable, "-c", program],
            env={**os.environ, "HOME": home, "PYTHONPATH": root, "PYTHONIOENCODING": "utf-8"},
            capture_output=True,
            check=True,
        ).stdout
        for home in (str(tmp_path), str(tmp_path / "empty"))
    }
    assert len(drawn) == 1


@pytest.mark.parametrize("label", ["mushroom", "longsleeve", "texture_coarse", "WWWWWWWW"])
def test_a_label_beside_a_bar_has_room_for_the_widest_font(label: str) -> None:
    drawn = str(charts.chart_svg(labelled(label), prefix="c", width=charts.WIDE))
    left = float(re.search(r"^<svg[^>]*><g[^>]*translate\(([\d.]+)", drawn)[1])
    assert left >= 0.98 * widths.text_width(label, 12)


def test_a_label_that_is_cut_tells_its_whole_in_a_tooltip() -> None:
    drawn = str(charts.chart_svg(labelled(LONG, "short"), prefix="c", width=charts.NARROW))
    assert re.search(rf"<title>{LONG}</title>a label[^<]*…</text>", drawn)
    assert drawn.count("<title>") == 1


def test_a_label_that_could_be_two_names_tells_neither() -> None:
    cut = '<svg xmlns="http://www.w3.org/2000/svg"><text>gu…</text></svg>'
    assert "<title>" not in svg.cleaned(cut, prefix="p", names=["gull", "guillemot"])
    assert "<title>gull</title>" in svg.cleaned(cut, prefix="p", names=["gull", "tern"])


def of_three(mark: str) -> dict[str, Any]:
    """Three series in one chart."""
    values = [{"dataset": name, "n": i, "at": i + k} for k, name in enumerate("abc") for i in range(3)]
    place = {name: {"field": name, "type": "quantitative"} for name in ("n", "at")}
    colour = {"field": "dataset", "type": "nominal", "title": None}
    return {
        "data": {"values": values},
        "mark": mark,
        "encoding": {"x": place["n"], "y": place["at"], "color": colour},
    }


def test_lines_differ_by_more_than_their_colours() -> None:
    drawn = charts.chart_svg(of_three("line"), prefix="c", width=400)
    assert len(set(re.findall(r'stroke-dasharray="([^"]+)"', drawn))) == 3
    assert [drawn.count(f">{name}<") for name in "abc"] == [1, 1, 1], "one legend"


def test_points_differ_by_more_than_their_colours() -> None:
    drawn = charts.chart_svg(of_three("point"), prefix="c", width=400)
    shapes = {
        (re.sub(r"[\d.,-]+", "", path), colour) for path, colour in re.findall(r'd="([^"]+)"[^>]*fill="(#\w+)"', drawn)
    }
    assert len({shape for shape, colour in shapes if colour in charts.SERIES[:3]}) > 1


def test_bars_of_reference_and_candidate_differ_in_strength() -> None:
    drawn = charts.chart_svg(coloured("reference", "candidate"), prefix="c", width=400)
    faint = re.findall(r'fill="(#\w+)"[^>]* opacity="0.5"', drawn)
    assert set(faint) == {charts.SERIES[1]}


def test_plots_in_a_grid_share_the_width_and_stand_in_one_row_where_it_is_narrow() -> None:
    wide = size(charts.chart_svg(GRID, prefix="c", width=charts.WIDE))
    narrow = size(charts.chart_svg(GRID, prefix="c", width=charts.NARROW))
    assert 0.9 * charts.WIDE < wide[0] <= charts.WIDE
    assert 0.8 * 4 * charts.NARROW < narrow[0] <= 4 * charts.NARROW
    assert narrow[1] < 0.7 * wide[1]


def test_a_legend_leaves_room_for_the_title_of_the_axis_below_it_and_none_without() -> None:
    bars = coloured("reference", "candidate")
    points = {**bars, "encoding": {**bars["encoding"], "y": {"field": "n", "type": "quantitative"}}}
    untitled = {**points, "encoding": {**points["encoding"], "y": {**points["encoding"]["y"], "title": None}}}
    tops = [
        float(re.search(r"translate\([\d.]+,([\d.]+)", charts.chart_svg(spec, prefix="c", width=400))[1])
        for spec in ({**points, "height": 100}, {**untitled, "height": 100})
    ]
    assert tops[0] - tops[1] >= 12


def test_straight_lines_along_an_axis_are_written_by_their_end() -> None:
    path = '<svg xmlns="http://www.w3.org/2000/svg"><path d="M0,0L5.04,0L5.04,9L5.04,9L7,10" stroke="red"/></svg>'
    assert 'd="M0,0H5V9L7,10"' in svg.cleaned(path, prefix="p")


def test_what_is_not_measured_in_pixels_keeps_its_digits() -> None:
    faint = '<svg xmlns="http://www.w3.org/2000/svg"><rect width="3" height="2" fill="red" opacity="0.051"/></svg>'
    assert 'opacity="0.051"' in svg.cleaned(faint, prefix="p")


def test_a_gradient_that_runs_upwards_stays_so() -> None:
    ends = '<linearGradient id="g" x1="0" x2="0" y1="1" y2="0"><stop offset="0" stop-color="red"/></linearGradient>'
    drawn = svg.cleaned(f'<svg xmlns="http://www.w3.org/2000/svg"><defs>{ends}</defs></svg>', prefix="p")
    assert 'x1="0" x2="0" y1="1" y2="0"' in drawn


def test_labels_that_were_hidden_for_want_of_room_are_left_out() -> None:
    texts = '<text opacity="0">0.03</text><text opacity="0.5">0.06</text>'
    drawn = svg.cleaned(f'<svg xmlns="http://www.w3.org/2000/svg">{texts}</svg>', prefix="p")
    assert "0.03" not in drawn
    assert "0.06" in drawn


def test_a_long_title_of_an_axis_takes_the_lines_it_needs() -> None:
    titled = {**BARS["encoding"], "x": {**BARS["encoding"]["x"], "title": "how far " * 12 + "apart"}}
    drawn = str(charts.chart_svg({**BARS, "encoding": titled}, prefix="c", width=charts.NARROW))
    lines = [line for line in re.findall(r">([^<>]+)<", drawn) if "far" in line]
    assert len(lines) > 1
    assert all(widths.text_width(line, 12) < charts.NARROW for line in lines)
