"""Bytes to upright RGB, by format and kind of pixels."""

from __future__ import annotations

import io
import threading
import warnings

import numpy as np
import pytest
from PIL import Image

from audit.errors import PictureError
from audit.pictures.decode import FORMATS, decode, has_wrong_extension, read_header
from audit.pictures.pixels import scale_to_uint8
from tests.pictures_samples import (
    MAX_PIXELS,
    encoded,
    grey16,
    many_texts,
    png_with,
    profile_bomb,
    scene,
    text_bomb,
    turned,
)


def rgb(data: bytes) -> np.ndarray:
    return np.asarray(decode(data, max_pixels=MAX_PIXELS).image)


def notes(data: bytes) -> tuple[str, ...]:
    return decode(data, max_pixels=MAX_PIXELS).notes


def reason(data: bytes, max_pixels: int = MAX_PIXELS) -> str:
    with pytest.raises(PictureError) as caught:
        decode(data, max_pixels=max_pixels)
    return caught.value.reason


@pytest.mark.parametrize("format_", [f for f in FORMATS if f != "MPO"])
def test_every_allowed_format_is_read_with_its_name(format_: str) -> None:
    header = read_header(encoded(scene(), format_), max_pixels=MAX_PIXELS)
    assert (header.format, header.width, header.height) == (format_, 96, 64)


def test_a_file_of_several_jpegs_is_read_as_its_first() -> None:
    data = encoded(scene(), "MPO", save_all=True, append_images=[scene(seed=1)])
    assert read_header(data, max_pixels=MAX_PIXELS).format == "MPO"
    assert notes(data) == ("first_frame",)


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("format_", ["JPEG", "PNG", "WEBP", "TIFF"])
def test_every_orientation_is_applied_and_noted(format_: str, orientation: int) -> None:
    data = turned(orientation, format_)
    decoded = decode(data, max_pixels=MAX_PIXELS)
    expected = {
        1: lambda a: a,
        2: lambda a: a[:, ::-1],
        3: lambda a: a[::-1, ::-1],
        4: lambda a: a[::-1],
        5: lambda a: a.transpose(1, 0, 2),
        6: lambda a: a.transpose(1, 0, 2)[:, ::-1],
        7: lambda a: a[::-1, ::-1].transpose(1, 0, 2),
        8: lambda a: a.transpose(1, 0, 2)[::-1],
    }[orientation](np.asarray(scene()).astype(int))
    shown = np.asarray(decoded.image).astype(int)
    assert shown.shape == expected.shape
    assert np.abs(shown - expected).mean() < 12
    assert (decoded.header.width, decoded.header.height) == (shown.shape[1], shown.shape[0])
    assert decoded.notes == (() if orientation == 1 else ("exif_orientation",))


@pytest.mark.parametrize("format_", ["PNG", "TIFF", "PPM"])
def test_sixteen_bit_grey_is_scaled_and_not_clipped(format_: str) -> None:
    values = np.linspace(0, 65535, 32 * 16).reshape(16, 32).astype(np.uint16)
    assert np.array_equal(rgb(grey16(values, format_))[..., 0], np.floor(values / 257 + 0.5))
    assert notes(grey16(values, format_)) == ("sixteen_bit",)


def test_big_endian_sixteen_bit_grey_is_read_in_its_byte_order() -> None:
    values = np.full((8, 8), 0x1234, dtype=np.uint16)
    image = Image.frombytes("I;16B", (8, 8), values.astype(">u2").tobytes())
    assert set(rgb(encoded(image, "TIFF")).ravel().tolist()) == {round(0x1234 / 257)}


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        (np.array([[0, 0.5, 1]], np.float32), [0, 128, 255]),
        (np.array([[0, 100, 200]], np.float32), [0, 100, 200]),
        (np.array([[-10, 0, 10]], np.float32), [0, 128, 255]),
        (np.array([[0, 257, 65535]], np.int32), [0, 1, 255]),
        (np.array([[-1, 70_000, 70_000]], np.int32), [0, 255, 255]),
        (np.array([[7, 7, 7]], np.float32), [7, 7, 7]),
        (np.array([[1e6, 1e6, 1e6]], np.float32), [0, 0, 0]),
    ],
)
def test_other_pixel_types_are_scaled_by_their_range(values: np.ndarray, expected: list[int]) -> None:
    assert scale_to_uint8(values)[0].ravel().tolist() == expected


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_pixels_that_are_not_numbers_are_refused(bad: float) -> None:
    values = np.ones((8, 8), np.float32)
    values[3, 3] = bad
    assert reason(encoded(Image.fromarray(values), "TIFF")) == "not_finite"


def test_cmyk_is_converted_and_noted() -> None:
    data = encoded(scene().convert("CMYK"), "JPEG", quality=95)
    assert notes(data) == ("cmyk",)
    assert np.abs(rgb(data).astype(int) - np.asarray(scene()).astype(int)).mean() < 12


def test_transparent_parts_are_shown_on_white() -> None:
    image = scene().convert("RGBA")
    alpha = Image.new("L", image.size, 255)
    alpha.paste(0, (0, 0, 10, 10))
    alpha.paste(128, (10, 0, 20, 10))
    image.putalpha(alpha)
    shown = rgb(encoded(image))
    assert (shown[:10, :10] == 255).all()
    original = np.asarray(scene()).astype(int)
    assert np.abs(shown[:10, 10:20] - (original[:10, 10:20] * 128 + 255 * 127) / 255).max() <= 1
    assert np.array_equal(shown[20:], original[20:])
    assert notes(encoded(image)) == ("alpha_on_white",)


