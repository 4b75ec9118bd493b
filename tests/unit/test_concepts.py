"""Concepts: planted factors are found where they were planted, agree with scikit-learn, and chance gives none."""

import doctest

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.decomposition import NMF

from audit.analyses.concepts import ANALYSIS, ConceptsConfig, compute
from audit.concepts import examples, factors, prevalence, spatial
from audit.errors import ConfigError
from audit.maths import rows
from audit.model import PartFeatures, Parts
from audit.report import ImagesBlock
from tests.views import shuffled, view_of, with_features

RNG = np.random.default_rng
SIDE = 4
N_NEURONS = 30


def parts_of(maps, *, boxes=None):
    m = len(maps)
    part = PartFeatures(np.zeros((m, 2), np.float32), np.zeros((m, 3), np.float16))
    given = np.tile(np.array([[0, 0, 1, 1]], np.float32), (m, 1)) if boxes is None else boxes
    is_given = np.full(m, boxes is not None)
    return Parts(np.arange(m), given, is_given, part, part, (part, part), maps.astype(np.float16), "last")


def planted(m=120, seed=0):
    """Four concepts of six neurons each; concept j lies in place 5·j of every picture i with i mod 4 = j."""
    rng = RNG(seed)
    maps = 0.02 * rng.random((m, SIDE * SIDE, N_NEURONS))
    for i in range(m):
        j = i % 4
        maps[i, 5 * j, 6 * j : 6 * j + 6] += 0.5 + 0.5 * rng.random()
    return maps


def planted_view(m=120, **kwargs):
    vectors = RNG(1).normal(size=(m, 16))
    labels = [f"class {i % 4}" for i in range(m)]
    return with_features(view_of(vectors, labels=labels), parts=parts_of(planted(m), **kwargs))


def run(view, **config):
    return compute([view], ConceptsConfig(**({"sizes": (4,)} | config)), RNG(0))


def fit(rows, k, seed=0):
    return factors.factorise(factors.compress(rows, RNG(9)), k, RNG(seed))


def low_rank(n=300, c=40, k=5, seed=0):
    rng = RNG(seed)
    return (rng.gamma(0.5, size=(n, k)) @ rng.gamma(0.5, size=(k, c))).astype(np.float32)


def test_factors_of_exact_rank_explain_everything():
    assert fit(low_rank(k=3), 3).explained == pytest.approx(1, abs=0.002)


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_factors_explain_as_much_as_those_of_scikit_learn():
    rows = low_rank(k=12) + 0.3 * RNG(2).random((300, 40)).astype(np.float32)
    theirs = NMF(6, init="random", random_state=0, max_iter=400, tol=1e-6).fit(rows)
    their_share = 1 - theirs.reconstruction_err_**2 / float((rows**2).sum())
    assert fit(rows, 6).explained == pytest.approx(their_share, abs=0.01)


def test_the_explained_share_is_that_of_the_product():
    rows = low_rank(k=9)
    found = fit(rows, 4)
    left = float(((rows - found.weights @ found.directions) ** 2).sum()) / float((rows**2).sum())
    assert found.explained == pytest.approx(1 - left, abs=1e-4)


@settings(deadline=None, max_examples=20)
@given(st.integers(0, 10_000))
def test_factors_are_never_negative_and_directions_have_unit_length(seed):
    found = fit(low_rank(n=40, c=12, seed=seed), 3, seed)
    assert found.weights.min() >= 0
    assert found.directions.min() >= 0
    assert np.linalg.norm(found.directions, axis=1) == pytest.approx(1, abs=1e-4)


def test_agreement_of_the_same_directions_in_another_order_is_one():
    directions = fit(low_rank(), 4).directions
    assert factors.agreement(directions, directions[[2, 0, 3, 1]]) == pytest.approx(1, abs=1e-5)


def test_agreement_matches_each_direction_once():
    same = np.array([[1.0, 0], [1.0, 0]], np.float32)
    assert sorted(factors.agreement(same, np.eye(2, dtype=np.float32))) == [0, 1]


def test_planted_concepts_are_found_in_their_places():
    found = spatial.find_concepts(parts_of(planted()), np.arange(120), RNG(0), sizes=(4,))
    places = sorted(
        int(np.bincount(w.argmax(axis=1)[w.max(axis=1) > 0.5]).argmax()) for w in found.weights.transpose(2, 0, 1)
    )
    assert places == [0, 5, 10, 15]
    assert found.repeated.min() > 0.9


