"""The analysis of spurious features on views in which the shortcut is known."""

import dataclasses

import numpy as np
import pyarrow as pa
import pytest

from audit.analyses.spurious import compute, section
from audit.assemble import rank_findings
from audit.fingerprint import canonical_json
from audit.maths.rows import arrange
from audit.report import Severity
from audit.spurious.evidence import SpuriousConfig
from audit.spurious.results import pictures_of
from tests.spurious_views import planted, reordered
from tests.views import make_view


def run(view, **config):
    quick = {"n_permutations": 199, "n_null": 39, "examined": 12}
    return compute([view], SpuriousConfig(**quick | config), np.random.default_rng(0))


@pytest.fixture(scope="module")
def shortcut():
    return planted(1, n=1000, rho=0.85)


@pytest.fixture(scope="module")
def computed(shortcut):
    return run(shortcut.view)


def rows(computed):
    return {row["feature"]: row for row in computed.tables["spurious"].to_pylist()}


def test_the_headline_says_what_the_background_gives_away_beside_guessing(computed):
    summary = section(computed.result).summary
    read = computed.result.read
    assert f"{read.background:.0%} of the label can be read off the background alone" in summary
    assert read.background > 0.65
    assert read.guess == pytest.approx(0.5, abs=0.03)
    assert read.p == 1 / 40


def test_a_planted_background_is_contextual_and_the_object_is_not(computed):
    found = rows(computed)
    for name in ("late:2", "late:3"):
        assert "E1+E2" in found[name]["level"]
        assert found[name]["g_background"] > 0.2 > found[name]["g_foreground"]
    for name in ("late:0", "late:1"):
        assert "E2" not in found[name]["level"]
        assert found[name]["g_foreground"] > 0.2 > found[name]["g_background"]


def test_harm_is_found_where_label_and_background_conflict(computed):
    found = next(f for f in computed.result.features if f.is_spurious)
    assert found.gap_low > 0
    assert "E4" in found.levels
    finding = next(f for f in section(computed.result).findings if f.severity is Severity.PROBLEM)
    assert finding.sentence.startswith(
        "A shortcut in the background of “class 0”: pictures whose background does not fit"
    )
    assert finding.metric.low <= finding.metric.value <= finding.metric.high


def test_conflicting_images_are_listed_and_most_of_them_truly_conflict(shortcut, computed):
    table = computed.tables["conflicts"].to_pylist()
    ids = shortcut.view.column("image_id")
    truly = {ids[i] for i in np.flatnonzero(shortcut.classes != shortcut.backgrounds)}
    first = [row for row in table if row["feature"] == table[0]["feature"]]
    base = len(truly) / len(ids)
    assert np.mean([row["image_id"] in truly for row in first]) > 2 * base


def test_sample_weights_balance_the_groups(computed):
    weights = computed.tables["sample_weights"].to_pandas()
    sums = weights.groupby(["feature", "group"])["weight"].sum().groupby("feature")
    assert (sums.max() / sums.min()).max() == pytest.approx(1)


def test_the_balanced_split_uses_as_many_images_of_each_group_and_keeps_bursts_whole():
    view = planted(2, n=900, rho=0.85, burst=3).view
    split = run(view).tables["balanced_split"].to_pandas()
    used = split[split["used"]].groupby(["feature", "part", "group"]).size()
    assert (used.groupby(["feature", "part"]).nunique() == 1).all()
    group = dict(zip(view.column("image_id"), view.column("group"), strict=True))
    first = split[split["feature"] == split["feature"].iloc[0]]
    assert first.groupby(first["image_id"].map(group))["part"].nunique().max() == 1


def test_without_a_shortcut_nothing_is_flagged():
    result = run(planted(3, rho=None).view).result
    assert result.n_risks == 0
    assert not [f for f in section(result).findings if f.severity in (Severity.PROBLEM, Severity.ATTENTION)]


def test_without_conflicting_images_harm_is_impossible_and_the_report_says_so():
    result = run(planted(4, n=800, rho=None, camera=1.0).view).result
    camera = next(f for f in result.features if f.kind == "metadata")
    assert camera.gap is None
    finding = next(f for f in section(result).findings if "camera" in f.sentence)
    assert "in 100% of its pictures, against 0% of the others, with too few exceptions to measure" in finding.sentence
    assert "E4" not in camera.levels


def test_the_class_with_the_strongest_tie_is_the_first_finding_of_the_report():
    plant = planted(11, n=900, n_classes=4, rho=0.6, clear=1.5)
    rng = np.random.default_rng(0)
    at_sea = rng.random(900) < np.where(plant.classes == 2, 0.98, 0.02)
    column = pa.array(np.where(at_sea, "sea", "land").tolist())
    view = dataclasses.replace(plant.view, images=plant.view.images.append_column("meta.place", column))
    found = section(run(view).result)
    sentences = [finding.sentence for finding in found.findings]
    assert "“class 2”" in sentences[0]
    assert "“place” is “sea” (9" in found.findings[0].metric.note
    assert len([sentence for sentence in sentences if "“class 2”" in sentence]) == 1
    assert [placed.finding.sentence for placed in rank_findings([found])] == sentences


def test_every_class_has_one_finding_at_most_and_its_pictures_stand_nowhere_else():
    found = section(run(planted(12, n=900, n_classes=4, rho=0.85, clear=1.5).view).result)
    tied = [finding.id for finding in found.findings if finding.id != "spurious.background"]
    assert len(tied) == len(found.findings) >= 2
    assert not [block for block in found.blocks if block.kind == "images"]
    for finding in found.findings:
        words = {picture.caption.split(", ")[-1] for picture in finding.pictures}
        for label in range(4):
            words -= {
                "usual background",
                "unusual background",
                "another background",
                f"background like “class {label}”",
            }
        assert not words