def test_opaque_alpha_changes_nothing_and_is_not_noted() -> None:
    assert np.array_equal(rgb(encoded(scene().convert("RGBA"))), np.asarray(scene()))
    assert notes(encoded(scene().convert("RGBA"))) == ()


def test_a_transparent_palette_entry_is_shown_on_white() -> None:
    image = Image.new("P", (8, 8), 0)
    image.putpalette([10, 20, 30, 200, 100, 50])
    image.paste(1, (4, 0, 8, 8))
    shown = rgb(encoded(image, "PNG", transparency=0))
    assert shown[0, 0].tolist() == [255, 255, 255]
    assert shown[0, 7].tolist() == [200, 100, 50]


def test_a_transparent_colour_of_an_rgb_png_is_shown_on_white() -> None:
    image = Image.new("RGB", (8, 8), (1, 2, 3))
    image.paste((9, 9, 9), (0, 0, 4, 8))
    shown = rgb(encoded(image, "PNG", transparency=(1, 2, 3)))
    assert shown[0, 7].tolist() == [255, 255, 255]
    assert shown[0, 0].tolist() == [9, 9, 9]


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P"])
def test_grey_and_palette_pictures_become_rgb(mode: str) -> None:
    image = scene().convert("L").convert(mode) if mode != "P" else scene().quantize(16)
    assert rgb(encoded(image)).shape == (64, 96, 3)


def test_of_an_animation_only_the_first_frame_is_used() -> None:
    frames = [Image.new("RGB", (16, 16), colour) for colour in ("red", "blue")]
    for format_ in ("GIF", "WEBP", "PNG"):
        data = encoded(frames[0], format_, save_all=True, append_images=frames[1:])
        assert rgb(data)[8, 8, 0] > 240
        assert notes(data) == ("first_frame",)


def test_an_unusual_colour_profile_is_noted_and_srgb_is_not() -> None:
    assert notes(encoded(scene(), "PNG", icc_profile=b"Display P3" * 20)) == ("icc_ignored",)
    assert notes(encoded(scene(), "PNG", icc_profile=b"sRGB IEC61966-2.1" * 20)) == ()


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (b"", "empty"),
        (b"just some text", "not_an_image"),
        (b"\xff", "not_an_image"),
        (b"8BPS\0\1" + bytes(40), "unsupported_format"),
        (b"%PDF-1.7 ...", "unsupported_format"),
        (b"\n<svg xmlns='...'/>", "unsupported_format"),
        (b"\0\0\0\x18ftypheic" + bytes(40), "unsupported_format"),
        (b"\xff\xd8\xff\xe0garbage", "truncated"),
        (b"\xff\xd8 no markers here", "corrupt_header"),
        (text_bomb(), "metadata_bomb"),
        (profile_bomb(), "metadata_bomb"),
        (many_texts(), "metadata_bomb"),
        (png_with(width=60_000, height=60_000), "too_many_pixels"),
        (png_with(width=12_000, height=12_000), "too_many_pixels"),
    ],
)
def test_what_is_no_picture_is_refused_with_its_reason(data: bytes, expected: str) -> None:
    assert reason(data) == expected


def test_the_pixel_limit_is_checked_on_the_header_and_is_inclusive() -> None:
    data = encoded(scene(100, 50))
    assert read_header(data, max_pixels=5000).width == 100
    with pytest.raises(PictureError, match=r"100 x 50 pixels; at most 4999"):
        read_header(data, max_pixels=4999)


@pytest.mark.parametrize("size", [(1, 1), (1, 100_000), (100_000, 1), (2, 3)])
def test_absurd_sizes_are_decoded(size: tuple[int, int]) -> None:
    assert decode(encoded(Image.new("RGB", size, "teal")), max_pixels=MAX_PIXELS).image.size == size


def test_a_large_jpeg_is_decoded_at_the_smallest_scale_that_keeps_the_short_side() -> None:
    data = encoded(scene(1300, 1100), "JPEG", quality=80)
    full = decode(data, max_pixels=MAX_PIXELS)
    for short_side, scale in ((1100, 1), (550, 2), (275, 4), (100, 8), (20, 8)):
        decoded = decode(data, max_pixels=MAX_PIXELS, short_side=short_side)
        assert decoded.scale == scale
        assert decoded.image.size == (-(-1300 // scale), -(-1100 // scale))
        assert ("reduced_scale" in decoded.notes) == (scale > 1)
        assert decoded.header == full.header


def test_reading_the_header_decodes_nothing() -> None:
    data = encoded(scene(256, 192))
    assert read_header(data[: len(data) // 4], max_pixels=MAX_PIXELS).width == 256


def test_an_extension_is_wrong_only_if_it_claims_another_format() -> None:
    assert has_wrong_extension("a.png", "JPEG")
    assert not has_wrong_extension("a.JPG", "JPEG")
    assert not has_wrong_extension("a.jpg", "MPO")
    assert not has_wrong_extension("noextension", "PNG")
    assert not has_wrong_extension("a.dat", "PNG")


def test_warnings_of_the_host_program_are_left_as_they_were() -> None:
    before = list(warnings.filters)
    data = encoded(scene(), "JPEG")
    threads = [threading.Thread(target=lambda: [rgb(data) for _ in range(30)]) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert warnings.filters == before


def test_an_unknown_failure_inside_pillow_becomes_a_picture_error(monkeypatch: pytest.MonkeyPatch) -> None:
    def explode(*_: object, **__: object) -> None:
        raise ZeroDivisionError("from deep inside")

    monkeypatch.setattr(Image, "open", explode)
    with pytest.raises(PictureError, match="ZeroDivisionError: from deep inside"):
        read_header(io.BytesIO(b"x").getvalue(), max_pixels=MAX_PIXELS)
