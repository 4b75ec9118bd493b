"""A translation between two extractors: learnt, saved, checked, judged on datasets, refused where it does not hold."""

import dataclasses

import numpy as np
import pyarrow as pa
import pytest

from audit import translation as translations
from audit.analyses.two_sample import TwoSampleConfig, compute, section
from audit.errors import ConfigError, FingerprintMismatchError, TooFewImagesError
from audit.maths import pairs
from audit.model import Embeddings
from audit.report import Metric, Section
from audit.through import Through, beside, judge, translated
from audit.through import section as translation_section
from audit.translation import Check, Translation, learn, likeness
from tests.views import view_of

RNG = np.random.default_rng
CAUSES, NOISE = 8, 0.2


def by(extractor, causes, seed, *, name="shared", noise=NOISE):
    """Pictures made by causes as one extractor sees them: turned, with noise and a few dimensions of its own."""
    rng = RNG(seed)
    width = CAUSES + 4
    turn = np.linalg.qr(RNG(len(extractor)).normal(size=(width, width)))[0]
    own = np.column_stack([causes + noise * rng.normal(size=causes.shape), rng.normal(size=(len(causes), 4))])
    own[:, -1] += 20
    view = view_of(own @ turn, name=name)
    return dataclasses.replace(view, embeddings=Embeddings(view.vectors, extractor, extractor * 16))


def causes(n, seed, shift=0.0):
    rows = RNG(seed).normal(size=(n, CAUSES))
    rows[:, 0] += shift
    return rows


def shared(n=900, noise=NOISE):
    rows = causes(n, 0)
    return by("old", rows, 1, noise=noise), by("new!", rows, 2, noise=noise)


@pytest.fixture(scope="module")
def made():
    return learn(shared(), "flowers", RNG(0))


def compared(made, reference, candidate):
    views = [reference, candidate]
    mapped = [dataclasses.replace(v, embeddings=e) for v, e in zip(views, translated(made, views), strict=True)]
    return compute(mapped, TwoSampleConfig(n_permutations=99), RNG(1)).result


def test_what_both_extractors_share_is_found_and_the_rest_is_named(made):
    assert made.n_directions == CAUSES
    assert (made.n_learnt, made.n_held_out, made.most_tested) == (600, 300, 150)
    assert made.check.auc == pytest.approx(0.5, abs=0.12)
    assert 0.4 < made.old.held < 0.8
    assert "learnt on 600 pictures of flowers: 8 directions" in made.sentence


def test_a_saved_translation_is_read_back_and_maps_alike(made):
    again = Translation.from_json(made.to_json())
    assert again == made
    vectors = shared()[0].vectors
    np.testing.assert_array_equal(again.old(vectors), made.old(vectors))


def test_a_long_name_of_the_shared_pictures_is_cut():
    assert learn(shared(), "f" * 250, RNG(0)).learnt_on == "f" * 199 + "…"


def test_a_changed_file_is_refused(made):
    with pytest.raises(ConfigError, match="fingerprint differs"):
        Translation.from_json(made.to_json().replace(b'"learnt_on":"flowers"', b'"learnt_on":"flours"'))


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda made: {"correlations": made["correlations"][1:]}, "the same directions"),
        (lambda made: {"correlations": []}, "the same directions"),
        (lambda made: {"old": made["old"] | {"mean": [1e308] * len(made["old"]["mean"])}}, "too large"),
        (lambda made: {"old": made["old"] | {"mean": [], "matrix": [], "seen": [[]] * 5}}, "the same directions"),
    ],
)
def test_numbers_that_cannot_map_are_refused(made, change, said):
    value = made.model_dump()
    with pytest.raises(ConfigError, match=said):
        Translation.from_plain(value | change(value))


def test_embeddings_of_another_width_are_refused(made):
    with pytest.raises(ConfigError, match="12 numbers for a picture there, and 11 here"):
        made.old(shared()[0].vectors[:, :11])


@pytest.mark.parametrize("data", [b"", b"[]", b'{"version": 1}', b"\xff\xfe"])
def test_what_is_no_translation_is_refused_in_words(data):
    with pytest.raises(ConfigError, match="not a saved translation"):
        Translation.from_json(data)


def test_pictures_of_one_kind_by_two_extractors_are_not_told_apart(made):
    found = compared(made, by("old", causes(150, 10), 11), by("new!", causes(150, 12), 13, name="candidate"))
    assert abs(found.auc - 0.5) < 0.12
    assert min(found.p_value, found.mmd_p_value) > 0.01


def test_pictures_that_differ_are_told_apart_as_well_as_by_one_extractor(made):
    reference = by("old", causes(150, 10), 11)
    across = compared(made, reference, by("new!", causes(150, 12, 1.5), 13, name="candidate"))
    within = compared(made, reference, by("old", causes(150, 12, 1.5), 14, name="candidate"))
    assert across.auc == pytest.approx(within.auc, abs=0.05)
    assert across.p_value == pytest.approx(0.01)


