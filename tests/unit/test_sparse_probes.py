"""Sparse probing: the planted neuron is chosen, chance stays at one half, and what needs two neurons needs two."""

import dataclasses

import numpy as np
import pyarrow as pa
import pytest

from audit.analyses.sparse_probes import ANALYSIS, SparseProbesConfig, compute
from audit.concepts import sparse
from audit.model import Neurons
from tests.views import shuffled, view_of, with_features

RNG = np.random.default_rng
LAYERS = {"early": slice(0, 20), "late": slice(20, 60)}


def values_of(n=300, seed=0):
    return RNG(seed).normal(size=(n, 60)).astype(np.float32)


def planted_view(n=300, *, neuron=33, shift=6.0, meta=None):
    values = values_of(n)
    values[: n // 3, neuron] += shift
    labels = ["owl"] * (n // 3) + ["other"] * (n - n // 3)
    view = view_of(RNG(1).normal(size=(n, 16)), labels=labels)
    if meta is not None:
        view = view_with(view, meta)
    return with_features(view, neurons=Neurons(values.astype(np.float16), LAYERS, np.zeros((n, 0), np.float16)))


def view_with(view, meta):
    return dataclasses.replace(view, images=view.images.append_column("meta.time", pa.array(meta)))


def run(view, **config):
    return compute([view], SparseProbesConfig(**config), RNG(0))


def test_the_planted_neuron_is_the_first_that_is_chosen():
    values, attribute = values_of(), np.arange(300) < 100
    values[:100, 7] += 2
    assert sparse.choose(values, attribute[:, None])[0, 0] == 7


def test_no_neuron_is_chosen_twice():
    chosen = sparse.choose(values_of(), (np.arange(300) < 100)[:, None])[0]
    assert len(set(chosen.tolist())) == sparse.KS[-1]


def test_a_dead_neuron_is_not_chosen():
    values = values_of()
    values[:, 3] = 0.5
    assert 3 not in sparse.choose(values, (np.arange(300) < 100)[:, None], k=50)[0]


def test_chance_knows_nothing_although_the_best_of_sixty_is_taken():
    attributes = RNG(5).random((600, 8)) < 0.3
    known = sparse.sparse_probes(values_of(600), attributes, np.arange(600), RNG(0))
    assert np.mean([one.accuracy for one in known]) == pytest.approx(0.5, abs=0.03)


def test_a_difference_of_two_neurons_needs_both():
    values = values_of(600)
    common = 6 * RNG(2).normal(size=600).astype(np.float32)
    attribute = RNG(3).random(600) < 0.5
    values[:, 4], values[:, 5] = common + 2.0 * attribute, common
    values[:, 4:6] += 0.2 * RNG(4).normal(size=(600, 2)).astype(np.float32)
    known = sparse.sparse_probes(values, attribute[:, None], np.arange(600), RNG(0))[0]
    assert known.accuracy[0] < 0.7
    assert known.accuracy[-1] > 0.95


def test_copies_of_an_image_are_in_one_fold():
    values = np.repeat(RNG(0).normal(size=(100, 60)), 3, axis=0).astype(np.float32)
    attribute = np.repeat(RNG(1).random(100) < 0.5, 3)
    known = sparse.sparse_probes(values, attribute[:, None], np.repeat(np.arange(100), 3), RNG(0))[0]
    assert known.accuracy.max() < 0.7


def test_balanced_accuracy_by_hand():
    right, attribute = np.array([[True], [False], [True], [True]]), np.array([True, True, False, False])
    accuracy, low, high = sparse.balanced_accuracy(right, attribute, np.arange(4), RNG(0))
    assert accuracy.tolist() == [0.75]
    assert low[0] <= 0.75 <= high[0]


def test_the_neuron_is_named_by_its_layer_and_number():
    result = run(planted_view()).result
    assert (result.attributes[0].layer, result.attributes[0].neuron) == ("late", 13)
    assert "One neuron of layer late" in ANALYSIS.section(result).findings[0].sentence


def test_of_two_classes_one_is_asked():
    assert len(run(planted_view()).result.attributes) == 1


def test_values_of_the_metadata_are_asked_too():
    meta = [("day", "dusk", "night")[i % 3] for i in range(300)]
    result = run(planted_view(meta=meta)).result
    assert {a.value for a in result.attributes if a.name == "time"} == {"day", "dusk", "night"}


def test_a_column_that_names_the_classes_in_other_words_is_not_asked_again():
    labels = ["OWL"] * 100 + ["OTHER"] * 200
    assert [a.name for a in run(planted_view(meta=labels)).result.attributes] == ["class"]


def test_that_no_class_is_known_to_one_neuron_is_said_in_a_word():
    section = ANALYSIS.section(run(planted_view(shift=0.0)).result)
    assert "a single neuron surely knows none;" in section.summary


def test_the_order_of_the_rows_changes_nothing():
    view = planted_view()
    left, right = run(view), run(shuffled(view, 2))
    assert left.result == right.result
    assert left.tables["sparse_probes"].equals(right.tables["sparse_probes"])


def test_without_neurons_it_says_so():
    view = view_of(RNG(0).normal(size=(80, 8)), labels=["a"] * 40 + ["b"] * 40)
    assert "were not kept" in ANALYSIS.section(run(view).result).summary


def test_the_table_names_as_many_neurons_as_were_used():
    table = run(planted_view()).tables["sparse_probes"].to_pylist()
    assert [len(row["neurons"].split()) for row in table] == list(sparse.KS)


def test_a_word_for_nothing_in_the_metadata_is_not_asked_for():
    times = ["night"] * 100 + ["dusk"] * 100 + ["none"] * 100
    asked = {
        (one["attribute"], one["value"]) for one in run(planted_view(meta=times)).tables["sparse_probes"].to_pylist()
    }
    assert {("time", "night"), ("time", "dusk")} <= asked
    assert ("time", "none") not in asked
