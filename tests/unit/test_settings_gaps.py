"""Accuracy gaps: hand-worked differences, intervals, suppression, and the correction for noisy settings."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pytest
from scipy.stats import binom

from audit.analyses.settings import compute, section
from audit.errors import ConfigError
from audit.maths.intervals import newcombe
from audit.model import IMAGES_SCHEMA, DatasetView
from audit.report import Severity, TextBlock
from audit.settings import gaps
from audit.settings.attributes import attribute_of
from audit.settings.config import SettingsConfig
from audit.settings.gaps import Gap, Noise, find_gaps, noise_of, pooled_difference
from audit.settings.predictions import correctness
from audit.settings.verdicts import Labelled, States

OWN = {"uncommon": {"a": {"place": ("sea",)}, "b": {"place": ("road",)}}}


def _data(label: npt.NDArray[np.int64], burst: npt.NDArray[np.int64] | None = None) -> Labelled:
    names = tuple("abc"[: int(label.max()) + 1])
    return Labelled(names, label, np.arange(len(label)) if burst is None else burst)


def _gaps(
    data: Labelled, uncommon: npt.NDArray[np.bool_], correct: npt.NDArray[np.float64], noise: Noise | None = None
) -> dict[tuple[str, str], Gap]:
    place = attribute_of("place", [("x",)] * len(data))
    states = States(uncommon[:, None], ~uncommon[:, None])
    known = {} if noise is None else {"place": noise}
    found = find_gaps(data, (place,), states, correct, known, np.random.default_rng(0))
    return {(gap.label, gap.attribute): gap for gap in found}


def _view(columns: dict[str, list[str | None]]) -> DatasetView:
    n = len(columns["label"])
    filled = {name: pa.nulls(n, IMAGES_SCHEMA.field(name).type) for name in IMAGES_SCHEMA.names}
    filled |= {"image_id": pa.array([f"{i:016x}" for i in range(n)]), "path": pa.array([f"{i}.png" for i in range(n)])}
    filled |= {name: pa.array(values, pa.string()) for name, values in columns.items()}
    return DatasetView("d", "f", pa.table(filled), IMAGES_SCHEMA.empty_table())


def test_the_pooled_difference_is_the_hand_worked_mantel_haenszel_one() -> None:
    # a: 9 of 10 common and 3 of 5 uncommon are right; b: 2 of 4 and 1 of 4. Weights 10 * 5 / 15 and 4 * 4 / 8.
    label = np.repeat([0, 1], [15, 8])
    uncommon = np.repeat([False, True, False, True], [10, 5, 4, 4])
    correct = np.concatenate([np.repeat([1.0, 0.0], counts) for counts in ([9, 1], [3, 2], [2, 2], [1, 3])])
    expected = (10 / 3 * (0.9 - 0.6) + 2 * (0.5 - 0.25)) / (10 / 3 + 2)
    assert pooled_difference(label, uncommon, correct) == pytest.approx(expected)


def test_a_class_with_all_images_on_one_side_has_no_weight() -> None:
    label, uncommon = np.array([0, 0, 1, 1]), np.array([False, True, False, False])
    assert pooled_difference(label, uncommon, np.array([1.0, 0.0, 0.0, 0.0])) == 1
    assert np.isnan(pooled_difference(label[2:], uncommon[2:], np.zeros(2)))


def test_one_class_of_independent_images_has_newcombes_interval() -> None:
    label, uncommon = np.zeros(150, np.int64), np.arange(150) >= 80
    correct = np.concatenate([np.arange(80) < 56, np.arange(70) < 28]).astype(float)
    gap = _gaps(_data(label), uncommon, correct)["a", "place"]
    assert gap.gap == pytest.approx(56 / 80 - 28 / 70)
    assert (gap.low, gap.high) == newcombe(56, 80, 28, 70)
    assert gap.interval == "Newcombe"


def test_bursts_of_copies_widen_the_interval() -> None:
    rng = np.random.default_rng(1)
    uncommon = np.repeat(np.arange(60) % 2 == 0, 5)
    correct = np.repeat((rng.random(60) < 0.7).astype(float), 5)
    label = np.zeros(300, np.int64)
    alone = _gaps(_data(label), uncommon, correct)["a", "place"]
    together = _gaps(_data(label, np.repeat(np.arange(60), 5)), uncommon, correct)["a", "place"]
    assert together.interval.startswith("bootstrap")
    assert None not in (alone.low, alone.high, together.low, together.high)
    assert together.high - together.low > 1.7 * (alone.high - alone.low)  # type: ignore[operator]


def test_few_uncommon_images_give_no_number() -> None:
    label, uncommon = np.zeros(200, np.int64), np.arange(200) < 29
    gap = _gaps(_data(label), uncommon, np.ones(200))["a", "place"]
    assert (gap.gap, gap.accuracy_uncommon, gap.low) == (None, None, None)
    assert "29 pictures" in gap.note


def test_the_interval_of_the_pooled_gap_covers_the_planted_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gaps, "N_RESAMPLES", 400)
    covered = 0
    for seed in range(20):
        rng = np.random.default_rng(seed)
        label, uncommon = rng.integers(0, 2, 400), rng.random(400) < 0.3
        correct = (rng.random(400) < 0.9 - 0.1 * label - 0.3 * uncommon).astype(float)
        gap = _gaps(_data(label), uncommon, correct)["", "place"]
        assert gap.low is not None
        assert gap.high is not None
        covered += gap.low <= 0.3 <= gap.high
    # At a coverage of 95 %, 16 or fewer of 20 have a probability of 1.6 %, 15 or fewer of 0.3 %.
    assert covered > 15
    assert binom.cdf(15, 20, 0.95) < 0.003


def test_noisy_settings_hide_a_gap_that_the_correction_brings_back() -> None:
    rng = np.random.default_rng(4)
    n = 9_000
    truly = rng.random(n) < 0.3
    called = np.where(truly, rng.random(n) < 0.74, rng.random(n) < 0.26)
    correct = (rng.random(n) < np.where(truly, 0.6, 0.9)).astype(float)
    noise = noise_of(called, ~called, truly, ~truly)
    assert noise is not None
    gap = _gaps(_data(np.zeros(n, np.int64)), called, correct, noise)["a", "place"]
    assert gap.gap is not None
    assert gap.gap < 0.17
    assert gap.corrected == pytest.approx(0.3, abs=0.05)
    assert noise.ppv == pytest.approx(0.3 * 0.74 / (0.3 * 0.74 + 0.7 * 0.26), abs=0.03)


def test_a_correction_of_settings_that_say_too_little_is_refused() -> None:
    label, uncommon = np.zeros(200, np.int64), np.arange(200) < 90
    gap = _gaps(_data(label), uncommon, (np.arange(200) % 3 > 0).astype(float), Noise(0.55, 0.6, 200))["a", "place"]
    assert gap.gap is not None
    assert gap.corrected is None
    assert "PPV + NPV - 1 = 0.15" in gap.note


def test_a_column_of_labels_and_one_of_words_say_the_same() -> None:
    columns: dict[str, list[str | None]] = {
        "label": ["a", "b", "a", "b"],
        "meta.guess": ["a", "a", None, "b"],
        "meta.right": ["yes", "no", "", "True"],
    }
    images = _view(columns).images
    for name in ("guess", "right"):
        assert correctness(images, name) == pytest.approx([1, 0, np.nan, 1], nan_ok=True)


def test_a_column_that_is_not_there_is_named_with_those_that_are() -> None:
    view = _view({"label": ["a", "b"] * 20, "meta.place": ["x", "y"] * 20})
    with pytest.raises(ConfigError, match=r"'guess'.*place"):
        compute([view], SettingsConfig(predictions="guess"), np.random.default_rng(0))


def _shore(audited: bool = False) -> DatasetView:
    """Each class 100 times where it is usual, all right, and 50 times where it is not, 20 of them right."""
    right: list[str | None] = ["yes"] * 100 + ["yes"] * 20 + ["no"] * 30
    places: list[str | None] = ["road"] * 100 + ["sea"] * 150 + ["road"] * 50
    columns: dict[str, list[str | None]] = {
        "label": ["a"] * 150 + ["b"] * 150,
        "meta.place": places,
        "meta.right": right * 2,
    }
    if audited:
        columns["meta.seen"] = places
    return _view(columns)


def test_the_report_names_the_gap_with_its_interval_and_the_table_has_every_class() -> None:
    config = SettingsConfig(predictions="right", **OWN)
    computed = compute([_shore()], config, np.random.default_rng(0))
    assert [about.name for about in computed.result.attributes] == ["place"]
    rows = {(r["class"], r["attribute"]): r for r in computed.tables["gaps"].to_pylist()}
    assert set(rows) == {("", ""), ("a", ""), ("b", ""), ("", "place"), ("a", "place"), ("b", "place")}
    assert rows["a", ""]["gap"] == pytest.approx(1 - 20 / 50)
    finding = next(f for f in section(computed.result).findings if f.id == "settings.gap")
    assert finding.severity is Severity.ATTENTION
    assert "100% of the pictures in common settings and on 40% of those in uncommon ones" in finding.sentence
    assert finding.metric.low is not None
    assert 40 < finding.metric.low < 60


def test_an_audited_sample_corrects_the_gap_of_its_setting() -> None:
    config = SettingsConfig(predictions="right", audited={"place": "seen"}, **OWN)
    computed = compute([_shore(audited=True)], config, np.random.default_rng(0))
    assert [about.name for about in computed.result.attributes] == ["place"]
    row = next(r for r in computed.tables["gaps"].to_pylist() if (r["class"], r["attribute"]) == ("", "place"))
    assert row["corrected"] == pytest.approx(row["gap"])
    assert "300 audited pictures" in row["note"]


def test_without_uncommon_pictures_the_report_says_why_there_is_no_gap() -> None:
    columns: dict[str, list[str | None]] = {
        "label": ["a"] * 60 + ["b"] * 60,
        "meta.place": ["road", "sea"] * 60,
        "meta.right": ["yes", "no"] * 60,
    }
    computed = compute([_view(columns)], SettingsConfig(predictions="right"), np.random.default_rng(0))
    shown = section(computed.result)
    block = next(b for b in shown.blocks if isinstance(b, TextBlock))
    assert "0 pictures in uncommon settings" in block.text
    assert "below 10%" in block.text
    assert not [f for f in shown.findings if f.id == "settings.gap"]
