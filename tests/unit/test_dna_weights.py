"""Which neurons a comparison listens to: chosen, learnt, silenced, saved."""

import json
from typing import Any

import numpy as np
import pytest
from scipy.optimize import nnls
from sklearn.metrics import roc_auc_score

from audit.dna import DnaCounter, LayerRanges, NeuronRanges, weights
from audit.dna.asking import Choice, choose
from audit.dna.comparing import Asked, compare
from audit.errors import ConfigError, FingerprintMismatchError, TooFewImagesError
from audit.maths.attributes import auc_interval, learn, squared_differences
from audit.maths.silencing import ridge_nnls
from tests.dna_stored import stored

RANGES = NeuronRanges(
    {
        name: LayerRanges(np.full(c, -4, np.float32), np.full(c, 4, np.float32), np.zeros(c, bool))
        for name, c in (("a", 3), ("b:x", 5))
    },
    "by hand",
)


def test_layers_count_alike_whatever_their_number_of_neurons() -> None:
    made = weights.of_layers(RANGES, "e", ["a", "b:x"])
    assert [sum(layer) for layer in made.layers.values()] == pytest.approx([1, 1])


def test_neurons_are_chosen_by_layer_and_number() -> None:
    made = weights.of_neurons(RANGES, "e", ["b:x:4", "a:0", "a:2"], name="mine")
    assert made.array(RANGES, "e").tolist() == [0.5, 0, 0.5, 0, 0, 0, 0, 1]


def test_many_neurons_make_a_name_that_can_be_saved() -> None:
    made = weights.of_neurons(RANGES, "e", ["b:x:4"], name=" + ".join(["b:x:4"] * 50))
    assert len(made.name) == 200
    assert made.name.endswith("…")
    assert weights.NeuronWeights.from_json(made.to_json()) == made


@pytest.mark.parametrize("how", [{"neurons": ("late",)}, {"having": "label=dog"}, {"without": "label=dog"}])
def test_weights_of_a_long_name_can_be_read_again(how: dict[str, Any]) -> None:
    made = choose(stored("flowers"), Choice(**how, name="n" * 250))
    assert weights.NeuronWeights.from_json(made.to_json()) == made


@pytest.mark.parametrize(
    ("condition", "said"),
    [
        ("lable=dog", r"no column 'lable'; columns are .*label"),
        ("label", "pictures with label and"),
        ("label=dgo", "0 have it, and 90 another"),
    ],
)
def test_a_condition_that_parts_nothing_says_what_there_is(condition: str, said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        choose(stored("flowers"), Choice(having=condition))


@pytest.mark.parametrize("chosen", [[], ["c"], ["a:3"], ["a:-1"], ["a:x"], [":1"]])
def test_neurons_that_are_not_there_are_refused(chosen: list[str]) -> None:
    with pytest.raises(ConfigError, match="neuron"):
        weights.of_neurons(RANGES, "e", chosen, name="mine")


def test_saved_weights_are_read_again_under_the_same_name() -> None:
    made = weights.of_layers(RANGES, "e", ["a"])
    read = weights.NeuronWeights.from_json(made.to_json())
    assert read == made
    assert json.loads(made.to_json())["fingerprint"] == read.fingerprint


@pytest.mark.parametrize("layers", [{"a": [1.0] * 3}, {"a": [1.0] * 3, "b:x": [1.0]}, {"a": [], "b:x": [], "c": []}])
def test_weights_that_are_not_one_for_each_neuron_are_refused(layers: dict[str, list[float]]) -> None:
    value = weights.of_layers(RANGES, "e", ["a"]).model_dump() | {"layers": layers}
    with pytest.raises(ConfigError, match=r"not one for each neuron; .* a \(3\), b:x \(5\)"):
        weights.NeuronWeights.model_validate(value).array(RANGES, "e")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"name": "other"}, "fingerprint differs"),
        ({"layers": {"a": [-1.0]}}, "negative"),
        ({"layers": {"a": [float("nan")]}}, "negative or no number"),
        ({"layers": {"a": [1e308]}}, "neither 0 nor from"),
        ({"layers": {"a": [5e-324]}}, "neither 0 nor from"),
        ({"version": 2}, "not saved neuron weights"),
        ({"more": 1}, "not saved neuron weights"),
    ],
)
def test_weights_that_were_changed_are_refused(change: dict[str, object], message: str) -> None:
    value = json.loads(weights.of_layers(RANGES, "e", ["a"]).to_json()) | change
    with pytest.raises(ConfigError, match=message):
        weights.NeuronWeights.from_json(json.dumps(value).encode())


@pytest.mark.parametrize("data", [b"[]", b"null", b"3", b"[" * 100_000, b"\xff\xfe"])
def test_json_that_holds_no_weights_is_refused(data: bytes) -> None:
    with pytest.raises(ConfigError, match="not saved neuron weights"):
        weights.NeuronWeights.from_json(data)


def test_weights_of_another_extractor_are_refused() -> None:
    with pytest.raises(FingerprintMismatchError, match="weights 'a'"):
        weights.of_layers(RANGES, "e", ["a"]).array(RANGES, "other")


