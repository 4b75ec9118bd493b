"""Statistics of pictures, against numbers worked out by hand and other implementations."""

from __future__ import annotations

import colorsys
import io
import math

import numpy as np
import pytest
import scipy.ndimage
import scipy.stats
from PIL import Image, ImageFilter

from audit.pictures.sharpness import binomial_blur, border_share, detail, gradient_energy, tile_sums
from audit.pictures.statistics import (
    PICTURE_SCHEMA,
    STATISTICS,
    WORKING_PIXELS,
    Origin,
    jpeg_quality,
    statistics,
    working_picture,
)
from tests.pictures_samples import scene

ORIGIN = Origin(width=96, height=64, n_bytes=768)


def of(image: Image.Image, origin: Origin = ORIGIN) -> dict[str, float]:
    return statistics(image.convert("RGB"), origin)  # type: ignore[return-value]


def grey(array: np.ndarray) -> Image.Image:
    return Image.fromarray(array.astype(np.uint8))


def edge(blur: float, size: int = 128, contrast: int = 120) -> np.ndarray:
    """A vertical edge blurred by a Gaussian of ``blur`` pixels."""
    x = np.arange(size) - size / 2 + 0.5
    line = 60 + contrast * scipy.stats.norm.cdf(x / max(blur, 1e-9))
    return np.rint(np.tile(line, (size, 1))).astype(np.uint8)


def test_every_statistic_has_a_float32_column_and_a_definition() -> None:
    assert PICTURE_SCHEMA.names[: len(STATISTICS)] == list(STATISTICS)
    assert {str(PICTURE_SCHEMA.field(name).type) for name in STATISTICS} == {"float"}
    assert list(of(scene())) == list(STATISTICS)


def test_light_of_two_levels_is_what_one_works_out_by_hand() -> None:
    values = of(grey(np.repeat([[51], [204]], 8, axis=1).repeat(4, axis=0)))
    assert values["brightness_mean"] == pytest.approx(0.5)
    assert values["brightness_p05"] == pytest.approx(0.2)
    assert values["brightness_p95"] == pytest.approx(0.8)
    assert values["contrast_rms"] == pytest.approx(0.3)
    assert values["contrast_range"] == pytest.approx(0.6)
    assert values["entropy"] == pytest.approx(1.0)


def test_shares_of_black_and_white_are_counted() -> None:
    values = of(grey(np.array([[0] * 3 + [255] * 2 + [100] * 5] * 10)))
    assert values["black_share"] == pytest.approx(0.3)
    assert values["white_share"] == pytest.approx(0.2)


def test_entropy_agrees_with_scipy() -> None:
    luma = np.asarray(scene().convert("L"))
    counts = np.bincount(luma.ravel(), minlength=256)
    assert of(scene())["entropy"] == pytest.approx(scipy.stats.entropy(counts, base=2), rel=1e-6)


def test_mean_colours_and_saturation_agree_with_a_plain_loop() -> None:
    rgb = np.asarray(scene()).reshape(-1, 3) / 255
    values = of(scene())
    for channel, name in enumerate(("red_mean", "green_mean", "blue_mean")):
        assert values[name] == pytest.approx(rgb[:, channel].mean(), rel=1e-6)
    saturation, value = zip(*[colorsys.rgb_to_hsv(*pixel)[1:] for pixel in rgb.tolist()], strict=True)
    assert values["saturation"] == pytest.approx(np.average(saturation, weights=value), rel=1e-5)


def test_colourfulness_agrees_with_the_formula_of_hasler_and_suesstrunk() -> None:
    red, green, blue = np.asarray(scene()).astype(float).reshape(-1, 3).T
    rg, yb = red - green, (red + green) / 2 - blue
    expected = math.hypot(rg.std(), yb.std()) + 0.3 * math.hypot(rg.mean(), yb.mean())
    assert of(scene())["colourfulness"] == pytest.approx(expected, rel=1e-6)


def test_a_grey_picture_has_no_colour() -> None:
    values = of(scene().convert("L"))
    assert values["chroma_p99"] == values["saturation"] == values["colourfulness"] == 0


def test_corners_are_the_mean_luma_of_their_eighths() -> None:
    array = np.full((64, 96), 100)
    array[:8, :12] = 0
    array[-8:, -12:] = 255
    values = of(grey(array))
    assert values["corner_top_left"] == 0
    assert values["corner_bottom_right"] == 1
    assert values["corner_top_right"] == values["corner_bottom_left"] == pytest.approx(100 / 255)


