"""The pictures of a report, each embedded once however often it is shown.

A picture is the background of every element of its class, ``.p0``, ``.p1``, …; the rules hold the bytes.
"""

from __future__ import annotations

import base64
import io
from collections.abc import Callable

from PIL import Image

from audit.errors import ConfigError
from audit.report import Picture

Thumbnail = Callable[[str, str], bytes | None]
"""(dataset name, image_id) → bytes of a WebP, JPEG, PNG or GIF picture; None when there is none to be had."""

_MEDIA_TYPES = {"WEBP": "image/webp", "JPEG": "image/jpeg", "PNG": "image/png", "GIF": "image/gif"}
_NARROWEST, _WIDEST = 0.5, 2.2


class Album:
    """Gives every picture its class, in the order in which they are first asked for.

    Parameters
    ----------
    thumbnail : (dataset name, image_id) -> bytes or None
        Asked once for each picture.
    """

    def __init__(self, thumbnail: Thumbnail) -> None:
        self._thumbnail = thumbnail
        self._names: dict[tuple[str, str], str] = {}
        self._classes: dict[bytes, str] = {}
        self._rules: list[str] = []
        self.n_bytes = 0

    def class_of(self, picture: Picture) -> str:
        """The class that shows a picture; ``"missing"`` when there is no thumbnail of it."""
        key = (picture.dataset, picture.image_id)
        if key not in self._names:
            self._names[key] = self._class_of_bytes(self._thumbnail(*key))
        return self._names[key]

    def stylesheet(self) -> str:
        """The rules of every picture asked for so far."""
        return "\n".join(self._rules)

    def _class_of_bytes(self, data: bytes | None) -> str:
        if not data:
            return "missing"
        if data not in self._classes:
            self._classes[data] = f"p{len(self._classes)}"
            self._rules.append(_rule(self._classes[data], data))
            self.n_bytes += len(data)
        return self._classes[data]


def _rule(name: str, data: bytes) -> str:
    media_type, ratio = _describe(data)
    encoded = base64.b64encode(data).decode("ascii")
    shape = min(max(ratio, _NARROWEST), _WIDEST)
    return f".{name}{{--r:{shape:.3f};background-image:url(data:{media_type};base64,{encoded})}}"


def _describe(data: bytes) -> tuple[str, float]:
    """Media type and width over height, from the header."""
    try:
        with Image.open(io.BytesIO(data), formats=tuple(_MEDIA_TYPES)) as image:
            return _MEDIA_TYPES[str(image.format)], image.width / image.height
    except (OSError, SyntaxError) as error:
        raise ConfigError(
            f"a thumbnail of {len(data)} bytes starting {data[:8]!r} is none of "
            f"{', '.join(_MEDIA_TYPES)}: give thumbnails as audit.pictures.thumbnail makes them"
        ) from error
