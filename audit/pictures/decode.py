"""Bytes to an upright RGB picture, or a :class:`~audit.errors.PictureError` that says why not.

The header is read and its size checked before any pixel is decoded. Pillow's own pixel limit is left as it is, as a
second line: ``max_pixels`` above about 178 million has no effect. Pillow turns a TIFF upright itself, size and pixels.

A picture that ends early is refused (``truncated``) even when most of it could be shown: the missing part would be
grey, and grey is not what was photographed.
"""

from __future__ import annotations

import io
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import PurePath
from threading import Lock

from PIL import ExifTags, Image, UnidentifiedImageError

from audit.errors import PictureError
from audit.pictures.pixels import to_rgb

FORMATS = ("JPEG", "MPO", "PNG", "WEBP", "GIF", "BMP", "TIFF", "PPM", "AVIF")
"""Formats that are read, by Pillow's names. Everything else is refused without being parsed."""

_PARSERS = tuple(name for name in FORMATS if name != "MPO")
"""Pillow opens an MPO (several JPEGs in one file) as a JPEG first."""

EXTENSIONS: Mapping[str, tuple[str, ...]] = {
    "JPEG": (".jpg", ".jpeg", ".jpe", ".jfif"),
    "MPO": (".jpg", ".jpeg", ".jpe", ".jfif", ".mpo"),
    "PNG": (".png", ".apng"),
    "WEBP": (".webp",),
    "GIF": (".gif",),
    "BMP": (".bmp", ".dib"),
    "TIFF": (".tif", ".tiff"),
    "PPM": (".ppm", ".pgm", ".pbm", ".pnm", ".pfm"),
    "AVIF": (".avif", ".avifs"),
}
"""File name extensions of each format."""

_SIGNATURES = (b"\xff\xd8", b"\x89PNG", b"GIF8", b"BM", b"II*\0", b"MM\0*", b"II+\0", b"MM\0+", b"RIFF")
_FOREIGN = {b"8BPS": "PSD", b"%PDF": "PDF", b"\0\0\1\0": "ICO", b"<svg": "SVG", b"\0\0\0\x0cjP": "JPEG 2000"}
_TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
_SIDEWAYS = (5, 6, 7, 8)
_EXIF_KEYS = {"exif", "xmp", "XML:com.adobe.xmp", "Raw profile type exif"}


@dataclass(frozen=True)
class Header:
    """What a file says of itself.

    Attributes
    ----------
    format : str
        One of :data:`FORMATS`, from the content, not the name.
    width, height : int
        In pixels, as shown (EXIF orientation applied).
    """

    format: str
    width: int
    height: int


@dataclass(frozen=True)
class Decoded:
    """An upright picture.

    Attributes
    ----------
    image : PIL.Image.Image
        Mode RGB, upright, ``header`` size divided by ``scale`` (rounded up).
    header : Header
    scale : int
        1, or 2, 4, 8 for a JPEG decoded at a fraction of its size.
    notes : tuple of str
        Keys of :data:`audit.pictures.reasons.NOTES`.
    quantisation : sequence of 64 int, or None
        The luminance quantisation table of a JPEG.
    """

    image: Image.Image
    header: Header
    scale: int
    notes: tuple[str, ...]
    quantisation: Sequence[int] | None


def read_header(data: bytes, *, max_pixels: int) -> Header:
    """Read format and size without decoding pixels.

    Raises
    ------
    PictureError
        ``empty``, ``not_an_image``, ``unsupported_format``, ``corrupt_header``, ``truncated``, ``metadata_bomb`` or
        ``too_many_pixels``.
    """
    with _reporting("corrupt_header"):
        return _header(_open(data), max_pixels)


def decode(data: bytes, *, max_pixels: int, short_side: int | None = None) -> Decoded:
    """Decode one picture: first frame, upright, RGB.

    Parameters
    ----------
    data : bytes
        The whole file.
    max_pixels : int
        Pictures with more are refused from their header.
    short_side : int, optional
        A JPEG whose short side is at least twice this is decoded at the smallest of 1/2, 1/4, 1/8 that keeps its
        short side at least this long. None decodes at full size.

    Raises
    ------
    PictureError
        With a code of :data:`audit.pictures.reasons.REASONS`, whatever went wrong.
    """
    with _reporting("corrupt_header"):
        image = _open(data)
        header = _header(image, max_pixels)
        orientation = _orientation(image)
        notes = _header_notes(image)
    with _reporting("corrupt"):
        scale = _draft(image, short_side)
        image.load()
        quantisation = getattr(image, "quantization", {}).get(0)
        rgb, pixel_notes = to_rgb(image)
        if orientation in _TURNS and image.format != "TIFF":
            rgb = rgb.transpose(_TURNS[orientation])
    notes += pixel_notes
    if orientation in _TURNS:
        notes.append("exif_orientation")
    if scale > 1:
        notes.append("reduced_scale")
    return Decoded(rgb, header, scale, tuple(sorted(notes)), quantisation)


