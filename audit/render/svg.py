"""Drawn SVG cut down to plain shapes: an allow-list of elements and attributes, unique ids, nothing that acts."""

from __future__ import annotations

import re
from collections.abc import Mapping
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
_REFERENCE = re.compile(r"url\(#([^)]+)\)")
_LONG_NUMBER = re.compile(r"(-?\d+\.\d{2})\d+")


def cleaned(text: str, *, prefix: str) -> Markup:
    """The SVG with only shapes, text and paint left.

    Parameters
    ----------
    text : an SVG document
    prefix : str
        Put before every id and every reference to one.

    Returns
    -------
    Markup
        Elements and attributes outside the allow-lists (links, images, scripts, styles, event handlers, roles) are
        gone, and so is what draws nothing. Coordinates have two decimals.
    """
    root = ElementTree.fromstring(text)  # noqa: S314 (drawn here by vl-convert, no entities are declared)
    ids = [element.get("id", "") for element in root.iter() if "id" in element.attrib]
    _clean(root, {name: f"{prefix}-{place}" for place, name in enumerate(ids)})
    return Markup(ElementTree.tostring(root, encoding="unicode"))  # noqa: S704 (the allow-list above made it safe)


def _clean(element: ElementTree.Element, ids: Mapping[str, str]) -> None:
    element.tag = element.tag.removeprefix(_NAMESPACE)
    element.attrib = {
        key: _attribute(key, value, ids)
        for key, value in element.attrib.items()
        if key in _ATTRIBUTES and (key, value) not in _DEFAULTS
    }
    kept = []
    for child in element:
        if child.tag.removeprefix(_NAMESPACE) in _ELEMENTS and child.get("display") != "none":
            _clean(child, ids)
            if element.tag == "clipPath" or _draws(child):
                kept.append(child)
    element[:] = kept


def _draws(element: ElementTree.Element) -> bool:
    if element.tag in ("g", "defs"):
        return len(element) > 0
    if element.tag == "path":
        is_painted = element.get("fill") not in (None, "none", "transparent") or element.get("stroke") is not None
        return bool(element.get("d")) and is_painted
    if element.tag == "text":
        return bool("".join(element.itertext()).strip())
    return True


def _attribute(key: str, value: str, ids: Mapping[str, str]) -> str:
    """One value; ids are numbered anew, since vl-convert counts them through the life of the process."""
    if key == "id":
        return ids[value]
    value = _REFERENCE.sub(lambda found: f"url(#{ids.get(found[1], found[1])})", value)
    return _LONG_NUMBER.sub(r"\1", value)
