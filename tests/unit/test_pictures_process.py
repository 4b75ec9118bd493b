"""One decoding: rows, the extractor's input, thumbnails, and the words for reasons."""

from __future__ import annotations

import hashlib
import io
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from PIL import Image

from audit.extractors.base import InputSpec
from audit.pictures.process import MID_GREY, box_in_input, box_in_picture, extractor_input, process
from audit.pictures.reasons import NOTES, REASONS
from audit.pictures.statistics import PICTURE_SCHEMA
from audit.pictures.thumbnail import thumbnail
from tests.pictures_samples import MAX_PIXELS, encoded, scene, turned


def run(data: bytes, spec: InputSpec | None = None) -> dict[str, object]:
    return process(data, spec, max_pixels=MAX_PIXELS).row


def pixels(data: bytes, spec: InputSpec) -> np.ndarray:
    array = process(data, spec, max_pixels=MAX_PIXELS).pixels
    assert array is not None
    return array


def test_a_row_fits_the_schema() -> None:
    row = run(encoded(scene(), "JPEG"))
    assert set(row) == set(PICTURE_SCHEMA.names)
    assert pa.Table.from_pylist([row], schema=PICTURE_SCHEMA).num_rows == 1


def test_the_same_pixels_in_another_container_have_one_pixel_hash() -> None:
    files = [encoded(scene(), f) for f in ("PNG", "BMP", "TIFF", "PPM")]
    files.append(encoded(scene(), "WEBP", lossless=True))
    files.append(encoded(scene().convert("RGBA"), "PNG"))
    assert len({run(data)["pixel_hash"] for data in files}) == 1


def test_the_pixel_hash_is_of_size_and_all_pixels() -> None:
    image = scene(700, 500)
    expected = hashlib.sha256(b"500x700:" + np.asarray(image).tobytes()).hexdigest()
    assert run(encoded(image))["pixel_hash"] == expected


def test_one_changed_pixel_changes_the_pixel_hash() -> None:
    changed = scene()
    changed.putpixel((5, 5), (0, 0, 0))
    assert run(encoded(scene()))["pixel_hash"] != run(encoded(changed))["pixel_hash"]


def test_a_large_jpeg_with_other_metadata_has_the_same_pixel_hash() -> None:
    data = encoded(scene(1300, 1100), "JPEG", quality=80)
    commented = data[:2] + b"\xff\xfe\x00\x08secret"[:10] + data[2:]
    assert commented != data
    assert run(data)["notes"] == ["reduced_scale"]
    assert run(commented)["pixel_hash"] == run(data)["pixel_hash"]


@pytest.mark.parametrize("size", [96, 600, 1000])
def test_rows_do_not_depend_on_the_extractor(size: int) -> None:
    data = encoded(scene(1300, 1100), "JPEG", quality=80)
    assert run(data, InputSpec(size=size)) == run(data, None)


def test_an_input_larger_than_the_reduced_scale_is_made_from_a_larger_one() -> None:
    image = scene(1300, 1100)
    data = encoded(image, "JPEG", quality=95)
    spec = InputSpec(size=1000, resample="bicubic")
    full = np.asarray(Image.open(io.BytesIO(data)).resize((1000, 1000), Image.Resampling.BICUBIC, reducing_gap=3.0))
    assert np.array_equal(pixels(data, spec), full)


def test_squash_resizes_both_sides() -> None:
    image = Image.new("RGB", (40, 20), "red")
    image.paste("blue", (20, 0, 40, 20))
    shown = extractor_input(image, InputSpec(size=8, fit="squash"))
    assert shown[4, 1].tolist() == [255, 0, 0]
    assert shown[4, 6].tolist() == [0, 0, 255]


def test_crop_keeps_the_centre() -> None:
    image = Image.new("RGB", (60, 20), "red")
    image.paste("green", (20, 0, 40, 20))
    assert (extractor_input(image, InputSpec(size=10, fit="crop", resample="box")) == [0, 128, 0]).all()


def test_a_share_of_the_centre_is_cut_before_resizing() -> None:
    image = Image.new("RGB", (60, 20), "red")
    image.paste("green", (25, 5, 35, 15))
    shown = extractor_input(image, InputSpec(size=10, fit="crop", crop=0.5, resample="box"))
    assert (shown == [0, 128, 0]).all()


def test_a_share_of_both_sides_is_cut_before_squashing() -> None:
    image = Image.new("RGB", (60, 20), "red")
    image.paste("green", (15, 5, 45, 15))
    shown = extractor_input(image, InputSpec(size=10, fit="squash", crop=0.5, resample="box"))
    assert (shown == [0, 128, 0]).all()


def test_padding_takes_no_share() -> None:
    with pytest.raises(ValueError, match="crop must be 1"):
        InputSpec(size=10, fit="pad", crop=0.5)


def test_a_whole_picture_leaves_the_fingerprint_as_it_was_before_shares() -> None:
    assert InputSpec(size=10).model_dump(mode="json") == {"size": 10, "fit": "squash", "resample": "bilinear"}