def has_wrong_extension(name: str, format_: str) -> bool:
    """Whether a file name claims another picture format than the content has (no extension claims nothing)."""
    suffix = PurePath(name).suffix.lower()
    claimed = {key for key, suffixes in EXTENSIONS.items() if suffix in suffixes}
    return bool(claimed) and format_ not in claimed


def _open(data: bytes) -> Image.Image:
    if not data:
        raise PictureError("empty", "the file has 0 bytes")
    if data[:4] == b"RIFF" and data[8:12] == b"WEBP" and int.from_bytes(data[4:8], "little") + 8 > len(data):
        raise PictureError("truncated", f"the WebP header promises {int.from_bytes(data[4:8], 'little') + 8} bytes")
    try:
        return Image.open(io.BytesIO(data), formats=_PARSERS)
    except UnidentifiedImageError as error:
        raise _unidentified(data) from error


def _unidentified(data: bytes) -> PictureError:
    beginning = f"it begins with {data[:8].hex(' ')}"
    if data.startswith(_SIGNATURES) or data[4:12] == b"ftypavif":
        return PictureError("corrupt_header", f"the header cannot be parsed; {beginning}")
    for signature, name in _FOREIGN.items():
        if data.lstrip()[: len(signature)] == signature or data.startswith(signature):
            return PictureError("unsupported_format", f"the content is {name}")
    if data[4:8] == b"ftyp":
        return PictureError("unsupported_format", f"the content is of type {data[8:12].decode('latin-1')}")
    return PictureError("not_an_image", beginning)


def _header(image: Image.Image, max_pixels: int) -> Header:
    width, height = image.size
    if width < 1 or height < 1:
        raise PictureError("corrupt_header", f"the header says {width} x {height} pixels")
    if width * height > max_pixels:
        raise PictureError("too_many_pixels", f"{width} x {height} pixels; at most {max_pixels} are allowed")
    if image.format != "TIFF" and _orientation(image) in _SIDEWAYS:
        width, height = height, width
    return Header(str(image.format), width, height)


def _orientation(image: Image.Image) -> int:
    """EXIF orientation, 1..8. Of a PNG only what stands before its pixels, since Pillow decodes it to look further."""
    if image.format == "PNG" and "exif" not in image.info:
        return 1
    if image.format != "TIFF" and not _EXIF_KEYS.intersection(map(str, image.info)):
        return 1
    value = image.getexif().get(ExifTags.Base.Orientation, 1)
    return value if value in _TURNS else 1


def _header_notes(image: Image.Image) -> list[str]:
    notes = ["first_frame"] if getattr(image, "is_animated", False) else []
    profile = image.info.get("icc_profile") or b""
    if profile and b"sRGB" not in profile and b"s\0R\0G\0B" not in profile:
        notes.append("icc_ignored")
    return notes


def _draft(image: Image.Image, short_side: int | None) -> int:
    """Ask a JPEG for a reduced scale; the divisor it will be decoded at."""
    if short_side is None or image.format not in {"JPEG", "MPO"} or min(image.size) < 2 * short_side:
        return 1
    width = image.size[0]
    image.draft(None, (short_side, short_side))
    return round(width / image.size[0])


@contextmanager
def _reporting(fallback: str) -> Iterator[None]:
    """Turn whatever Pillow raises into a PictureError.

    Pillow's decoders raise OSError, SyntaxError, struct.error, ValueError, TypeError, KeyError, IndexError, EOFError,
    OverflowError, MemoryError, zlib.error, DecompressionBombError and more, and new versions raise others: for a
    hostile file every one of them means the same, so all are caught.
    """
    try:
        with _quiet():
            yield
    except PictureError:
        raise
    except MemoryError as error:
        raise PictureError("out_of_memory", "decoding asked for more memory than there is") from error
    except Image.DecompressionBombError as error:
        raise PictureError("too_many_pixels", str(error)) from error
    except Exception as error:
        raise PictureError(_reason(error, fallback), f"{type(error).__name__}: {error}") from error


def _reason(error: Exception, fallback: str) -> str:
    text = str(error).lower()
    if "text_chunk" in text or "text chunks" in text or "decompressed data too large" in text:
        return "metadata_bomb"
    if isinstance(error, EOFError) or "truncat" in text or "not enough image data" in text:
        return "truncated"
    return fallback


class _Silence:
    """Pillow's warnings, silenced while any thread is inside :func:`_quiet`."""

    lock = Lock()
    depth = 0
    scope: warnings.catch_warnings[None] | None = None


@contextmanager
def _quiet() -> Iterator[None]:
    """Silence warnings about strange files: what matters of them is in ``notes`` or in an error."""
    with _Silence.lock:
        _Silence.depth += 1
        if _Silence.depth == 1:
            _Silence.scope = warnings.catch_warnings()
            _Silence.scope.__enter__()
            warnings.simplefilter("ignore")
    try:
        yield
    finally:
        with _Silence.lock:
            _Silence.depth -= 1
            if _Silence.depth == 0 and _Silence.scope is not None:
                _Silence.scope.__exit__(None, None, None)
                _Silence.scope = None