def test_without_a_translation_the_refusal_names_the_command():
    views = by("old", causes(60, 1), 2), by("new!", causes(60, 3), 4, name="candidate")
    with pytest.raises(FingerprintMismatchError, match="assay extractors translate OLD NEW SOURCE"):
        compute(views, TwoSampleConfig(), RNG(0))


def test_a_store_of_a_third_extractor_is_refused(made):
    with pytest.raises(FingerprintMismatchError, match="of the translation and of the dataset"):
        translated(made, [by("third", causes(60, 1), 2), by("new!", causes(60, 3), 4)])


def test_one_dataset_of_the_shared_kind_is_enough_and_the_other_is_named(made):
    found = judge(made, [by("old", causes(300, 5), 6), by("new!", causes(300, 7, 2.0), 8)], RNG(0))
    assert found.refused == ""
    assert found.candidate.auc > 0.8 > found.reference.auc
    assert "the candidate is unlike the shared pictures" in translation_section(found).summary


def test_two_datasets_unlike_the_shared_pictures_are_refused_with_both_numbers(made):
    found = judge(made, [by("old", causes(300, 5, 2.0), 6), by("new!", causes(300, 7, 2.0), 8)], RNG(0))
    assert f"AUC {found.reference.auc:.2f} and {found.candidate.auc:.2f}" in found.refused
    told = translation_section(found)
    assert told.findings[0].sentence == found.refused
    assert told.summary.startswith("Not compared")


def test_a_dataset_of_the_shared_kind_is_not_told_from_the_shared_pictures(made):
    found = likeness(made.old, made.old(by("old", causes(300, 20), 21).vectors), RNG(0))
    assert found.auc == pytest.approx(0.5, abs=0.1)


def test_extractors_that_share_too_little_give_no_translation():
    with pytest.raises(ConfigError, match=r"share 0 directions with a held-out correlation of 0\.8 on 400 pictures"):
        learn(shared(600, noise=3.0), "flowers", RNG(0))


def test_a_translation_whose_own_halves_differ_is_refused(monkeypatch):
    told = Check(n=100, auc=0.7, low=0.6, high=0.8, p_value=0.005, mmd_p_value=0.2)
    monkeypatch.setattr(translations, "_checked", lambda halves, rng: told)
    with pytest.raises(ConfigError, match=r"AUC 0.70 \(0.60 to 0.80\), p = 0.01"):
        learn(shared(), "flowers", RNG(0))


def test_too_few_shared_pictures_are_refused_with_their_number():
    with pytest.raises(TooFewImagesError, match="600 images; there are 599"):
        learn(shared(599), "flowers", RNG(0))


def test_copies_among_the_shared_pictures_count_once():
    rows = np.repeat(causes(600, 0), 2, axis=0)
    views = [by(name, rows, 1, noise=0.0) for name in ("old", "new!")]
    views = [dataclasses.replace(view, images=_grouped(view.images)) for view in views]
    found = learn(views, "flowers", RNG(0))
    assert found.n_learnt + found.n_held_out == 600


def _grouped(images):
    place = images.schema.get_field_index("group")
    return images.set_column(place, "group", pa.array([str(i // 2) for i in range(len(images))]))


def test_every_p_value_is_told_beside_what_the_translation_shows_where_nothing_differs(made):
    found = compared(made, by("old", causes(60, 10), 11), by("new!", causes(60, 12), 13, name="candidate"))
    through = judge(made, [by("old", causes(60, 10), 11), by("new!", causes(60, 12), 13)], RNG(0))
    told = beside(section(found), through)
    assert made.check.words in told.headline[0].note
    assert all(made.check.words in block.metric.note for block in told.blocks if block.kind == "metric")
    assert through == Through.model_validate_json(through.model_dump_json())


def test_a_number_without_a_p_value_is_left_alone(made):
    through = judge(made, [by("old", causes(60, 10), 11), by("new!", causes(60, 12), 13)], RNG(0))
    metric = Metric(name="share", value=0.2, note="no interval")
    about = {"id": "a", "title": "A", "question": "?", "summary": "s", "analysis": "a", "version": 1}
    assert beside(Section(**about, headline=(metric,)), through).headline == (metric,)


def test_the_same_file_in_both_datasets_is_in_one_fold_and_near_copies_are_not_looked_for(made):
    """In the common space nearness says nothing of copies, so only equal files are one burst across the datasets."""
    rows = causes(40, 30)
    views = [by("old", rows, 31), by("new!", rows, 32, name="candidate")]
    hashes = views[0].images.column("content_hash").to_pylist()
    place = views[1].images.schema.get_field_index("content_hash")
    other = pa.array([hashes[7], *(f"other {i}" for i in range(39))])
    views[1] = dataclasses.replace(views[1], images=views[1].images.set_column(place, "content_hash", other))
    mapped = [dataclasses.replace(v, embeddings=e) for v, e in zip(views, translated(made, views), strict=True)]
    _, _, own, crossing = pairs.joint(*pairs.samples(mapped, 100, RNG(0)))
    assert crossing[40] == crossing[7]
    assert len(np.unique(crossing)) == 79
    assert len(np.unique(own)) == 80
