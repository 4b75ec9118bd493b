"""Thumbnails: always encoded anew, so that nothing of a hostile file, nor its metadata, reaches a page."""

from __future__ import annotations

import io

from PIL import Image

from audit.pictures.decode import decode

QUALITY = 80
"""WebP quality of thumbnails."""


def thumbnail(data: bytes, *, side: int, max_pixels: int) -> bytes:
    """Encode a small upright copy of a picture as WebP.

    Parameters
    ----------
    data : bytes
        The whole file.
    side : int
        Longest side in pixels; a smaller picture is not enlarged.
    max_pixels : int
        Pictures with more are refused from their header.

    Returns
    -------
    bytes
        WebP without metadata; equal input gives equal bytes (with one version of libwebp).

    Raises
    ------
    PictureError
        If the picture cannot be decoded.
    ValueError
        If ``side`` is below 1.
    """
    if side < 1:
        raise ValueError(f"a thumbnail needs a side of at least 1 pixel, got {side}")
    image = decode(data, max_pixels=max_pixels, short_side=side).image
    scale = min(1.0, side / max(image.size))
    size = tuple(max(1, round(length * scale)) for length in image.size)
    small = image.resize((size[0], size[1]), Image.Resampling.LANCZOS, reducing_gap=3.0)
    out = io.BytesIO()
    Image.frombytes("RGB", small.size, small.tobytes()).save(out, "WEBP", quality=QUALITY, method=4)
    return out.getvalue()
