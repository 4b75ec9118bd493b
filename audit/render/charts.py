"""Vega-Lite specifications become SVG in the report's own colours, without a network.

Charts are drawn in the colours of the light theme; the stylesheet maps exactly these colours to variables, so they
follow the theme. What vl-convert draws is then cut down to an allow-list of shapes, and its ids made unique.

Text is measured in a font of our own that is wider than any a reader may have (``audit.render.widths``): the drawing
depends on no font of this machine, and fits whatever font it is opened with.
"""

from __future__ import annotations

import copy
import functools
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import vl_convert
from markupsafe import Markup

from audit.errors import ConfigError
from audit.render import svg, widths

WIDE = 832
NARROW = 308

TEXT, MUTED, GRID, AXIS = "#1b1f24", "#59626e", "#e3e6ea", "#b4bac2"
SERIES = ("#2a62b8", "#b24c12", "#1f7f71", "#8456b3", "#8a6d14", "#687281")
"""The first is the reference's and that of a chart with one colour; the second is the candidate's."""
RAMP = ("#dbe7f8", "#8fb3e3", "#2a62b8", "#163a75")
DIVERGING = ("#b24c12", "#f0cdb8", "#f1f2f4", "#b9cfee", "#2a62b8")

_OWN_SIZE = ("hconcat", "vconcat", "concat", "facet", "repeat")
_COLOUR_CHANNELS = ("color", "fill", "stroke")
_BESIDE_COLOUR = {"line": "strokeDash", "point": "shape", "bar": "opacity"}
_LINE_IN_LEGEND = {"symbolType": "stroke", "symbolSize": 500, "symbolStrokeWidth": 2}
_FAINT = 0.5
"""Opacity of the candidate's bars beside the reference's."""

CONFIG: dict[str, Any] = {
    "background": None,
    "font": widths.FAMILY,
    "padding": 2,
    "view": {"stroke": None, "continuousHeight": 240},
    "axis": {
        "labelColor": MUTED,
        "titleColor": MUTED,
        "labelFontSize": 12,
        "titleFontSize": 12,
        "titleFontWeight": "normal",
        "titlePadding": 10,
        "labelPadding": 6,
        "gridColor": GRID,
        "domainColor": AXIS,
        "tickColor": AXIS,
        "tickSize": 4,
        "labelLimit": 190,
        "labelOverlap": True,
        "labelFlush": False,
    },
    "axisX": {"grid": False, "titleAnchor": "end", "tickCount": 8},
    "axisY": {
        "domain": False,
        "ticks": False,
        "tickCount": 5,
        "titleAngle": 0,
        "titleAnchor": "end",
        "titleAlign": "left",
        "titleBaseline": "bottom",
        "titleX": 0,
        "titleY": -10,
    },
    "axisXBand": {"labelAngle": -35, "labelAlign": "right", "labelBaseline": "top"},
    "axisBand": {"grid": False},
    "legend": {
        "orient": "top",
        "titleColor": MUTED,
        "labelColor": TEXT,
        "labelFontSize": 12,
        "titleFontSize": 12,
        "titleFontWeight": "normal",
        "symbolType": "square",
        "symbolSize": 110,
        "labelLimit": 280,
        "columnPadding": 18,
        "offset": 12,
    },
    "title": {"color": TEXT, "fontSize": 13, "fontWeight": 600, "anchor": "start", "offset": 12},
    "header": {"labelColor": TEXT, "titleColor": MUTED, "labelFontSize": 12},
    "mark": {"color": SERIES[0]},
    "line": {"strokeWidth": 2},
    "rule": {"color": MUTED},
    "tick": {"color": TEXT, "thickness": 2},
    "text": {"color": TEXT, "fontSize": 12},
    "point": {"filled": True, "size": 36},
    "circle": {"size": 36},
    "range": {"category": list(SERIES), "ramp": list(RAMP), "heatmap": list(RAMP), "diverging": list(DIVERGING)},
}

