"""Every kind of pixels a file can hold, turned into 8-bit RGB without silent clipping.

Pillow's ``convert`` clips 16-bit and floating-point pixels at 255; here they are scaled, and the scale is stated.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image

from audit.errors import PictureError

_DIRECT = {"RGB", "L", "1", "P", "CMYK", "YCbCr", "RGBX", "HSV"}
_ALPHA = {"RGBA", "LA", "PA", "RGBa", "La"}


def to_rgb(image: Image.Image) -> tuple[Image.Image, list[str]]:
    """Convert a loaded picture to mode RGB, and say what that took.

    Transparent parts are shown on white, as most pages and viewers do. CMYK is converted without a profile.

    Returns
    -------
    image : PIL.Image.Image, mode RGB
    notes : list of str
        Keys of :data:`audit.pictures.reasons.NOTES`.

    Raises
    ------
    PictureError
        ``unsupported_pixels`` for a mode without a conversion, ``not_finite`` for NaN or infinite pixels.
    """
    if image.mode == "RGB" and "transparency" not in image.info:
        return image, []
    if image.mode.startswith("I") or image.mode == "F":
        grey, note = scale_to_uint8(np.asarray(image))
        return Image.fromarray(grey).convert("RGB"), [note]
    if image.mode in _ALPHA or (image.mode in _DIRECT and image.has_transparency_data):
        return _on_white(image)
    if image.mode in _DIRECT:
        return image.convert("RGB"), ["cmyk"] if image.mode == "CMYK" else []
    raise PictureError("unsupported_pixels", f"pixels of Pillow's mode {image.mode!r} have no conversion to RGB")


def scale_to_uint8(values: npt.NDArray[Any]) -> tuple[npt.NDArray[np.uint8], str]:
    """Scale grey pixels of another type to 0..255.

    Parameters
    ----------
    values : uint16, int32 or float32 (h, w)
        Integers within 0..65535 are taken as 16-bit and divided by 257, whatever their greatest value: so equal
        pixels stay equal across files. Floats within 0..1 are multiplied by 255; floats within 0..255 stay. Anything
        else is stretched from its own minimum and maximum.

    Returns
    -------
    grey : uint8 (h, w)
        Rounded to nearest, halves up.
    note : str
        ``sixteen_bit`` or ``float_pixels``.

    Raises
    ------
    PictureError
        ``not_finite``.
    """
    low, high = float(values.min()), float(values.max())
    if not np.isfinite(low) or not np.isfinite(high):
        raise PictureError("not_finite", f"the darkest pixel is {low}, the brightest {high}")
    integral = np.issubdtype(values.dtype, np.integer)
    if integral and low >= 0 and high <= 65535:
        return _rounded(values, 0.0, 65535.0), "sixteen_bit"
    if not integral and low >= 0 and high <= 255:
        return _rounded(values, 0.0, 1.0 if high <= 1 else 255.0), "float_pixels"
    return _rounded(values, low, high), "float_pixels"


def _rounded(values: npt.NDArray[Any], low: float, high: float) -> npt.NDArray[np.uint8]:
    scale = 255.0 / (high - low) if high > low else 0.0
    grey = np.floor((values.astype(np.float64) - low) * scale + 0.5)
    return np.clip(grey, 0, 255).astype(np.uint8)


def _on_white(image: Image.Image) -> tuple[Image.Image, list[str]]:
    if image.mode == "La":
        image = image.convert("LA")
    rgba = image.convert("RGBA")
    alpha = rgba.getchannel("A")
    if alpha.getextrema() == (255, 255):
        return rgba.convert("RGB"), []
    white = Image.new("RGB", rgba.size, "white")
    white.paste(rgba.convert("RGB"), mask=alpha)
    return white, ["alpha_on_white"]
