"""Every file, however hostile, ends as a right picture or as a PictureError with a known reason."""

from __future__ import annotations

import numpy as np
import pytest

from audit.errors import PictureError
from audit.extractors.base import InputSpec
from audit.pictures.decode import read_header
from audit.pictures.process import process
from audit.pictures.reasons import NOTES, REASONS
from audit.pictures.statistics import PICTURE_SCHEMA
from audit.pictures.thumbnail import thumbnail
from tests.pictures_samples import MAX_PIXELS, encoded, hostile, scene

FILES = dict(hostile())
SPEC = InputSpec(size=16)
every = pytest.mark.parametrize("name", FILES)


@every
def test_a_hostile_file_is_a_picture_or_a_known_reason(name: str) -> None:
    try:
        processed = process(FILES[name], SPEC, max_pixels=MAX_PIXELS)
    except PictureError as error:
        assert error.reason in REASONS
        assert error.detail
    else:
        assert processed.pixels is not None
        assert processed.pixels.shape == (16, 16, 3)
        assert set(processed.row) == set(PICTURE_SCHEMA.names)
        assert set(processed.row["notes"]) <= set(NOTES)


@every
def test_header_and_thumbnail_of_a_hostile_file_fail_only_as_picture_errors(name: str) -> None:
    for read in (
        lambda data: read_header(data, max_pixels=MAX_PIXELS),
        lambda data: thumbnail(data, side=32, max_pixels=MAX_PIXELS),
    ):
        try:
            read(FILES[name])
        except PictureError as error:
            assert error.reason in REASONS


@pytest.mark.parametrize("format_", ["JPEG", "PNG", "BMP", "TIFF", "PPM", "WEBP", "AVIF"])
@pytest.mark.parametrize("share", [0.5, 0.75, 0.9])
def test_a_file_that_ends_early_is_never_taken_for_a_picture(format_: str, share: float) -> None:
    data = encoded(scene(256, 192), format_)
    with pytest.raises(PictureError):
        process(data[: int(len(data) * share)], None, max_pixels=MAX_PIXELS)


@pytest.mark.parametrize("format_", ["JPEG", "PNG", "BMP"])
def test_most_cut_files_are_called_truncated(format_: str) -> None:
    data = encoded(scene(256, 192), format_)
    reasons = []
    for eighth in range(2, 8):
        with pytest.raises(PictureError) as caught:
            process(data[: len(data) * eighth // 8], None, max_pixels=MAX_PIXELS)
        reasons.append(caught.value.reason)
    assert reasons == ["truncated"] * 6


def test_processing_twice_gives_the_same_bytes() -> None:
    data = encoded(scene(300, 200), "JPEG", quality=88)
    first, second = (process(data, InputSpec(size=64), max_pixels=MAX_PIXELS) for _ in range(2))
    assert first.row == second.row
    assert np.array_equal(first.pixels, second.pixels)  # type: ignore[arg-type]
