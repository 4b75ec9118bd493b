"""The bundled extractor: what its layers measure, by hand on pictures whose answer is known."""

import hashlib

import numpy as np
import pytest
from skimage.color import rgb2lab

from audit.extractors import _descriptors as descriptors
from audit.extractors import classical, load_extractor


def plain(colour: tuple[int, int, int]) -> np.ndarray:
    return np.full((1, 128, 128, 3), colour, np.uint8)


def stripes(axis: int) -> np.ndarray:
    wave = (127 + 100 * np.sin(np.arange(128) / 128 * 2 * np.pi * 8)).astype(np.uint8)
    picture = np.broadcast_to(wave[:, None] if axis == 0 else wave[None, :], (128, 128))
    return np.repeat(picture[None, :, :, None], 3, axis=3)


def noise(n: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (n, 128, 128, 3), dtype=np.uint8)


def test_a_picture_of_one_colour_fills_one_colour_neuron_of_every_cell() -> None:
    layer = classical.measure(plain((230, 20, 20)))["colour"]
    assert sorted(layer[0, 0])[-2:] == [0.0, 1.0]
    np.testing.assert_array_equal(layer[0], np.tile(layer[0, 0], (16, 1)))


def test_tint_is_the_lab_colour_of_the_cell() -> None:
    colour = (92, 140, 60)
    expected = rgb2lab(np.array([[colour]], np.uint8))[0, 0] / [25, 10, 15]
    tint = classical.measure(plain(colour))["tint"]
    np.testing.assert_allclose(tint[0, 10], expected, atol=0.08)


def test_vertical_stripes_have_horizontal_gradients() -> None:
    layer = classical.measure(stripes(axis=1))["edges"].mean(axis=1)[0]
    assert layer.argmax() == 0
    assert layer[1:-1].max() < 0.1 * layer[0]


def test_horizontal_stripes_have_vertical_gradients() -> None:
    layer = classical.measure(stripes(axis=0))["edges"].mean(axis=1)[0]
    assert {int(i) for i in np.argsort(layer)[-2:]} == {4, 5}


def test_a_ramp_of_known_slope_gives_its_root_mean_gradient() -> None:
    ramp = np.repeat(np.broadcast_to(np.arange(64, dtype=np.int16) * 2, (1, 64, 64)), 1, axis=0)
    sums = descriptors.edges(ramp, 8)
    inner = sums.reshape(8, 8, 9)[3, 3]
    np.testing.assert_array_equal(inner, [4 * 16 * 64, 0, 0, 0, 0, 0, 0, 0, 0])


def test_patterns_agree_with_a_slow_count() -> None:
    luma = np.random.default_rng(3).integers(0, 60, (1, 34, 34)).astype(np.int16) * 4
    ring = ((-1, 0), (-1, 1), (0, 1), (1, 1), (1, 0), (1, -1), (0, -1), (-1, -1))
    uniform = sorted(v for v in range(256) if sum((v >> i ^ v >> (i + 1) % 8) & 1 for i in range(8)) <= 2)
    expected = np.zeros(59, np.int64)
    for y, x in np.ndindex(32, 32):
        centre = luma[0, y + 1, x + 1] + descriptors.PATTERN_MARGIN
        code = sum((luma[0, y + 1 + dy, x + 1 + dx] > centre) << bit for bit, (dy, dx) in enumerate(ring))
        expected[uniform.index(code) if code in uniform else 58] += 1
    np.testing.assert_array_equal(descriptors.patterns(luma, 1)[0, 0], expected)


def test_an_empty_batch_gives_empty_features() -> None:
    features = load_extractor("classical").features(noise(0))
    assert features.embedding.shape == (0, 472)
    assert features.layers["edges"].shape == (0, 64, 9)


def test_a_picture_of_another_size_is_refused() -> None:
    with pytest.raises(ValueError, match="takes uint8"):
        load_extractor("classical").features(np.zeros((1, 64, 64, 3), np.uint8))


def test_the_features_of_a_picture_do_not_depend_on_its_batch() -> None:
    extractor, pictures = load_extractor("classical"), noise(9)
    together = extractor.features(pictures)
    alone = extractor.features(pictures[5:6])
    assert together.layers["texture"][5].tobytes() == alone.layers["texture"][0].tobytes()
    np.testing.assert_allclose(together.embedding[5], alone.embedding[0], atol=1e-6)


def test_the_projection_is_exact_in_whole_numbers() -> None:
    extractor = load_extractor("classical")
    layers = classical.measure(noise(2))
    axes = extractor._axes["texture"]
    whole = np.rint((classical.prepared("texture", layers["texture"]) - axes.mean) * classical.QUANTUM)
    slow = [
        [sum(int(a) * int(b) for a, b in zip(row, column, strict=True)) for column in axes.axes.T[:3]] for row in whole
    ]
    fast = (whole @ axes.axes.astype(np.float64))[:, :3]
    np.testing.assert_array_equal(fast, slow)


def test_the_numbers_of_a_fixed_picture_have_not_changed() -> None:
    """A change here changes every fingerprint's meaning: raise the extractor's version with it."""
    layers = classical.measure(noise(2, seed=7))
    digest = hashlib.sha256(b"".join(layers[name].tobytes() for name in sorted(layers))).hexdigest()
    assert digest[:16] == "149cbdecd8a2d26d"


def test_a_blank_picture_still_has_a_direction() -> None:
    lengths = np.linalg.norm(load_extractor("classical").features(plain((0, 0, 0))).embedding, axis=1)
    assert lengths[0] > 1


def test_copies_stay_closer_than_other_pictures() -> None:
    from PIL import Image

    from audit.scenes import calibration_pictures

    extractor, pictures = load_extractor("classical"), calibration_pictures(12, 128)
    boxed = pictures.copy()
    boxed[:, 20:50, 70:100] = (200, 30, 30)
    shrunk = np.stack([np.asarray(Image.fromarray(p).resize((80, 80)).resize((128, 128))) for p in pictures])
    brighter = np.clip(pictures.astype(np.int16) + 12, 0, 255).astype(np.uint8)

    def unit(batch: np.ndarray) -> np.ndarray:
        vectors = extractor.features(batch).embedding
        return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)

    for copies in (boxed, shrunk, brighter):
        assert ((unit(copies) @ unit(pictures).T).argmax(axis=1) == np.arange(12)).all()