def test_more_factors_than_there_are_concepts_are_not_taken():
    found = spatial.find_concepts(parts_of(planted()), np.arange(120), RNG(0), sizes=(4, 20))
    assert [t.n_factors for t in found.tried] == [4, 20]
    assert found.weights.shape[2] == 4


def test_strengths_are_those_of_the_pictures_with_the_concept():
    found = spatial.find_concepts(parts_of(planted()), np.arange(120), RNG(0), sizes=(4,))
    strengths = found.strengths
    assert spatial.concept_name(0) == "Concept 1"
    assert strengths.shape == (120, len(found.directions))
    assert sorted(np.unique(strengths.argmax(axis=0) % 4)) == [0, 1, 2, 3]


def test_places_that_do_not_count_are_nothing():
    maps = planted()
    maps[:, 7] = np.nan
    given = maps.astype(np.float16)
    rows = spatial.activations(given, spatial.baseline(given)).reshape(maps.shape)
    assert not rows[:, 7].any()
    assert np.isfinite(rows).all()


def test_activations_lie_above_what_counts_as_nothing_in_every_block_of_places(monkeypatch):
    given = planted().astype(np.float16)
    nothing = spatial.baseline(given)
    monkeypatch.setattr(spatial, "_ROWS", 7)
    rows = spatial.activations(given, nothing)
    np.testing.assert_array_equal(rows, np.maximum(given.astype(np.float32) - nothing, 0).reshape(rows.shape))


def test_what_counts_as_nothing_is_the_quantile_of_every_neuron_over_places_that_are_known():
    maps = RNG(0).normal(size=(9, 4, 130)).astype(np.float16)
    maps[2, 1, 129] = np.inf
    known = np.delete(maps.reshape(36, 130), 9, axis=0).astype(np.float32)
    np.testing.assert_array_equal(spatial.baseline(maps), np.quantile(known, spatial.BASELINE, axis=0))