def test_a_comparison_listens_to_weighted_neurons_only() -> None:
    rng = np.random.default_rng(0)
    sides = []
    for moved in (0.0, 2.0):
        counter = DnaCounter(RANGES, "e")
        late = rng.normal(size=(90, 2, 5))
        late[:, :, 1] += moved
        counter.add({"a": rng.normal(size=(90, 2, 3)).astype(np.float32), "b:x": late.astype(np.float32)})
        sides.append(counter.dna())
    chosen = weights.of_neurons(RANGES, "e", ["b:x:1"], name="it").array(RANGES, "e")
    others = weights.of_neurons(RANGES, "e", ["a", "b:x:0"], name="not it").array(RANGES, "e")
    found = [compare(*sides, np.random.default_rng(0), Asked(weights=w)).total for w in (chosen, others)]
    assert found[0].corrected == pytest.approx(2, abs=0.3)
    assert found[1].corrected < 0.2


def planted(rng: np.random.Generator, n: int = 80) -> tuple[np.ndarray, np.ndarray]:
    having, lacking = rng.normal(size=(n, 8)), rng.normal(size=(n, 8))
    having[:, 2] += 2
    having[:, 5] -= 2
    return having, lacking


def test_an_attribute_is_learnt_from_the_neurons_that_answer_to_it() -> None:
    made = weights.of_attribute(RANGES, "e", *planted(np.random.default_rng(1)), np.random.default_rng(0), name="tint")
    assert np.flatnonzero(made.array(RANGES, "e")).tolist() == [2, 5]
    assert made.evidence is not None
    assert made.evidence.low > 0.9
    assert made.evidence.n_held_out == (40, 40)


def test_an_attribute_that_is_not_there_is_not_learnt() -> None:
    rng = np.random.default_rng(3)
    found = [learn(rng.normal(size=(60, 50)), rng.normal(size=(60, 50)), np.ones(50, bool), rng) for _ in range(60)]
    assert sum(one is not None for one in found) <= 7
    with pytest.raises(ConfigError, match="beyond chance"):
        weights.of_attribute(
            RANGES, "e", *(rng.normal(size=(40, 8)) for _ in range(2)), np.random.default_rng(0), name="x"
        )


def test_an_attribute_takes_enough_pictures() -> None:
    with pytest.raises(TooFewImagesError, match="19"):
        weights.of_attribute(RANGES, "e", np.zeros((19, 8)), np.zeros((50, 8)), np.random.default_rng(0), name="x")


def test_held_out_pictures_were_not_learnt_from() -> None:
    # noise that a neuron could be fitted to: without a true difference held-out scores must stay at guessing
    rng = np.random.default_rng(5)
    auc = []
    for _ in range(300):
        found = learn(rng.normal(size=(24, 30)), rng.normal(size=(24, 30)), np.ones(30, bool), rng)
        auc += [] if found is None else [found.auc]
    assert len(auc) >= 5
    assert np.mean(auc) == pytest.approx(0.5, abs=0.12)


def test_the_area_under_the_curve_is_that_of_others() -> None:
    rng = np.random.default_rng(0)
    with_it, without = np.round(rng.normal(0.5, 1, 70), 1), np.round(rng.normal(0, 1, 50), 1)
    theirs = roc_auc_score([1] * 70 + [0] * 50, np.concatenate([with_it, without]))
    assert auc_interval(with_it, without)[0] == pytest.approx(theirs)


@pytest.mark.parametrize("seed", range(5))
def test_weighted_least_squares_are_those_of_others(seed: int) -> None:
    rng = np.random.default_rng(seed)
    rows, targets, start = np.abs(rng.normal(size=(4, 40))), np.array([0.0, 1, 2, 1]), np.full(40, 1 / 40)
    matrix = np.vstack([rows, 0.1 * np.eye(40)])
    theirs, _ = nnls(matrix, np.concatenate([targets, 0.1 * start]))
    np.testing.assert_allclose(ridge_nnls(rows, targets, start, 0.01), theirs, atol=1e-8)


def test_silencing_by_hand() -> None:
    # one row that only neuron 0 moves: it loses its weight, the others keep theirs
    d = {"tint": np.array([1.0, 0, 0, 0, 0, 0, 0, 0]), "blur": np.array([0.0, 1, 1, 0, 0, 0, 0, 0])}
    made = weights.silencing(RANGES, "e", d, ["tint"], np.ones(8)).array(RANGES, "e")
    assert made[0] < 0.01
    assert made @ d["blur"] == pytest.approx(2 / 8, rel=0.2)
    assert made.sum() == pytest.approx(1)


def test_silencing_what_every_neuron_answers_to_is_refused() -> None:
    with pytest.raises(ConfigError, match="cannot be silenced"):
        weights.silencing(RANGES, "e", {"tint": np.ones(8)}, ["tint"], np.ones(8))


def test_silencing_an_unknown_attribute_is_refused() -> None:
    with pytest.raises(ConfigError, match="attributes are tint"):
        weights.silencing(RANGES, "e", {"tint": np.ones(8)}, ["blur"], np.ones(8))


def test_the_squared_difference_by_hand() -> None:
    # means 2 and 5, both sides with squared deviations 2: s² = 4/4 = 1; 9 - 1 · (1/3 + 1/3)
    having, lacking = np.array([[1.0], [2], [3]]), np.array([[4.0], [5], [6]])
    assert squared_differences(having, lacking)[0] == pytest.approx(9 - 2 / 3)


def test_the_squared_difference_is_nothing_on_average_where_nothing_differs() -> None:
    rng = np.random.default_rng(0)
    found = squared_differences(rng.normal(size=(30, 20_000)), rng.normal(size=(40, 20_000)))
    assert abs(found.mean()) < 4 * found.std() / np.sqrt(len(found))
    assert 0.2 < (found < 0).mean() < 0.8


def test_a_neuron_that_does_not_vary_has_no_difference() -> None:
    assert squared_differences(np.ones((5, 1)), np.ones((5, 1))).tolist() == [0.0]
