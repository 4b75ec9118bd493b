"""How inner outputs become layers: maps, tokens, and tokens that stand for something else than their place."""

from __future__ import annotations

import numpy as np
import pytest

from audit.extractors._calibration import calibrate, thinned
from audit.extractors._layers import MAP, Form, cut, without_outliers


def lengths(*norms: float) -> np.ndarray:
    """One picture of patch tokens with two channels and these norms."""
    return np.array([[[norm, 0.0] for norm in norms]], np.float32)


def test_every_place_of_a_map_is_a_position() -> None:
    value = np.arange(12, dtype=np.float32).reshape(1, 2, 2, 3)
    assert cut("x", value, MAP)["x"].tolist() == [[[0, 6], [1, 7], [2, 8], [3, 9], [4, 10], [5, 11]]]


def test_a_map_with_channels_last_gives_the_same_layer() -> None:
    value = np.random.default_rng(0).normal(size=(2, 3, 4, 5)).astype(np.float32)
    same = np.ascontiguousarray(value.transpose(0, 2, 3, 1))
    assert cut("x", same, Form("map_last"))["x"].tobytes() == cut("x", value, MAP)["x"].tobytes()


def test_class_tokens_registers_and_patches_are_layers_apart() -> None:
    value = np.arange(6, dtype=np.float32).reshape(1, 6, 1)
    layers = cut("b", value, Form("tokens", n_class=1, n_register=2))
    assert {name: layer.ravel().tolist() for name, layer in layers.items()} == {
        "b.class": [0],
        "b.registers": [1, 2],
        "b.patches": [3, 4, 5],
    }


def test_a_transformer_without_class_token_has_patches_only() -> None:
    assert list(cut("b", np.ones((1, 4, 2), np.float32), Form("tokens"))) == ["b.patches"]


def test_a_vector_is_one_position() -> None:
    assert cut("v", np.ones((3, 7), np.float32), Form("vector"))["v"].shape == (3, 1, 7)


def test_a_layer_keeps_its_numbers_when_the_network_overwrites_its_output() -> None:
    value = np.ones((1, 4, 2), np.float32)
    layer = cut("x", value, Form("tokens"))["x.patches"]
    value[:] = 0
    assert (layer == 1).all()


def test_an_output_of_another_shape_is_named() -> None:
    with pytest.raises(ValueError, match=r"'x' of shape \(2, 3\) is no map"):
        cut("x", np.zeros((2, 3), np.float32), MAP)


def test_tokens_without_patches_are_refused() -> None:
    with pytest.raises(ValueError, match="5 tokens, of which 5 come before"):
        cut("x", np.zeros((2, 5, 3), np.float32), Form("tokens", n_class=1, n_register=4))


def test_a_token_far_above_the_median_norm_becomes_nan() -> None:
    # median 10, deviations 1: outliers begin above 15
    patches = lengths(9, 9, 9, 10, 11, 11, 15.1)
    found = without_outliers(patches)
    assert np.isnan(found[0, :, 0]).tolist() == [False] * 6 + [True]
    assert np.isnan(found[0, 6]).all()


def test_a_token_at_the_threshold_stays() -> None:
    patches = lengths(9, 9, 9, 10, 11, 11, 15)
    assert without_outliers(patches).tobytes() == patches.tobytes()


def test_a_token_far_below_the_median_stays() -> None:
    patches = lengths(9, 9, 9, 10, 11, 11, 0)
    assert without_outliers(patches).tobytes() == patches.tobytes()


def test_nearly_equal_norms_hold_no_outliers() -> None:
    # the median deviation is 0.001, which counts as a tenth of the median: outliers begin above 15
    patches = lengths(9.999, 10, 10, 10, 10.001, 10.001, 14)
    assert without_outliers(patches).tobytes() == patches.tobytes()


def test_outliers_are_those_of_their_own_picture() -> None:
    calm, wild = lengths(1, 1, 1, 1, 4), lengths(4, 4, 4, 4, 4)
    found = without_outliers(np.concatenate([calm, wild]))
    assert np.isnan(found[..., 0]).sum(axis=1).tolist() == [1, 0]


def test_infinite_tokens_pass_without_a_warning() -> None:
    assert without_outliers(lengths(1, np.inf, np.inf)).shape == (1, 3, 2)


def test_nan_positions_do_not_count_in_calibration() -> None:
    values = np.random.default_rng(0).normal(size=(50, 4, 3)).astype(np.float32)
    holed = np.concatenate([values, np.full((50, 1, 3), np.nan, np.float32)], axis=1)
    assert calibrate([{"x": holed}], "s").sha256 == calibrate([{"x": values}], "s").sha256


def test_calibration_looks_at_places_evenly_spaced_from_edge_to_edge() -> None:
    values = np.arange(1021, dtype=np.float32).reshape(1, 1021, 1)
    assert thinned({"x": values})["x"].ravel().tolist() == list(range(0, 1021, 4))


def test_many_pictures_are_looked_at_in_fewer_places_each() -> None:
    assert thinned({"x": np.ones((2, 400, 3), np.float32)}, n_images=1000)["x"].shape == (2, 65, 3)


def test_few_places_are_all_looked_at() -> None:
    values = np.ones((2, 256, 3), np.float32)
    assert thinned({"x": values})["x"] is values


def test_a_layer_of_infinities_cannot_be_calibrated() -> None:
    with pytest.raises(ValueError, match="'x' gives no finite numbers"):
        calibrate([{"x": np.full((2, 3, 4), np.inf, np.float32)}], "s")