def test_codes_in_numbers_are_circumstances_and_an_empty_text_is_none():
    view = planted(13, n=400, rho=None).view
    codes, texts = [i % 3 for i in range(400)], ["" if i % 2 else ("a", "b")[i % 4 // 2] for i in range(400)]
    images = view.images.append_column("meta.code", [codes]).append_column("meta.text", [texts])
    names = set(rows(run(dataclasses.replace(view, images=images))))
    assert {"code = 0", "code = 1", "code = 2", "code", "text = a"} <= names
    assert "text = " not in names


def test_what_has_no_place_in_the_picture_is_never_called_spurious_without_a_person():
    view = planted(5, rho=None, camera=0.9).view
    assert not any(f.is_spurious for f in run(view).result.features)
    confirmed = run(view, verdicts={"camera = C0": "confirmed"}).result
    camera = next(f for f in confirmed.features if f.kind == "metadata")
    assert camera.is_spurious
    assert "E5" in camera.levels


def test_a_verdict_on_a_merged_name_counts_and_a_rejected_feature_is_no_finding(shortcut):
    everything = dict.fromkeys(("late:2", "late:3", "background of class 0"), "rejected")
    result = run(shortcut.view, verdicts=everything).result
    assert not [f for f in result.features if f.is_risk]
    assert result.n_risks == 0


def test_without_parts_the_report_says_that_places_were_not_assessed():
    computed = run(planted(6, with_parts=False).view)
    result = computed.result
    assert result.read is None
    assert result.n_risks == 0
    assert "not assessed" in section(result).summary
    assert section(result).headline[0].value is None


def test_without_neurons_statistics_and_metadata_are_still_judged():
    view = dataclasses.replace(planted(7, camera=0.8).view, neurons=None, parts=None)
    computed = run(view)
    assert rows(computed)["camera = C0"]["level"].startswith("E1")
    assert computed.result.plane == ()


def test_one_class_or_few_images_are_a_reason_and_no_error():
    for view in (make_view(1), planted(8, n=60).view, make_view(1, labelled=False)):
        small = dataclasses.replace(view) if len(view) < 100 else view
        summary = section(run(small).result).summary
        assert summary.startswith("Not judged")


def test_the_models_own_predictions_are_used_for_harm_and_are_no_candidate(shortcut):
    view, images = shortcut.view, shortcut.view.images
    by_background = [f"class {b}" for b in shortcut.backgrounds]
    view = dataclasses.replace(view, images=images.append_column("meta.prediction", [by_background]))
    computed = run(view)
    assert computed.result.used_predictions
    assert computed.result.accuracy == pytest.approx((shortcut.backgrounds == shortcut.classes).mean())
    assert not any("prediction" in name for name in rows(computed))
    assert max(f.gap for f in computed.result.features) > 0.3


def test_candidates_that_are_one_are_merged_and_named(shortcut):
    view = shortcut.view
    copied = view.neurons.values.copy()
    copied[:, 20] = copied[:, 12]
    view = dataclasses.replace(view, neurons=dataclasses.replace(view.neurons, values=copied))
    found = rows(run(view))
    assert found["late:2"]["same_as"] == ["late:10"]
    assert "late:10" not in found


def test_the_order_of_rows_neurons_and_parts_changes_nothing(shortcut, computed):
    mixed = reordered(shortcut.view, np.random.default_rng(9).permutation(len(shortcut.view)))
    other = run(mixed)
    assert canonical_json(other.result) == canonical_json(computed.result)
    for name, table in computed.tables.items():
        assert table.equals(other.tables[name]), name


def test_arranging_a_view_moves_neurons_and_parts_with_their_images(shortcut):
    mixed = reordered(shortcut.view, np.random.default_rng(10).permutation(len(shortcut.view)))
    back = arrange(mixed)
    np.testing.assert_array_equal(back.neurons.values, shortcut.view.neurons.values)
    np.testing.assert_array_equal(back.parts.rows, shortcut.view.parts.rows)
    np.testing.assert_array_equal(back.parts.backgrounds[1].neurons, shortcut.view.parts.backgrounds[1].neurons)
    np.testing.assert_array_equal(back.parts.boxes, shortcut.view.parts.boxes)


def test_weights_are_advised_only_where_they_helped_the_worst_group(computed):
    found = next(f for f in computed.result.features if f.is_spurious)
    for after, is_advised in ((found.before + 0.1, True), (found.before - 0.1, False), (None, False)):
        told = computed.result.model_copy(update={"features": (found.model_copy(update={"after": after}),)})
        (finding,) = (f for f in section(told).findings if f.severity is Severity.PROBLEM)
        assert ("sample_weights" in finding.action) is is_advised


def test_usual_pictures_are_the_typical_ones_and_exceptions_the_clearest(computed, shortcut):
    found = next(f for f in computed.result.features if f.is_spurious)
    known = np.arange(5), np.full(5, 3), np.array([1.0, 2.0, 3.1, 4.0, 100.0])
    ids = shortcut.view.column("image_id")
    for typical, first in ((True, ids[2]), (False, ids[4])):
        shown = pictures_of(shortcut.view, found, known, (3, 0), typical=typical)
        assert shown[0].image_id == first
