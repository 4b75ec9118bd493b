"""The hashes of one picture."""

import numpy as np
import pyarrow as pa
import pytest
from PIL import Image

from audit.pictures.hashes import CHROMA_SIDE, HASH_SCHEMA, LUMA_SIDE, hashes


def picture(seed=0, height=192, width=256):
    """Smooth coloured shapes: a low-resolution random field, enlarged."""
    field = np.random.default_rng(seed).integers(0, 256, (9, 12, 3), dtype=np.uint8)
    return np.asarray(Image.fromarray(field).resize((width, height), Image.Resampling.BICUBIC))


def luma(row):
    return np.frombuffer(row["look_luma"], np.uint8).reshape(LUMA_SIDE, LUMA_SIDE).astype(int)


def chroma(row):
    return np.frombuffer(row["look_chroma"], np.uint8).reshape(2, CHROMA_SIDE, CHROMA_SIDE).astype(int)


def test_a_row_fits_the_schema_exactly():
    table = pa.Table.from_pylist([hashes(picture())], schema=HASH_SCHEMA)
    assert table.num_rows == 1
    assert table.column("look_luma").null_count == 0


def test_the_pixel_hash_changes_with_one_grey_level_of_one_pixel():
    one = picture()
    other = one.copy()
    other[100, 100, 1] ^= 1
    assert hashes(one)["pixel_hash"] != hashes(other)["pixel_hash"]


def test_the_pixel_hash_knows_a_picture_from_its_reshaped_bytes():
    flat = np.zeros((4, 6, 3), np.uint8)
    assert hashes(flat)["pixel_hash"] != hashes(flat.reshape(6, 4, 3))["pixel_hash"]


def test_the_pixel_hash_does_not_depend_on_memory_layout():
    one = picture()
    assert hashes(np.asfortranarray(one)) == hashes(one)


def test_luma_of_pure_colours_follows_bt601():
    for colour, expected in (((255, 0, 0), 76), ((0, 255, 0), 150), ((0, 0, 255), 29), ((255, 255, 255), 255)):
        flat = np.broadcast_to(np.array(colour, np.uint8), (64, 64, 3))
        assert set(luma(hashes(flat)).ravel()) == {expected}


def test_chroma_of_red_is_the_textbook_value_and_of_grey_is_128():
    red = chroma(hashes(np.broadcast_to(np.array((255, 0, 0), np.uint8), (64, 64, 3))))
    grey = chroma(hashes(np.full((64, 64, 3), 200, np.uint8)))
    assert (red[0] == 85).all() and (red[1] == 255).all()
    assert (grey == 128).all()


def test_half_the_resolution_gives_nearly_the_same_thumbnail():
    one = picture(height=384, width=512)
    half = np.asarray(Image.fromarray(one).resize((256, 192), Image.Resampling.BICUBIC))
    assert np.abs(luma(hashes(one)) - luma(hashes(half))).max() <= 3


def test_a_mirrored_picture_gives_the_mirrored_thumbnail():
    one = picture()
    assert np.abs(luma(hashes(one[:, ::-1])) - luma(hashes(one))[:, ::-1]).max() <= 1


@pytest.mark.parametrize("shape", [(1, 1, 3), (1, 500, 3), (7, 3, 3), (32, 32, 3)])
def test_tiny_and_narrow_pictures_have_hashes(shape):
    row = hashes(np.full(shape, 17, np.uint8))
    assert set(row["look_luma"]) == {17}


@pytest.mark.parametrize(
    "bad", [np.zeros((4, 4), np.uint8), np.zeros((4, 4, 3), np.float32), np.zeros((0, 4, 3), np.uint8)]
)
def test_anything_but_rgb_bytes_is_refused_with_what_was_seen(bad):
    with pytest.raises(ValueError, match=r"needs uint8 pixels"):
        hashes(bad)