_NARROW_CONFIG: dict[str, Any] = {
    **CONFIG,
    "axis": {**CONFIG["axis"], "labelLimit": 120},
    "axisX": {**CONFIG["axisX"], "tickCount": 5},
    "legend": {**CONFIG["legend"], "columns": 1},
}
_ABOVE_TITLE = 34
"""Pixels between a legend and a plot whose vertical axis has its title between them."""
_AXIS_ROOM = 66
"""Pixels that the vertical axis of one plot among several takes."""


def chart_svg(spec: Mapping[str, Any], *, prefix: str, width: int, series: Sequence[str] = ()) -> Markup:
    """One chart as an SVG element.

    Parameters
    ----------
    spec : Vega-Lite specification with its data inside
    prefix : str
        Makes the ids inside unique on the page.
    width : int
        In pixels; plots in a grid share it, other specifications made of several views keep the sizes they have.
    series : str
        The names of reference and candidate. A colour scale whose values are among them (or are
        "reference" and "candidate") gets the two colours in that order.

    Raises
    ------
    ConfigError
        If the specification asks for a URL or Vega-Lite refuses it; the message says which.
    """
    if address := next(_addresses(spec), None):
        raise ConfigError(f"a chart asks for {address!r}: put its data inside, as data.values")
    drawn = _sized(spec, width)
    _colour_series(drawn, (tuple(series), ("reference", "candidate")))
    _tell_without_colour(drawn)
    _register_font()
    try:
        text = vl_convert.vegalite_to_svg(drawn, config=_config(drawn, width), allowed_base_urls=[])
    except ValueError as error:
        raise ConfigError(f"Vega-Lite refuses a chart: {' '.join(str(error).splitlines()[1:2])[:200]}") from error
    return svg.cleaned(text, prefix=prefix, names=_names(drawn))


def has_own_size(spec: Mapping[str, Any]) -> bool:
    """Whether a specification is made of several views, whose sizes it must say itself."""
    channels = _encoding(spec)
    return any(key in spec for key in _OWN_SIZE) or any(key in channels for key in ("row", "column", "facet"))


def is_grid(spec: Mapping[str, Any]) -> bool:
    """Whether a specification repeats one plot in rows of ``columns``: its plots share the width there is.

    Where there is little, they stand in one row, each as wide as there is room, to be scrolled through.
    """
    return "facet" in spec and "columns" in spec and "width" in spec.get("spec", {})


@functools.cache
def _register_font() -> None:
    vl_convert.register_font_directory(str(widths.FOLDER))


def _config(spec: Mapping[str, Any], width: int) -> dict[str, Any]:
    config = CONFIG if width >= WIDE else _NARROW_CONFIG
    if any(_has_title_above(view) for view in _views(spec)) and not has_own_size(spec):
        return {**config, "legend": {**config["legend"], "offset": _ABOVE_TITLE}}
    return config


def _has_title_above(view: Mapping[str, Any]) -> bool:
    y = _encoding(view).get("y", {})
    return isinstance(y, dict) and "field" in y and bool(y.get("title", y["field"]))


def _sized(spec: Mapping[str, Any], width: int) -> dict[str, Any]:
    drawn = copy.deepcopy({key: value for key, value in spec.items() if key not in ("config", "background")})
    if is_grid(drawn):
        if width < WIDE:
            del drawn["columns"]
        drawn["spec"]["width"] = width // drawn.get("columns", 1) - _AXIS_ROOM
    elif not has_own_size(drawn):
        drawn["width"] = width
        drawn["autosize"] = {"type": "fit-x", "contains": "padding"}
        _wrap_titles(drawn, width - _AXIS_ROOM)
        if width < WIDE and isinstance(drawn.get("height"), int | float):
            drawn["height"] = max(round(drawn["height"] * 0.85), 120)
    return drawn