def test_what_the_file_says_is_taken_from_the_file() -> None:
    values = of(scene(), Origin(width=192, height=128, n_bytes=3072))
    assert values["aspect"] == 1.5
    assert values["megapixels"] == pytest.approx(0.024576)
    assert values["short_side"] == 128
    assert values["working_scale"] == 0.5
    assert values["bits_per_pixel"] == 1
    assert values["jpeg_quality"] is None


@pytest.mark.parametrize("quality", [1, 5, 10, 30, 50, 75, 90, 95, 99])
def test_the_quality_of_a_jpeg_is_read_from_its_table(quality: int) -> None:
    out = io.BytesIO()
    scene().save(out, "JPEG", quality=quality)
    assert jpeg_quality(Image.open(out).quantization[0]) == quality


def test_a_small_picture_is_its_own_working_picture() -> None:
    image = scene(362, 362)
    assert working_picture(image) is image


@pytest.mark.parametrize("size", [(400, 400), (4000, 3000), (100_000, 1), (1, 100_000), (300_000, 3), (140_000, 1)])
def test_the_working_picture_is_never_too_large_nor_empty(size: tuple[int, int]) -> None:
    width, height = working_picture(Image.new("RGB", size)).size
    assert 1 <= width * height <= WORKING_PIXELS * 1.01


def test_the_binomial_blur_agrees_with_scipy() -> None:
    luma = np.asarray(scene().convert("L"))
    kernel = np.array([1, 4, 6, 4, 1])
    expected = scipy.ndimage.convolve(luma.astype(np.int64), np.outer(kernel, kernel))[2:-2, 2:-2]
    assert np.array_equal(binomial_blur(luma), expected)


def test_gradient_energy_and_tiles_are_what_one_works_out_by_hand() -> None:
    levels = np.array([[0, 3, 3], [4, 4, 4], [9, 9, 9], [9, 9, 9], [1, 2, 3]], np.int16)
    assert gradient_energy(levels).tolist() == [[9 + 16, 0 + 1], [0, 0]]
    energy = np.ones((17, 40), np.int32)
    assert tile_sums(energy).tolist() == [128] * 4


@pytest.mark.parametrize("blur", [1.0, 1.5, 2.0, 3.0])
def test_the_sharpness_of_an_edge_is_that_of_its_width(blur: float) -> None:
    assert detail(edge(blur))["sharpness"] == pytest.approx(math.sqrt(1 + 1 / blur**2), rel=0.04)


def test_sharpness_hardly_depends_on_contrast() -> None:
    strong, weak = (detail(edge(1.5, contrast=contrast))["sharpness"] for contrast in (180, 30))
    assert strong == pytest.approx(weak, rel=0.05)


def test_a_sharp_subject_before_a_soft_background_is_sharp() -> None:
    sharp = scene(256, 256, seed=3)
    soft = sharp.filter(ImageFilter.GaussianBlur(6))
    mixed = soft.copy()
    mixed.paste(sharp.crop((96, 96, 192, 192)), (96, 96))
    values = [detail(np.asarray(image.convert("L")))["sharpness"] for image in (sharp, mixed, soft)]
    assert values[1] == pytest.approx(values[0], rel=0.35)
    assert values[1] > 3  # type: ignore[operator]
    assert values[2] < 1.3  # type: ignore[operator]


@pytest.mark.parametrize("array", [np.full((64, 64), 90), np.zeros((4, 90)), np.zeros((1, 1))])
def test_sharpness_of_a_picture_without_structure_is_not_told(array: np.ndarray) -> None:
    assert detail(array.astype(np.uint8)) == {"sharpness": None, "edge_share": 0.0}


def test_a_frame_counts_by_its_area() -> None:
    array = np.asarray(scene(100, 80, seed=5).convert("L")).copy()
    array[:10] = 0
    array[-10:] = 0
    assert border_share(array) == pytest.approx(0.25)


def test_the_plain_background_of_an_object_is_no_frame() -> None:
    y, x = np.mgrid[0:100, 0:100]
    array = np.where((x - 50) ** 2 + (y - 50) ** 2 < 900, 30, 255).astype(np.uint8)
    assert border_share(array) == 0


def test_a_picture_of_one_colour_has_no_frame() -> None:
    assert border_share(np.full((40, 40), 200, np.uint8)) == 0
