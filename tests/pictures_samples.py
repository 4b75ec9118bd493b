"""Pictures of every kind, and files that only pretend to be pictures, drawn in code."""

from __future__ import annotations

import io
import struct
import zlib
from collections.abc import Iterator

import numpy as np
import numpy.typing as npt
from PIL import Image

MAX_PIXELS = 10**7


def scene(width: int = 96, height: int = 64, seed: int = 0) -> Image.Image:
    """A picture with smooth parts, edges and texture."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[0:height, 0:width]
    rgb = np.stack([x * 255 / width, y * 255 / height, np.full_like(x, 90)], axis=-1).astype(np.float64)
    rgb[height // 4 : height // 2, width // 4 : width // 2] = (220, 40, 30)
    rgb[height // 2 :, width // 2 :] += rng.normal(0, 25, (height - height // 2, width - width // 2, 3))
    return Image.fromarray(np.clip(rgb, 0, 255).astype(np.uint8))


def encoded(image: Image.Image, format_: str = "PNG", **options: object) -> bytes:
    """The bytes of a file."""
    out = io.BytesIO()
    image.save(out, format_, **options)  # type: ignore[arg-type]
    return out.getvalue()


def turned(orientation: int, format_: str = "JPEG") -> bytes:
    """A file with an EXIF orientation."""
    exif = Image.Exif()
    exif[0x0112] = orientation
    return encoded(scene(), format_, exif=exif, **({"quality": 95} if format_ == "JPEG" else {}))


def grey16(values: npt.NDArray[np.uint16], format_: str = "PNG") -> bytes:
    """A 16-bit grey file."""
    return encoded(Image.fromarray(values), format_)


def chunk(kind: bytes, data: bytes) -> bytes:
    """One PNG chunk."""
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def png_with(*extra: bytes, width: int = 8, height: int = 8) -> bytes:
    """A PNG of one colour with chunks put before its pixels."""
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    pixels = zlib.compress(b"".join(b"\0" + bytes(3 * 8) for _ in range(8)))
    parts = [chunk(b"IHDR", header), *extra, chunk(b"IDAT", pixels), chunk(b"IEND", b"")]
    return b"\x89PNG\r\n\x1a\n" + b"".join(parts)


def text_bomb() -> bytes:
    """A PNG whose text unpacks to 20 MB."""
    return png_with(chunk(b"zTXt", b"bomb\0\0" + zlib.compress(bytes(20 * 2**20))))


def profile_bomb() -> bytes:
    """A PNG whose colour profile unpacks to 20 MB."""
    return png_with(chunk(b"iCCP", b"bomb\0\0" + zlib.compress(bytes(20 * 2**20))))


def many_texts() -> bytes:
    """A PNG whose texts unpack to 100 MB, each within its limit."""
    text = chunk(b"zTXt", b"part\0\0" + zlib.compress(bytes(2**20 - 1)))
    return png_with(*[text] * 100)


def hostile() -> Iterator[tuple[str, bytes]]:
    """Files that were cut, flipped, or made to do harm, each with a name."""
    jpeg, png = encoded(scene(), "JPEG", quality=90), encoded(scene())
    webp, gif = encoded(scene(), "WEBP", quality=80), encoded(scene(), "GIF")
    tiff, bmp = encoded(scene(), "TIFF", compression="tiff_lzw"), encoded(scene(), "BMP")
    avif, ppm = encoded(scene(), "AVIF"), encoded(scene(), "PPM")
    whole = {"jpeg": jpeg, "png": png, "webp": webp, "gif": gif, "tiff": tiff, "bmp": bmp, "avif": avif, "ppm": ppm}
    for name, data in whole.items():
        for part in range(1, 16):
            yield f"{name} cut at {part}/16", data[: len(data) * part // 16]
        yield f"{name} with 3 bytes", data[:3]
        for seed in range(12):
            yield f"{name} flipped {seed}", flipped(data, seed)
    yield "text bomb", text_bomb()
    yield "profile bomb", profile_bomb()
    yield "many texts", many_texts()
    yield "huge png", png_with(width=60_000, height=60_000)
    yield "endless png", png_with(width=2**31 - 1, height=2**31 - 1)
    yield "png without pixels", png_with(width=0, height=8)
    yield "png of zeros", b"\x89PNG\r\n\x1a\n" + bytes(500)
    yield "jpeg of zeros", b"\xff\xd8\xff" + bytes(500)
    yield "jpeg of ones", b"\xff\xd8" + b"\xff" * 500
    yield "tiff loop", b"II*\0" + struct.pack("<I", 8) + struct.pack("<H", 0) + struct.pack("<I", 8)
    yield "gif without frames", b"GIF89a" + struct.pack("<HHBBB", 100, 100, 0, 0, 0) + b";"
    yield "bmp with negative size", b"BM" + struct.pack("<IHHIIiiHH", 100, 0, 0, 54, 40, -5, -5, 1, 24) + bytes(60)
    yield "ppm with letters", b"P6 ten ten 255\n" + bytes(300)
    yield "text", b"this is not a picture\n" * 20


def flipped(data: bytes, seed: int) -> bytes:
    """The same file with some bits changed."""
    rng = np.random.default_rng(seed)
    changed = bytearray(data)
    for place in rng.integers(0, len(data), 1 + seed):
        changed[place] ^= 1 << int(rng.integers(0, 8))
    return bytes(changed)
