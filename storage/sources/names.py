"""Names of inputs: how they are shown, which are skipped by rule, and which are pictures by their ending."""

from __future__ import annotations

import unicodedata
from urllib.parse import quote_from_bytes, unquote_to_bytes

PICTURE_ENDINGS = {
    b"jpg": "JPEG",
    b"jpeg": "JPEG",
    b"jpe": "JPEG",
    b"jfif": "JPEG",
    b"png": "PNG",
    b"apng": "PNG",
    b"gif": "GIF",
    b"bmp": "BMP",
    b"dib": "BMP",
    b"webp": "WEBP",
    b"tif": "TIFF",
    b"tiff": "TIFF",
    b"ppm": "PPM",
    b"pgm": "PPM",
    b"pbm": "PPM",
    b"pnm": "PPM",
    b"avif": "AVIF",
    b"jp2": "JPEG2000",
    b"ico": "ICO",
    b"heic": "HEIF",
    b"heif": "HEIF",
    b"tga": "TGA",
}
"""File ending → the format it promises. A file that ends so is a picture, and a bad one if it cannot be read."""

ARCHIVE_ENDINGS = frozenset(b"zip tar tgz tbz tbz2 txz gz bz2 xz zst 7z rar".split())
"""Archives inside a source are never opened."""

OTHER_ENDINGS = frozenset(
    b"txt csv tsv json jsonl ndjson xml yaml yml md rst html htm pdf doc docx xls xlsx ppt pptx py ipynb js css c h cpp "
    b"java sh bat toml ini cfg log lock npy npz pkl pickle pt pth onnx h5 hdf5 mat parquet arrow feather db sqlite "
    b"lst idx names mp4 mov avi mkv webm mp3 wav flac ogg exe dll so bin license readme svg eps ai psd".split()
)
"""Files that are not pictures; a file with any other ending, or none, is judged by its bytes."""

SYSTEM_NAMES = frozenset({b"thumbs.db", b"ehthumbs.db", b"desktop.ini", b"__macosx", b"icon\r", b"@eadir"})
"""Files and folders that operating systems leave behind (compared in lower case)."""

_SIGNATURES = (
    (b"\xff\xd8\xff", "JPEG"),
    (b"\x89PNG\r\n\x1a\n", "PNG"),
    (b"GIF87a", "GIF"),
    (b"GIF89a", "GIF"),
    (b"BM", "BMP"),
    (b"II*\0", "TIFF"),
    (b"MM\0*", "TIFF"),
    (b"\0\0\0\x0cjP  ", "JPEG2000"),
    (b"\0\0\1\0", "ICO"),
)
_BRANDS = {b"avif": "AVIF", b"avis": "AVIF", b"heic": "HEIF", b"heix": "HEIF", b"mif1": "HEIF"}


def display(path: bytes) -> str:
    r"""Show a raw name to people: UTF-8, with undecodable bytes, control and direction characters escaped.

    Examples
    --------
    >>> display(b"caf\xc3\xa9.jpg"), display(b"caf\xe9.jpg"), display(b"a\nb.jpg")
    ('café.jpg', 'caf\\xe9.jpg', 'a\\nb.jpg')
    """
    text = path.decode("utf-8", "backslashreplace")
    if text.isascii() and text.isprintable():
        return text
    return "".join(_escape(character) for character in text)


def _escape(character: str) -> str:
    if unicodedata.category(character) in {"Cc", "Cf", "Cs", "Zl", "Zp"}:
        return character.encode("unicode_escape").decode("ascii")
    return character


def quote(path: bytes) -> str:
    """Write a raw name as ASCII for a locator; :func:`unquote` gives the bytes back."""
    return quote_from_bytes(path, safe="/ ()[],;=@+!&'")


def unquote(text: str) -> bytes:
    """Undo :func:`quote`."""
    return unquote_to_bytes(text)


def ending(path: bytes) -> bytes:
    """File ending of a raw name in lower case without the dot; empty when there is none."""
    name = path.rsplit(b"/", 1)[-1]
    stem, dot, end = name.rpartition(b".")
    return end.lower() if dot and stem else b""


def skip_rule(path: bytes, *, include_hidden: bool) -> tuple[str, str] | None:
    """Find the rule by which a file is skipped without reading it.

    Returns
    -------
    (reason, detail) or None
        ``system_file``, ``hidden``, ``nested_archive`` or ``not_an_image``; None for what may be a picture.
    """
    parts = path.split(b"/")
    for part in parts:
        if part.lower() in SYSTEM_NAMES or part == b".DS_Store" or part.startswith(b"._"):
            return "system_file", f"{display(part)} is left behind by an operating system"
        if part.startswith(b".") and not include_hidden and part not in {b".", b".."}:
            return "hidden", f"{display(part)} starts with a dot"
    end = ending(path)
    if end in ARCHIVE_ENDINGS:
        return "nested_archive", f"an archive (.{display(end)}) inside the source is not opened"
    if end in OTHER_ENDINGS or parts[-1].lower() in OTHER_ENDINGS:
        return "not_an_image", f"{display(parts[-1])} is not a picture by its name"
    return None


def is_picture_name(path: bytes) -> bool:
    """Whether the file ending promises a picture."""
    return ending(path) in PICTURE_ENDINGS


def is_unsafe(path: bytes) -> bool:
    """Whether a name is absolute, climbs with ``..``, or holds a NUL byte."""
    return path.startswith(b"/") or b"\0" in path or b".." in path.split(b"/")


def sniff(data: bytes) -> str | None:
    """Format that the first bytes announce, or None when they are those of no picture known here."""
    for signature, name in _SIGNATURES:
        if data.startswith(signature):
            return name
    if data[:4] == b"RIFF" and data[8:12] == b"WEBP":
        return "WEBP"
    if data[4:8] == b"ftyp":
        return _BRANDS.get(data[8:12])
    if data[:1] == b"P" and data[1:2] in b"123456" and data[2:3].isspace():
        return "PPM"
    return None


def wrong_ending(path: bytes, format_name: str | None) -> str | None:
    """Say so when a file's ending promises another format than its bytes hold; None when they agree."""
    promised = PICTURE_ENDINGS.get(ending(path))
    found = {"MPO": "JPEG"}.get(format_name or "", format_name)
    if promised is None or found is None or promised == found.upper():
        return None
    return f"wrong_extension: .{display(ending(path))} holds {found}"