def test_pictures_beyond_the_memory_limit_get_the_strengths_of_the_same_concepts(monkeypatch):
    whole = spatial.find_concepts(parts_of(planted()), np.arange(120), RNG(0), sizes=(4,))
    monkeypatch.setattr(spatial, "MAX_NUMBERS", planted().size // 3 + 1)
    part = spatial.find_concepts(parts_of(planted()), np.arange(120), RNG(0), sizes=(4,))
    assert part.strengths.shape == whole.strengths.shape
    assert factors.agreement(part.directions, whole.directions).min() > 0.98
    assert sorted(np.bincount(part.strengths.argmax(axis=1)).tolist()) == [30, 30, 30, 30]


def test_weights_of_the_rows_that_were_fitted_are_those_of_the_fit():
    rows = low_rank(k=3)
    found = fit(rows, 3)
    assert factors.weigh(rows, found.directions) == pytest.approx(found.weights, abs=0.05)


def test_a_concept_inside_the_boxes_is_dense_there_and_one_outside_is_not():
    boxes = np.tile(np.array([[0, 0, 0.25, 0.25]], np.float32), (120, 1))
    parts = parts_of(planted(), boxes=boxes)
    dense = spatial.inside_boxes(spatial.find_concepts(parts, np.arange(120), RNG(0), sizes=(4,)), parts)
    assert sorted(np.round(dense).astype(int))[-1] >= 8
    assert np.sort(dense)[2] < 0.5


@pytest.mark.parametrize("module", [spatial, prevalence, rows], ids=lambda m: m.__name__)
def test_the_examples_of_the_module_hold(module):
    assert doctest.testmod(module, extraglobs={"np": np, **vars(module)}).failed == 0


def test_a_grid_that_is_no_square_has_no_heat():
    assert spatial.heat(np.ones(6, np.float32), 1.0) == ()


def test_copies_count_once_in_a_share():
    found = prevalence.share(np.array([True] * 9 + [False]), np.array([0] * 9 + [1]))
    assert (found.k, found.n, found.value) == (1, 2, 0.5)


def test_a_class_with_few_different_pictures_is_tied_to_nothing():
    labels, shows = ["a"] * 10 + ["b"] * 100, np.arange(110) < 10
    assert prevalence.strongest_tie(shows, labels, np.arange(110), n_looked_at=1) is None


def test_each_planted_concept_goes_with_its_class():
    result = run(planted_view()).result
    assert sorted(c.tie.name for c in result.concepts) == [f"class {i}" for i in range(4)]
    assert all(c.tie.own.value > 0.9 and c.tie.rest.value < 0.1 for c in result.concepts)
    assert len(ANALYSIS.section(result).findings) == 3


def galleries(result):
    return [block for block in ANALYSIS.section(result).blocks if isinstance(block, ImagesBlock)]


def test_the_pictures_of_a_finding_are_not_shown_again_below_it():
    result = run(planted_view()).result
    told = [finding.pictures for finding in ANALYSIS.section(result).findings]
    (gallery,) = galleries(result)
    assert (len(gallery.groups), len(result.concepts)) == (1, 4)
    assert gallery.groups[0] not in told


def test_of_many_concepts_the_most_frequent_are_shown_and_the_rest_is_counted():
    result = run(planted_view()).result
    share = result.concepts[0].share
    many = tuple(
        result.concepts[0].model_copy(
            update={"name": f"Concept {i}", "tie": None, "share": share.model_copy(update={"value": i / 20})}
        )
        for i in range(1, 12)
    )
    (gallery,) = galleries(result.model_copy(update={"concepts": many}))
    assert [caption.split(":")[0] for caption in gallery.captions] == [f"Concept {i}" for i in range(11, 3, -1)]
    assert "Not shown: 3 rarer concepts (tables/concept_images.parquet)." in gallery.note


def test_labels_drawn_by_chance_are_tied_to_nothing():
    view = planted_view()
    labels = [f"class {c}" for c in RNG(3).integers(0, 4, len(view))]
    free = with_features(view_of(view.vectors, labels=labels), parts=view.parts)
    assert ANALYSIS.section(run(free).result).findings == ()


def test_pictures_are_bright_where_the_concept_was_planted():
    concept = next(c for c in run(planted_view()).result.concepts if c.tie.name == "class 1")
    assert all(shown.heat[1][1] >= 5 and shown.heat[0][0] == 0 for shown in concept.pictures)


def test_the_order_of_the_rows_changes_nothing():
    view = planted_view()
    left, right = run(view), run(shuffled(view, 3))
    assert left.result == right.result
    assert all(left.tables[name].equals(right.tables[name]) for name in left.tables)


def test_without_maps_it_says_so():
    assert "0" in run(view_of(RNG(0).normal(size=(80, 8)))).result.reason


def example_view(n=400, n_of=60, shift=2.5):
    rng = RNG(0)
    vectors = rng.normal(size=(n, 16))
    vectors[:n_of, 0] += shift
    return view_of(vectors, labels=["with"] * n_of + ["without"] * (n - n_of))


def test_examples_find_more_of_their_kind():
    view = example_view()
    found = examples.learn_concept(view.vectors, np.arange(12), np.arange(400), RNG(0))
    rest = np.argsort(-found.strengths[12:])[:20] + 12
    assert np.mean(rest < 60) > 0.7
    assert found.p == pytest.approx(1 / 200)


def test_random_examples_are_no_better_than_their_counterparts():
    view = example_view(shift=0.0)
    ps = [
        examples.learn_concept(view.vectors, np.sort(RNG(i).permutation(400)[:12]), np.arange(400), RNG(i)).p
        for i in range(8)
    ]
    assert np.mean(np.array(ps) <= 0.05) <= 0.25
    assert max(ps) > 0.3


def test_copies_of_examples_are_no_evidence():
    vectors = RNG(0).normal(size=(400, 16)).astype(np.float32)
    vectors[:12] = vectors[0]
    own = np.where(np.arange(400) < 12, 0, np.arange(400))
    with pytest.raises(ValueError, match="there are 1 and"):
        examples.learn_concept(vectors, np.arange(12), own, RNG(0))


def test_examples_by_path_and_by_id_are_the_same_concept():
    view = example_view()
    paths, ids = ([view.column(name)[i] for i in range(12)] for name in ("path", "image_id"))
    left, right = (run(view, examples={"mine": given}).result.concepts[0] for given in (paths, ids))
    assert left == right
    assert left.tie.name == "with"


def test_an_example_that_is_not_there_is_refused_by_name():
    with pytest.raises(ConfigError, match=r"no\.png"):
        run(example_view(), examples={"mine": ("no.png",)})


def test_too_few_examples_are_reported_and_do_not_stop_the_rest():
    view = example_view()
    result = run(view, examples={"mine": view.column("path")[:3]}).result
    assert result.refused[0].startswith("mine: a concept takes 8")


def test_the_tables_list_every_concept_and_class():
    tables = run(planted_view()).tables
    assert tables["concepts"].num_rows == 4 * 5
    assert set(tables["concept_images"]["rank"].to_pylist()) == set(range(1, 31))
