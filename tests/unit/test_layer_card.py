"""The layer card: what it advises, what it counts, and what must not change it."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pytest

from audit.extractors import Features, load_extractor
from audit.extractors.layer_card import EMBEDDING, About, LayerCard, Seen, look, make_card, pooled
from audit.pictures.augmented import views

N = 120
SPEC = load_extractor("classical").spec


def noise(d: int, seed: int) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=(N, 3, d)).astype(np.float32)


def telling(classes: np.ndarray, seed: int) -> np.ndarray:
    """A layer in which classes lie apart."""
    return noise(8, seed) + 6 * np.eye(8, dtype=np.float32)[classes][:, None]


def own(seed: int) -> np.ndarray:
    """A layer in which the views of a picture are alike."""
    return noise(8, seed)[:, :1] + 0.05 * noise(8, seed + 1)


CLASSES = np.arange(N) % 4


def card(
    layers: Mapping[str, np.ndarray], classes: np.ndarray = CLASSES, bursts: np.ndarray | None = None, seed: int = 0
) -> LayerCard:
    bursts = np.arange(N) if bursts is None else bursts
    seen = Seen(layers, {name: np.full(N, np.nan) for name in layers})
    return make_card(SPEC, [seen], About("sample", classes, bursts), np.random.default_rng(seed))


def test_a_layer_that_tells_classes_apart_is_advised_over_an_embedding_that_does_not() -> None:
    found = card({"good": telling(CLASSES, 0), "bad": noise(8, 1), EMBEDDING: noise(8, 2)})
    assert found.best == "good"
    assert found.sentence.startswith("Layer good suits these pictures better than the embedding")
    assert "name the output good as the embedding" in found.action


def test_the_embedding_is_kept_where_a_layer_is_only_as_good() -> None:
    found = card({"good": telling(CLASSES, 0), EMBEDDING: telling(CLASSES, 1)})
    assert found.best == EMBEDDING
    assert found.action.startswith("Nothing to do")


def test_without_labels_views_decide_and_there_are_no_probes() -> None:
    found = card({"steady": own(0), EMBEDDING: noise(8, 5)}, classes=np.full(N, -1))
    assert found.best == "steady"
    assert "are their own other view" in found.sentence
    assert (found.n_labelled, found.n_classes) == (0, 0)
    assert found.note.startswith("No probe: it needs two classes")
    assert [layer.neighbours.value for layer in found.layers] == [None, None]


def test_classes_of_too_few_different_pictures_take_no_part() -> None:
    classes = np.where(np.arange(N) < 4, 9, np.arange(N) % 2)
    found = card({EMBEDDING: noise(8, 0)}, classes=classes)
    assert (found.n_labelled, found.n_classes) == (N - 4, 2)


def test_a_copy_in_the_same_burst_does_not_help_to_name_a_class() -> None:
    base = noise(40, 0)
    twins = np.concatenate([base[: N // 2], base[: N // 2]])
    classes = np.concatenate([CLASSES[: N // 2], CLASSES[: N // 2]])
    alone = card({EMBEDDING: twins}, classes=classes).layers[0].linear.value
    together = card({EMBEDDING: twins}, classes=classes, bursts=np.arange(N) % (N // 2)).layers[0].linear.value
    assert alone is not None
    assert together is not None
    assert together < 0.45 < alone


def test_an_interval_counts_a_burst_once() -> None:
    single = card({EMBEDDING: telling(CLASSES, 0) + noise(8, 3)}).layers[0].own_view
    bursts = np.arange(N) // 6
    grouped = card({EMBEDDING: telling(CLASSES, 0) + noise(8, 3)}, bursts=bursts).layers[0].own_view
    assert single.value == grouped.value
    assert (grouped.high or 0) - (grouped.low or 0) > (single.high or 0) - (single.low or 0)


def test_values_lie_in_their_intervals() -> None:
    found = card({"good": telling(CLASSES, 0), EMBEDDING: own(3)})
    for layer in found.layers:
        for estimate in (layer.invariance, layer.own_view, layer.dimension, layer.neighbours, layer.linear):
            assert estimate.low is not None
            assert estimate.low <= estimate.value <= estimate.high  # type: ignore[operator]


def test_the_same_seed_gives_the_same_card_and_json_brings_it_back() -> None:
    layers = {"good": telling(CLASSES, 0), EMBEDDING: own(3)}
    assert card(layers) == card(layers)
    assert LayerCard.model_validate_json(card(layers).model_dump_json()) == card(layers)


def test_pictures_without_classes_or_bursts_are_refused() -> None:
    seen = Seen({EMBEDDING: noise(8, 0)}, {EMBEDDING: np.full(N, np.nan)})
    with pytest.raises(ValueError, match="each with its class and burst; got 120"):
        make_card(SPEC, [seen], About("sample", CLASSES[:5], np.arange(5)), np.random.default_rng(0))


def test_means_over_places_pass_over_those_that_are_missing() -> None:
    values = np.array([[[1, 2], [np.nan, np.nan], [3, 6]], [[np.nan, np.nan]] * 3], np.float32)
    assert pooled(values).tolist() == [[2, 4], [0, 0]]


class Means:
    """A stand-in: one layer of four places, each the mean colour of a quarter of the picture."""

    spec, ranges = SPEC, None

    def features(self, batch: np.ndarray) -> Features:
        n, size = batch.shape[:2]
        quarters = batch.astype(np.float32).reshape(n, 2, size // 2, 2, size // 2, 3).mean((2, 4)).reshape(n, 4, 3)
        return Features(quarters.mean(1), {"quarters": quarters})


def pictures(n: int = 3, size: int = 16) -> np.ndarray:
    return np.random.default_rng(4).integers(0, 256, (n, size, size, 3), dtype=np.uint8)


def test_a_look_is_the_picture_and_two_views_of_it() -> None:
    seen, batch = look(Means(), pictures()), pictures()  # type: ignore[arg-type]
    expected = [one.astype(np.float32).mean((1, 2)) for one in (batch, views(batch, 0), views(batch, 1))]
    np.testing.assert_allclose(seen.pooled[EMBEDDING], np.stack(expected, axis=1), rtol=1e-5)
    np.testing.assert_allclose(seen.pooled["quarters"], np.stack(expected, axis=1), rtol=1e-5)
    assert np.isfinite(seen.entropy["quarters"]).all()
    assert np.isnan(seen.entropy[EMBEDDING]).all()


def test_a_view_depends_on_the_picture_and_not_on_its_place_in_a_batch() -> None:
    batch = pictures(4)
    assert (views(batch[::-1], 0)[::-1] == views(batch, 0)).all()
    assert (views(batch[2:3], 0)[0] == views(batch, 0)[2]).all()


def test_views_of_other_numbers_and_seeds_differ() -> None:
    batch = pictures(1)
    found = {views(batch, number, seed).tobytes() for number in (0, 1) for seed in (0, 1)}
    assert len(found) == 4


def test_a_view_of_a_plain_picture_is_plain() -> None:
    plain = np.full((5, 16, 16, 3), 90, np.uint8)
    assert [len(np.unique(view)) for view in views(plain, 0)] == [1] * 5
