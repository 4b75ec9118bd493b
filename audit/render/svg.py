"""Drawn SVG cut down to plain shapes: an allow-list of elements and attributes, unique ids, nothing that acts."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from xml.etree import ElementTree

from markupsafe import Markup

_NAMESPACE = "{http://www.w3.org/2000/svg}"
_ELEMENTS = frozenset(
    {"svg", "g", "path", "line", "rect", "circle", "text", "tspan", "title"}
    | {"defs", "clipPath", "linearGradient", "radialGradient", "stop"}
)
_GEOMETRY = frozenset(
    {
        "width",
        "height",
        "viewBox",
        "transform",
        "d",
        "points",
        "offset",
        "gradientUnits",
        "clip-path",
        "clip-rule",
        "id",
    }
    | {"x", "y", "x1", "x2", "y1", "y2", "dx", "dy", "cx", "cy", "r", "rx", "ry", "fx", "fy"}
)
_PAINT = frozenset(
    {"fill", "fill-opacity", "fill-rule", "opacity", "stop-color", "stop-opacity", "stroke", "stroke-width"}
    | {"stroke-opacity", "stroke-dasharray", "stroke-linecap", "stroke-linejoin", "stroke-miterlimit"}
    | {"text-anchor", "font-size", "font-weight", "font-style"}
)
_ATTRIBUTES = _GEOMETRY | _PAINT
_DEFAULTS = {("opacity", "1"), ("stroke-width", "1"), ("transform", "translate(0,0)"), ("stroke-miterlimit", "10")}
_DEFAULTS |= {("font-size", "12px"), ("font-weight", "normal"), ("text-anchor", "start")}
_DEFAULTS |= {("fill-opacity", "1"), ("stroke-opacity", "1")}
_IN_PIXELS = _GEOMETRY - {"offset", "id", "clip-path"}
_REFERENCE = re.compile(r"url\(#([^)]+)\)")
_LINE = re.compile(r"([ML])(-?[\d.]+),(-?[\d.]+)")
_LINES = re.compile(rf"({_LINE.pattern})+")
_DECIMAL = re.compile(r"-?\d+\.\d+")


def cleaned(text: str, *, prefix: str, names: Collection[str] = ()) -> Markup:
    """The SVG with only shapes, text and paint left.

    Parameters
    ----------
    text : an SVG document
    prefix : str
        Put before every id and every reference to one.
    names : str
        Texts that may have been cut: one of which only the beginning is written, with an ellipsis, becomes a tooltip.

    Returns
    -------
    Markup
        Elements and attributes outside the allow-lists (links, images, scripts, styles, event handlers, roles) are
        gone, and so is what draws nothing. Coordinates have one decimal; text of 12 pixels takes its size from
        around it.
    """
    root = ElementTree.fromstring(text)  # noqa: S314 (drawn here by vl-convert, no entities are declared)
    ids = [element.get("id", "") for element in root.iter() if "id" in element.attrib]
    _clean(root, {name: f"{prefix}-{place}" for place, name in enumerate(ids)})
    for element in root.iter("text"):
        _tell_whole(element, names)
    written = ElementTree.tostring(root, encoding="unicode").replace(" />", "/>")
    return Markup(written)  # noqa: S704 (the allow-list above made it safe)


def _clean(element: ElementTree.Element, ids: Mapping[str, str]) -> None:
    element.tag = element.tag.removeprefix(_NAMESPACE)
    element.attrib = {
        key: _attribute(key, value, ids)
        for key, value in element.attrib.items()
        if key in _ATTRIBUTES and (key, value) not in _DEFAULTS and not (element.tag == "line" and value == "0")
    }
    kept = []
    for child in element:
        if child.tag.removeprefix(_NAMESPACE) in _ELEMENTS and child.get("display") != "none":
            _clean(child, ids)
            if element.tag == "clipPath" or _draws(child):
                kept.append(child)
    element[:] = [part for child in kept for part in (child if _only_holds(child) else [child])]


def _tell_whole(element: ElementTree.Element, names: Collection[str]) -> None:
    """Give a text that was cut its whole as a title, if only one name begins so."""
    shown = element.text or ""
    whole = [name for name in names if name.startswith(shown[:-1])] if shown[1:].endswith("…") else []
    if len(whole) == 1:
        title = ElementTree.Element("title")
        title.text, title.tail, element.text = whole[0], shown, None
        element.insert(0, title)


def _only_holds(element: ElementTree.Element) -> bool:
    return element.tag == "g" and not element.attrib


def _draws(element: ElementTree.Element) -> bool:
    if element.tag in ("g", "defs"):
        return len(element) > 0
    if element.tag == "path":
        is_painted = element.get("fill") not in (None, "none", "transparent") or element.get("stroke") is not None
        return bool(element.get("d")) and is_painted
    if element.tag == "text":
        return bool("".join(element.itertext()).strip()) and element.get("opacity") != "0"
    return True


def _attribute(key: str, value: str, ids: Mapping[str, str]) -> str:
    """One value; ids are numbered anew, since vl-convert counts them through the life of the process."""
    if key == "id":
        return ids[value]
    value = _REFERENCE.sub(lambda found: f"url(#{ids.get(found[1], found[1])})", value)
    digits = 1 if key in _IN_PIXELS else 3
    value = _DECIMAL.sub(lambda found: f"{round(float(found[0]), digits) + 0.0:g}", value)
    return _shortened(value) if key == "d" and _LINES.fullmatch(value) else value


def _shortened(path: str) -> str:
    """A path of straight lines with those along an axis written by their end alone, and those of no length left out."""
    steps, x, y = [], "", ""
    for command, to_x, to_y in _LINE.findall(path):
        if command == "M" or (to_x != x and to_y != y):
            steps.append(f"{command}{to_x},{to_y}")
        elif (to_x, to_y) != (x, y):
            steps.append(f"V{to_y}" if to_x == x else f"H{to_x}")
        x, y = to_x, to_y
    return "".join(steps)
