"""COCO annotations: pictures named by a JSON file, with the objects in them.

A picture's label is the category whose objects cover the largest area in it (equal areas: the first by name), its box
the largest object of that category. Crowd regions count only where there is nothing else. All categories of a picture
are kept in ``meta.categories``, the number of objects in ``meta.n_objects``. What else the file says of a picture (its
camera, sequence, date) are further columns, which may be named as label, split or group as those of a manifest.

Source: Lin et al., Microsoft COCO: Common Objects in Context, 2014; data format at https://cocodataset.org/#format-data
(``bbox`` is x, y, width, height in pixels from the top left).
"""

from __future__ import annotations

import json
import math
import re
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa

from storage.errors import SourceError, SourceLimitError, SourceUnsupportedError
from storage.sources.base import Entry, SourceLimits, SourceSpec
from storage.sources.columns import N_CORNERS, Box, as_text, find_roles
from storage.sources.manifest import PathSource

MAX_JSON_BYTES = 2**30
CHECKED_BYTES = 64 * 2**20
"""Up to this size an annotations file is parsed when it is submitted, and not only when it is scanned."""

_TECHNICAL = frozenset({"id", "file_name", "width", "height", "license", "flickr_url", "coco_url"})
"""Of an image's entry, what says nothing of its content."""

_SCHEMA = pa.schema(
    [
        pa.field("path", pa.binary()),
        pa.field("label", pa.string()),
        pa.field("box", pa.list_(pa.float64())),
        pa.field("categories", pa.list_(pa.string())),
        pa.field("n_objects", pa.int32()),
    ]
)


class CocoSource(PathSource):
    """Pictures of a COCO annotations file."""

    def __init__(self, spec: SourceSpec, limits: SourceLimits, root: Path) -> None:
        file = Path(spec.uri)
        if file.stat().st_size > MAX_JSON_BYTES:
            raise SourceLimitError(spec.uri, f"{spec.uri} is larger than {MAX_JSON_BYTES} bytes; split it.")
        with file.open("rb") as start:
            if not start.read(4096).lstrip(b"\xef\xbb\xbf \t\r\n").startswith(b"{"):
                raise SourceUnsupportedError(spec.uri, f"{spec.uri} is no JSON object with images and annotations.")
        self._file = file
        super().__init__(spec, limits, root)

    def check(self) -> None:
        """Refuse JSON that is not COCO; see :meth:`Source.check`. A very large file is left to the scan."""
        if self._file.stat().st_size <= CHECKED_BYTES:
            next(self.entries(), None)

    def entries(self) -> Iterator[Entry]:
        """List every picture; see :meth:`Source.entries`."""
        document = load_json(self.spec.uri, self._file)
        table = pa.Table.from_pylist(summarise(self.spec.uri, document), schema=_SCHEMA)
        for name, values in further_columns(document["images"]).items():
            table = table.append_column(f"image.{name}" if name in _SCHEMA.names else name, values)
        roles = find_roles(self.spec, table.column_names, needs_path=True, path_names=("path",))
        yield from self._list(table, roles, table.column("path").to_pylist())


def load_json(uri: str, file: Path) -> Mapping[str, Any]:
    """Parse an annotations file.

    Raises
    ------
    SourceError
        If it is not JSON or has no list of images.
    """
    try:
        document = json.loads(file.read_bytes())
    except (ValueError, RecursionError) as error:
        raise SourceError(uri, f"{uri} is not JSON: {error}") from error
    for key in ("images", "annotations", "categories"):
        value = document.get(key, [] if key != "images" else None)
        if not isinstance(value, list) or not all(isinstance(item, dict) for item in value):
            raise SourceError(uri, f"{uri} is not COCO: {key!r} is not a list of objects.")
    return dict(document)


def summarise(uri: str, document: Mapping[str, Any]) -> list[dict[str, Any]]:
    """One row for every picture: path, label, box, categories and number of objects.

    Raises
    ------
    SourceError
        If an entry lacks what the format requires.
    """
    try:
        names = {item["id"]: str(item["name"]) for item in document.get("categories", [])}
        objects = defaultdict(list)
        for item in document.get("annotations", []):
            objects[item["image_id"]].append(item)
        return [_summarise(image, objects.get(image["id"], []), names) for image in document["images"]]
    except (KeyError, TypeError, ValueError) as error:
        raise SourceError(uri, f"{uri} is not COCO: {type(error).__name__} at {error}") from error


def further_columns(images: Sequence[Mapping[str, Any]]) -> dict[str, pa.Array]:
    """Texts, numbers and truth values that the entries of images hold besides what the format requires.

    Returns
    -------
    name to array (n images,), by name
        Null where an entry lacks it; text where entries differ in kind. Lists and objects are left out.
    """
    names = sorted({name for image in images for name in image} - _TECHNICAL)
    columns = {name: [image.get(name) for image in images] for name in names}
    return {
        name: _as_array(values)
        for name, values in columns.items()
        if all(value is None or isinstance(value, str | int | float) for value in values)
    }


def _as_array(values: Sequence[Any]) -> pa.Array:
    kinds = {type(value) for value in values if value is not None}
    if len(kinds) > 1 and kinds != {int, float}:
        return pa.array([as_text(value) for value in values], pa.string())
    try:
        return pa.array(values, pa.float64() if kinds == {int, float} else None)
    except OverflowError:
        return pa.array([as_text(value) for value in values], pa.string())


def _summarise(
    image: Mapping[str, Any], objects: Sequence[Mapping[str, Any]], names: Mapping[Any, str]
) -> dict[str, Any]:
    single = [item for item in objects if not item.get("iscrowd")] or list(objects)
    areas: dict[str, float] = defaultdict(float)
    largest: dict[str, tuple[float, Box | None]] = {}
    for item in single:
        name = names.get(item["category_id"], str(item["category_id"]))
        box, area = _box(item)
        areas[name] += area
        largest[name] = max(largest.get(name, (-1.0, None)), (area, box), key=lambda pair: pair[0])
    label = min(areas, key=lambda name: (-areas[name], name)) if areas else None
    path = image.get("file_name")
    return {
        "path": str(path).encode("utf-8", "surrogateescape") if path else None,
        "label": label,
        "box": largest[label][1] if label is not None else None,
        "categories": sorted(areas),
        "n_objects": len(objects),
    }


def _box(item: Mapping[str, Any]) -> tuple[Box | None, float]:
    """Corners of an object's box and its area in square pixels (0 without a usable box)."""
    cells = item.get("bbox") or []
    if len(cells) != N_CORNERS:
        return None, 0.0
    x, y, width, height = map(float, cells)
    if not (math.isfinite(x + y + width + height) and width > 0 and height > 0):
        return None, 0.0
    return (x, y, x + width, y + height), width * height


def find_root(file: Path) -> Path:
    """Guess the folder of pictures: beside the annotations, or where the published archives unpack to.

    ``annotations/instances_val2017.json`` belongs to ``val2017/``, ``images/val2017/`` or ``images/``. The first of
    these that exists is taken unless the first picture named in the file lies beside it.
    """
    with file.open("rb") as start:
        found = re.search(rb'"file_name"\s*:\s*"([^"\\]+)"', start.read(2**20))
    if found is None:
        return file.parent
    name = found.group(1).decode("utf-8", "replace")
    part = file.stem.rpartition("_")[2]
    around = (file.parent, file.parent.parent)
    places = [place / below for place in around for below in ("", part, f"images/{part}", "images")]
    return next((place for place in places if (place / name).is_file()), file.parent)