def _wrap_titles(spec: dict[str, Any], room: float) -> None:
    """Give titles of horizontal axes the lines they need."""
    for view in _views(spec):
        x = _encoding(view).get("x")
        if isinstance(x, dict) and isinstance(x.get("title"), str):
            lines = widths.wrapped(x["title"], room, CONFIG["axis"]["titleFontSize"])
            x["title"] = lines if len(lines) > 1 else x["title"]


def _encoding(view: Mapping[str, Any]) -> dict[str, Any]:
    channels = view.get("encoding")
    return channels if isinstance(channels, dict) else {}


def _addresses(value: Any) -> Iterator[str]:
    if isinstance(value, Mapping):
        if isinstance(value.get("url"), str):
            yield value["url"]
        for key, child in value.items():
            if key != "values":
                yield from _addresses(child)
    elif isinstance(value, list | tuple):
        for child in value:
            yield from _addresses(child)


def _colour_series(spec: dict[str, Any], pairs: Sequence[tuple[str, ...]]) -> None:
    """Give colour scales over (reference, candidate) that order, wherever they are in the specification."""
    found = list(_values(spec))
    for view in _views(spec):
        for channel in _COLOUR_CHANNELS:
            encoding = _encoding(view).get(channel)
            if not isinstance(encoding, dict) or "field" not in encoding or "scale" in encoding:
                continue
            seen = {str(row[encoding["field"]]) for row in found if encoding["field"] in row}
            pair = next((pair for pair in pairs if len(pair) == 2 and seen and seen <= set(pair)), None)
            if pair is not None:
                encoding["scale"] = {"domain": list(pair), "range": list(SERIES[:2])}


def _tell_without_colour(spec: dict[str, Any]) -> None:
    """Tell series apart by more than their colours, which are alike in grey: lines by dashes, points by shape.

    Bars of reference and candidate are told apart by their strength.
    """
    for view in _views(spec):
        mark, encoding = view.get("mark"), _encoding(view)
        kind = str(mark.get("type") if isinstance(mark, dict) else mark)
        colour = encoding.get("color")
        if kind not in _BESIDE_COLOUR or not isinstance(colour, dict) or colour.get("type") != "nominal":
            continue
        beside = encoding.get(_BESIDE_COLOUR[kind]) or _beside(kind, colour)
        if beside is not None:
            encoding[_BESIDE_COLOUR[kind]] = beside
        for one in (colour, beside or {}) if kind == "line" else ():
            if one.get("legend", {}) is not None:
                one["legend"] = {**one.get("legend", {}), **_LINE_IN_LEGEND}


def _beside(kind: str, colour: Mapping[str, Any]) -> dict[str, Any] | None:
    """The channel that says again what the colour says; None for bars that are not of reference and candidate."""
    scale = colour.get("scale")
    domain = scale.get("domain") if isinstance(scale, dict) else None
    if "field" not in colour or (kind == "bar" and (domain is None or len(domain) != 2)):
        return None
    same = {key: copy.deepcopy(value) for key, value in colour.items() if key != "scale"}
    strength = {"range": [1, _FAINT]} if kind == "bar" else {}
    return {**same, "scale": {"domain": domain, **strength}} if domain else same


def _views(spec: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    if isinstance(spec, dict):
        yield spec
    for key in (*_OWN_SIZE, "layer", "spec"):
        child = spec.get(key)
        for view in child if isinstance(child, list) else [child]:
            if isinstance(view, dict):
                yield from _views(view)


def _values(spec: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    for view in _views(spec):
        data = view.get("data")
        rows = data.get("values") if isinstance(data, dict) else None
        yield from (row for row in rows or () if isinstance(row, Mapping))


def _names(spec: Mapping[str, Any]) -> frozenset[str]:
    """Every text among the data, so that the whole of one can be told where only its beginning fits."""
    return frozenset(value for row in _values(spec) for value in row.values() if isinstance(value, str))