def test_a_share_survives_json() -> None:
    spec = InputSpec(size=10, fit="crop", crop=0.875)
    assert InputSpec.model_validate_json(spec.model_dump_json()) == spec


def test_pad_keeps_everything_on_grey() -> None:
    image = Image.new("RGB", (40, 20), "red")
    shown = extractor_input(image, InputSpec(size=8, fit="pad", resample="box"))
    assert (shown[:2] == MID_GREY).all()
    assert (shown[2:6] == [255, 0, 0]).all()
    assert (shown[6:] == MID_GREY).all()


@pytest.mark.parametrize(("fit", "crop"), [("squash", 1.0), ("crop", 1.0), ("pad", 1.0), ("crop", 0.3)])
@pytest.mark.parametrize("size", [(1, 1), (1, 9000), (9000, 1), (3, 2)])
def test_absurd_sizes_become_an_input(fit: Any, crop: float, size: tuple[int, int]) -> None:
    shown = pixels(encoded(Image.new("RGB", size, "teal")), InputSpec(size=24, fit=fit, crop=crop))
    assert shown.shape == (24, 24, 3)
    assert (shown == [0, 128, 128]).all(axis=2).any()


def test_the_input_is_upright() -> None:
    spec = InputSpec(size=32)
    upright, sideways = pixels(turned(1), spec), pixels(turned(6), spec)
    rotated = np.rot90(upright.astype(int), -1)
    assert np.abs(sideways - rotated).mean() < 3


def test_resizing_averages_what_it_drops() -> None:
    lines = np.zeros((256, 256, 3), np.uint8)
    lines[::2] = 255
    shown = extractor_input(Image.fromarray(lines), InputSpec(size=16))
    assert np.abs(shown[1:-1].astype(int) - 127).max() <= 2


def test_a_thumbnail_is_an_upright_webp_without_metadata() -> None:
    image = Image.open(io.BytesIO(thumbnail(turned(6), side=48, max_pixels=MAX_PIXELS)))
    assert (image.format, image.size) == ("WEBP", (32, 48))
    assert not {"exif", "icc_profile", "xmp"} & set(image.info)


def test_a_thumbnail_is_never_enlarged_and_always_the_same() -> None:
    data = encoded(scene())
    first, second = (thumbnail(data, side=500, max_pixels=MAX_PIXELS) for _ in range(2))
    assert first == second
    assert Image.open(io.BytesIO(first)).size == (96, 64)


def test_a_thumbnail_of_no_size_is_refused() -> None:
    with pytest.raises(ValueError, match="at least 1 pixel, got 0"):
        thumbnail(encoded(scene()), side=0, max_pixels=MAX_PIXELS)


def test_every_reason_and_note_is_a_sentence() -> None:
    for reason in REASONS.values():
        assert reason.stage in {"scan", "decode", "embed"}
        assert reason.sentence.endswith(".")
        assert reason.action.endswith(".")
    assert all(note.endswith(".") for note in NOTES.values())


@pytest.mark.parametrize("fit", ["squash", "crop", "pad"])
@pytest.mark.parametrize("crop", [1.0, 0.875])
def test_a_box_lies_in_the_input_where_its_pixels_do(fit: Any, crop: float) -> None:
    spec = InputSpec(size=64, fit=fit, resample="box", crop=1.0 if fit == "pad" else crop)
    picture = np.zeros((120, 200, 3), np.uint8)
    picture[40:90, 60:150] = 255
    seen = extractor_input(Image.fromarray(picture), spec)[..., 0] == 255
    x0, y0, x1, y1 = box_in_input((60, 40, 150, 90), 200, 120, spec)
    rows, columns = np.flatnonzero(seen.any(axis=1)), np.flatnonzero(seen.any(axis=0))
    found = np.array([columns[0], rows[0], columns[-1] + 1, rows[-1] + 1]) / 64
    np.testing.assert_allclose((x0, y0, x1, y1), found, atol=1.01 / 64)


@pytest.mark.parametrize("fit", ["squash", "crop", "pad"])
@pytest.mark.parametrize("crop", [1.0, 0.875])
def test_a_box_of_the_input_lies_in_the_picture_where_it_came_from(fit: Any, crop: float) -> None:
    spec = InputSpec(size=64, fit=fit, crop=1.0 if fit == "pad" else crop)
    box = box_in_input((60, 40, 150, 90), 200, 120, spec)
    assert box_in_picture(box, 200, 120, spec) == pytest.approx((60 / 200, 40 / 120, 150 / 200, 90 / 120))


def test_a_box_on_the_grey_around_a_padded_picture_lies_nowhere_in_it() -> None:
    spec = InputSpec(size=64, fit="pad")
    assert box_in_picture((0.4, 0.0, 0.6, 0.2), 200, 100, spec) is None
    assert box_in_picture((0.4, 0.2, 0.6, 0.5), 200, 100, spec) == pytest.approx((0.4, 0.0, 0.6, 0.5))


def test_a_box_beyond_what_the_extractor_sees_is_cut_off() -> None:
    spec = InputSpec(size=64, fit="crop")
    assert box_in_input((0, 0, 200, 100), 200, 100, spec) == (0.0, 0.0, 1.0, 1.0)
