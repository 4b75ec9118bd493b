"""Vega-Lite specifications become SVG in the report's own colours, without a network.

Charts are drawn in the colours of the light theme; the stylesheet maps exactly these colours to variables, so they
follow the theme. What vl-convert draws is then cut down to an allow-list of shapes, and its ids made unique.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import vl_convert
from markupsafe import Markup

from audit.errors import ConfigError
from audit.render import svg

WIDE = 704
NARROW = 300

TEXT, MUTED, GRID, AXIS = "#1b1f24", "#59626e", "#e3e6ea", "#b4bac2"
SERIES = ("#2a62b8", "#b24c12", "#1f7f71", "#8456b3", "#8a6d14", "#687281")
"""The first is the reference's and that of a chart with one colour; the second is the candidate's."""
RAMP = ("#dbe7f8", "#8fb3e3", "#2a62b8", "#163a75")
DIVERGING = ("#b24c12", "#f0cdb8", "#f1f2f4", "#b9cfee", "#2a62b8")

_OWN_SIZE = ("hconcat", "vconcat", "concat", "facet", "repeat")
_COLOUR_CHANNELS = ("color", "fill", "stroke")

CONFIG: dict[str, Any] = {
    "background": None,
    "font": "Liberation Sans",
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
        "offset": 32,
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


def chart_svg(spec: Mapping[str, Any], *, prefix: str, width: int, series: Sequence[str] = ()) -> Markup:
    """One chart as an SVG element.

    Parameters
    ----------
    spec : Vega-Lite specification with its data inside
    prefix : str
        Makes the ids inside unique on the page.
    width : int
        Of the plot in pixels; specifications made of several views keep the sizes they have.
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
    try:
        text = vl_convert.vegalite_to_svg(drawn, config=CONFIG, allowed_base_urls=[])
    except ValueError as error:
        raise ConfigError(f"Vega-Lite refuses a chart: {' '.join(str(error).splitlines()[1:2])[:200]}") from error
    return svg.cleaned(text, prefix=prefix)


def has_own_size(spec: Mapping[str, Any]) -> bool:
    """Whether a specification is made of several views, whose sizes it must say itself."""
    channels = _encoding(spec)
    return any(key in spec for key in _OWN_SIZE) or any(key in channels for key in ("row", "column", "facet"))


def _sized(spec: Mapping[str, Any], width: int) -> dict[str, Any]:
    drawn = copy.deepcopy({key: value for key, value in spec.items() if key not in ("config", "background")})
    if not has_own_size(drawn):
        drawn["width"] = width
        drawn["autosize"] = {"type": "fit-x", "contains": "padding"}
        if width < WIDE and isinstance(drawn.get("height"), int | float):
            drawn["height"] = max(round(drawn["height"] * 0.85), 120)
    return drawn


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
