"""Names of inputs: how they are shown, which are skipped by rule, and which are pictures by their ending."""

from __future__ import annotations

import unicodedata
from urllib.parse import quote_from_bytes, unquote_to_bytes

from audit.pictures.decode import EXTENSIONS

PICTURE_ENDINGS = frozenset(
    [extension[1:].encode() for extensions in EXTENSIONS.values() for extension in extensions]
    + b"jp2 j2k ico heic heif tga dds cr2 nef arw dng".split()
)
"""A file that ends so is meant as a picture, and is a bad one if it cannot be read."""

ARCHIVE_ENDINGS = frozenset(b"zip tar tgz tbz tbz2 txz gz bz2 xz zst 7z rar".split())
"""Archives inside a source are never opened."""

OTHER_ENDINGS = frozenset(
    b"txt csv tsv json jsonl ndjson xml yaml yml md rst html htm pdf doc docx xls xlsx ppt pptx py ipynb js css c h "
    b"cpp java sh bat toml ini cfg log lock npy npz pkl pickle pt pth onnx h5 hdf5 mat parquet arrow feather db sqlite "
    b"lst idx names mp4 mov avi mkv webm mp3 wav flac ogg exe dll so bin license readme svg eps ai psd".split()
)
"""Files that are not pictures; a file with any other ending, or none, is judged by its bytes."""

SYSTEM_NAMES = frozenset({b"thumbs.db", b"ehthumbs.db", b"desktop.ini", b"__macosx", b"icon\r", b"@eadir"})
"""Files and folders that operating systems leave behind (compared in lower case)."""


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
        ``system_file``, ``hidden``, ``nested_archive`` or ``other_file``; None for what may be a picture.
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
        return "other_file", f"{display(parts[-1])} is not a picture by its name"
    return None


def is_picture_name(path: bytes) -> bool:
    """Whether the file ending promises a picture."""
    return ending(path) in PICTURE_ENDINGS


def is_unsafe(path: bytes) -> bool:
    """Whether a name is absolute, climbs with ``..``, or holds a NUL byte."""
    return path.startswith(b"/") or b"\0" in path or b".." in path.split(b"/")
