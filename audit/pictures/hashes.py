"""What is kept of a picture to find its copies later: an exact hash, and a thumbnail to look at a second time.

A bit string that merely *ranks* similarity cannot tell a rotated or partly covered copy from another picture. So the
second look is stored itself: 48 x 48 of luma and 8 x 8 of chroma, 2 432 bytes a picture. Everything the search for
near-duplicates needs (frequency descriptor, alignment, residual) is computed from it without reading a file again.
"""

from __future__ import annotations

import hashlib
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
from PIL import Image

LUMA_SIDE = 48
"""Side of the luma thumbnail, in pixels. The picture is squashed to a square: aspect ratio is kept elsewhere."""

CHROMA_SIDE = 8
"""Side of the chroma thumbnails, in pixels."""

HASH_SCHEMA = pa.schema(
    [
        pa.field("pixel_hash", pa.string(), nullable=False),
        pa.field("look_luma", pa.binary(LUMA_SIDE**2), nullable=False),
        pa.field("look_chroma", pa.binary(2 * CHROMA_SIDE**2), nullable=False),
    ]
)
"""Columns that :func:`hashes` fills.

pixel_hash : SHA-256 of the working picture's size and pixels, 64 hexadecimal digits
look_luma : uint8 (48, 48), row-major, ITU-R BT.601 luma in 0..255
look_chroma : uint8 (2, 8, 8), row-major, Cb then Cr, 128 = no colour
"""

LOOKS = ("look_luma", "look_chroma")
"""The bulky columns of HASH_SCHEMA: needed to find copies, and of no use to people."""

_BT601 = np.array([[0.299, 0.587, 0.114], [-0.168736, -0.331264, 0.5], [0.5, -0.418688, -0.081312]], dtype=np.float32)


def hashes(rgb: npt.NDArray[np.uint8], image: Image.Image | None = None) -> dict[str, Any]:
    """Fingerprint one decoded picture.

    Parameters
    ----------
    rgb : uint8 (h, w, 3), 0..255
        The working picture, upright.
    image : PIL.Image.Image, optional
        The same picture, where the caller has it: saves a copy.

    Returns
    -------
    dict
        One value for every field of :data:`HASH_SCHEMA`.

    Raises
    ------
    ValueError
        If ``rgb`` is not uint8 with three channels, or is empty.

    Notes
    -----
    The thumbnail uses a triangle filter wide enough that the same picture at another resolution gives the same
    thumbnail within a grey level or two (Pillow's ``BILINEAR``, after an integer box reduction).

    Source: ITU-R BT.601-7 (luma and colour-difference weights); ITU-T T.871 (full-range form).

    Examples
    --------
    >>> grey = np.full((40, 60, 3), 90, dtype=np.uint8)
    >>> set(hashes(grey)["look_luma"])
    {90}
    """
    if rgb.dtype != np.uint8 or rgb.ndim != 3 or rgb.shape[2] != 3 or rgb.size == 0:
        raise ValueError(f"hashes needs uint8 pixels (h, w, 3), at least 1 x 1; got {rgb.dtype} {rgb.shape}")
    pixels = np.ascontiguousarray(rgb)
    whole = Image.fromarray(pixels) if image is None else image
    small = whole.resize((LUMA_SIDE, LUMA_SIDE), Image.Resampling.BILINEAR, reducing_gap=2.0)
    ycc = np.asarray(small, dtype=np.float32) @ _BT601.T
    step = LUMA_SIDE // CHROMA_SIDE
    chroma = ycc[..., 1:].reshape(CHROMA_SIDE, step, CHROMA_SIDE, step, 2).mean(axis=(1, 3)) + 128.0
    return {
        "pixel_hash": pixel_hash(pixels),
        "look_luma": _bytes(ycc[..., 0]),
        "look_chroma": _bytes(chroma.transpose(2, 0, 1)),
    }


def pixel_hash(rgb: npt.NDArray[np.uint8]) -> str:
    """SHA-256 of height, width and pixels of a contiguous uint8 (h, w, 3) picture, 64 hexadecimal digits."""
    digest = hashlib.sha256(f"{rgb.shape[0]}x{rgb.shape[1]}:".encode())
    digest.update(rgb.data)
    return digest.hexdigest()


def look_bytes(column: pa.ChunkedArray) -> npt.NDArray[np.uint8]:
    """A column of :data:`LOOKS` as uint8 (n, width); what lies in one chunk is not copied."""
    width = column.type.byte_width
    chunks = [
        np.frombuffer(chunk.buffers()[1], dtype=np.uint8)[chunk.offset * width : (chunk.offset + len(chunk)) * width]
        for chunk in column.chunks
        if len(chunk)
    ]
    if not chunks:
        return np.empty((0, width), dtype=np.uint8)
    return (chunks[0] if len(chunks) == 1 else np.concatenate(chunks)).reshape(-1, width)


def _bytes(values: npt.NDArray[np.float32]) -> bytes:
    return np.clip(np.rint(values), 0, 255).astype(np.uint8).tobytes()
