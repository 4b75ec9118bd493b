"""Settings by text: planted vectors whose truth is known, a small text and image tower, calibration."""

from __future__ import annotations

import dataclasses
import re
import tomllib
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError
from sklearn.linear_model import LogisticRegression

from audit.analyses.settings import compute, section
from audit.errors import ConfigError
from audit.model import DatasetView
from audit.settings.attributes import MISSING
from audit.settings.calibration import calibrate, platt
from audit.settings.config import SettingsConfig
from audit.settings.prompts import CARRIERS, FOCUS, MOST_CLASSES, TEMPLATES, Words, carriers, noun, prompts, texts_of
from audit.settings.text import posteriors, scores
from audit.settings.verdicts import Labelled
from tests.extractor_models import Models
from tests.views import unit, view_of

TIME = {"time": Words(values={"day": "during the day", "night": "at night"})}
CONFIG = SettingsConfig(n_permutations=99, vocabulary=TIME)
D = 32
TEMPERATURE = 30


def directions() -> dict[str, npt.NDArray[np.float64]]:
    """A direction for each class and each value."""
    basis = np.linalg.qr(np.random.default_rng(9).normal(size=(D, D)))[0]
    return dict(zip(("boat", "car", "day", "night"), basis, strict=False))


def planted(truth: list[str], labels: list[str], seed: int = 0) -> DatasetView:
    """Pictures and texts in one space: the class, something of the setting, and noise; other classes lie anywhere."""
    known, rng = directions(), np.random.default_rng(seed)
    vectors = np.stack([known[c] + 0.5 * known[t] for c, t in zip(labels, truth, strict=True)])
    view = view_of(vectors + 0.06 * rng.normal(size=vectors.shape), labels=labels)
    texts = {}
    for text in prompts(set(labels), CONFIG):
        name = next((c for c in ("boat", "car") if c in text), None)
        value = next((v for v, phrase in TIME["time"].values.items() if phrase in text), None)
        place = known[name] if name else rng.normal(size=D) / np.sqrt(D)
        place = place + (0.4 * known[value] if value else 0) + 0.02 * rng.normal(size=D)
        texts[text] = TEMPERATURE * unit(place[None])[0]
    return dataclasses.replace(view, texts=texts)


def nights(share: float, n: int = 300) -> tuple[list[str], list[str]]:
    """Boats at night in some pictures, and cars as often by day as by night."""
    k = round(share * n)
    return ["night"] * k + ["day"] * (n - k) + ["day", "night"] * (n // 2), ["boat"] * n + ["car"] * n


def test_the_texts_are_those_of_every_class_in_every_setting_and_in_none() -> None:
    found = prompts(["boat", "flat_fish"], CONFIG)
    assert len(found) == (2 + len(CARRIERS)) * 3 * len(TEMPLATES)
    assert "a photo of a boat at night." in found
    assert "a photo of a flat fish." in found
    assert found == prompts(["flat_fish", "boat", "boat"], CONFIG)


def test_a_class_may_be_called_by_another_word() -> None:
    config = SettingsConfig(class_words={"n01440764": "tench"})
    assert noun("n01440764", config) == "tench"
    assert any("tench on grass" in text for text in prompts(["n01440764"], config))


def test_the_vocabulary_is_that_of_focus() -> None:
    assert {name: len(words.values) for name, words in FOCUS.items()} == {"time": 2, "weather": 6, "location": 8}
    assert [name for name, words in FOCUS.items() if not words.exclusive] == ["location"]


def test_the_score_is_the_hand_worked_mean_over_classes() -> None:
    config = SettingsConfig(vocabulary={"time": Words(values={"night": "at night"})})
    texts = {text: np.array([10.0, 0.0], np.float32) for text in prompts(["boat"], config)}
    texts |= {text: np.array([6.0, 8.0], np.float32) for text in texts_of("boat", "at night")}  # 1 of 11 classes
    data = Labelled(("boat",), np.zeros(2, np.int64), np.arange(2))
    vectors = np.array([[0.0, 1.0], [1.0, 0.0]], np.float32)
    found = scores(data, vectors, texts, (config.vocabulary or {})["time"], config)[:, 0]
    assert found == pytest.approx([8 / 11, -4 / 11])


def test_the_score_of_a_picture_is_the_same_whatever_its_class() -> None:
    truth, labels = nights(0.3)
    view, words = planted(truth, labels), TIME["time"]
    assert view.texts is not None
    label = np.array([0 if one == "boat" else 1 for one in labels])
    data = Labelled(("boat", "car"), label, np.arange(len(label)))
    swapped = Labelled(("boat", "car"), 1 - label, np.arange(len(label)))
    found = [scores(one, view.vectors, view.texts, words, CONFIG) for one in (data, swapped)]
    assert found[0].tobytes() == found[1].tobytes()


def test_texts_stay_few_however_many_classes_there_are() -> None:
    config = SettingsConfig()
    many = [f"thing {i:04d}" for i in range(1000)]
    chosen = carriers(many, config)
    assert len(chosen) == MOST_CLASSES + len(CARRIERS)
    assert {"thing 0000", "thing 0999", *CARRIERS} <= set(chosen)
    assert len(prompts(many, config)) == len(chosen) * 17 * len(TEMPLATES)
    assert carriers(reversed(many), config) == chosen


@pytest.mark.parametrize("share", [0.0, 0.04, 0.3, 0.9, 1.0])
def test_planted_settings_are_read_at_any_prevalence(share: float) -> None:
    truth, labels = nights(share)
    splits = compute([planted(truth, labels)], CONFIG, np.random.default_rng(0)).tables["splits"].to_pylist()
    told = {row["path"]: row["text.time"] for row in splits}
    pairs = [(told[f"reference/{i:05d}.png"], value) for i, value in enumerate(truth)]
    known = [a == b for a, b in pairs if a != MISSING]
    assert len(known) > 0.9 * len(truth)
    assert np.mean(known) > 0.97


def test_of_values_that_do_not_exclude_each_other_those_near_the_best_are_told() -> None:
    found = posteriors(np.array([[2.0, 1.9, 1.0], [-1.0, -3.0, -1.0]]), exclusive=False)
    assert found == pytest.approx(1 / (1 + np.exp(-np.array([[2.0, 1.8, 0.0], [-1.0, -5.0, -1.0]]))))


@given(st.lists(st.floats(-30, 30), min_size=1, max_size=8))
def test_values_that_exclude_each_other_leave_room_for_none_of_them(logits: list[float]) -> None:
    found = posteriors(np.array([logits]), exclusive=True)[0]
    none = 1 / (1 + np.exp(logits).sum())
    assert found == pytest.approx(np.exp(logits) * none)
    assert (posteriors(np.array([[-9.0] * len(logits)]), exclusive=True) < 0.01).all()


def test_without_an_audited_sample_there_are_no_intervals_and_no_verdicts() -> None:
    truth, labels = nights(0.04)
    computed = compute([planted(truth, labels)], CONFIG, np.random.default_rng(0))
    rows = computed.tables["settings"].to_pylist()
    assert {(row["source"], row["low"], row["high"], row["verdict"]) for row in rows} == {
        ("text", None, None, "undetermined")
    }
    about = computed.result.attributes[0]
    assert about.note.startswith("uncalibrated: 0 audited pictures, 200 needed")
    said = section(computed.result)
    assert not said.findings
    assert said.summary.startswith("Settings were read by text only (time) and nobody checked them")
    captions = [one.caption for group in computed.result.galleries for one in (*group.common, *group.rare)]
    assert captions
    assert all("?" in caption for caption in captions)
    assert "which nobody checked" in said.model_dump_json()


def test_an_audited_sample_gives_intervals_verdicts_and_a_confusion_matrix() -> None:
    truth, labels = nights(0.04)
    view = planted(truth, labels)
    seen = [value if i % 2 == 0 else None for i, value in enumerate(truth)]
    view = dataclasses.replace(view, images=view.images.append_column("meta.seen", pa.array(seen)))
    config = CONFIG.model_copy(update={"audited": {"time": "seen"}})
    computed = compute([view], config, np.random.default_rng(0))
    verdicts = {(r["class"], r["value"]): r["verdict"] for r in computed.tables["settings"].to_pylist()}
    assert verdicts["boat", "night"] == "uncommon"
    assert verdicts["car", "night"] == "common"
    about = computed.result.attributes[0]
    assert about.note == "calibrated on 300 audited pictures"
    assert sum(n for _, _, n in about.confusion) == 300
    agreed = sum(n for saw, told, n in about.confusion if saw == told)
    silent = sum(n for _, told, n in about.confusion if told == "unknown")
    assert agreed > 280
    shown = section(computed.result).model_dump_json()
    assert f"what people saw of {agreed} of the {300 - silent} audited pictures" in shown
    assert "?" not in "".join(one.caption for group in computed.result.galleries for one in group.rare)


@pytest.mark.parametrize(
    ("column", "audited", "said"),
    [
        (["nite"], {"time": "seen"}, r"people saw 'nite' as time .* none of its values: day, night"),
        (["night"], {"tiem": "seen"}, r"audited names 'tiem', which is no setting; there are: time"),
        (["night"], {"time": "sen"}, r"audited names the column 'sen'; the metadata columns are: seen"),
    ],
)
def test_a_misspelt_word_of_an_audited_sample_is_named(column: list[str], audited: dict[str, str], said: str) -> None:
    truth, labels = nights(0.04)
    view = planted(truth, labels)
    seen = [*column, "none", "day | night", *[None] * (len(labels) - 3)]
    view = dataclasses.replace(view, images=view.images.append_column("meta.seen", pa.array(seen)))
    with pytest.raises(ConfigError, match=said):
        compute([view], CONFIG.model_copy(update={"audited": audited}), np.random.default_rng(0))


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ({"value": {"day": "by day"}}, "value\n  Extra inputs"),
        ({"values": {}}, "at least 1 item"),
        ({"values": {"day": " "}}, "at least 1 character"),
        ({"values": {"day": "by day"}, "exclusiv": True}, "exclusiv\n  Extra inputs"),
    ],
)
def test_a_vocabulary_that_cannot_be_used_says_where(words: dict[str, object], said: str) -> None:
    with pytest.raises(ValidationError, match=said) as error:
        SettingsConfig.model_validate({"vocabulary": {"time": words}})
    assert error.value.errors()[0]["loc"][:2] == ("vocabulary", "time")


def test_every_example_of_the_manual_can_be_used() -> None:
    manual = (Path(__file__).parents[2] / "docs" / "settings.md").read_text(encoding="utf-8")
    examples = [
        tomllib.loads(text)["analyses"]["settings"] for text in re.findall(r"```toml\n(.*?)```", manual, re.DOTALL)
    ]
    used = [SettingsConfig.model_validate(example) for example in examples]
    assert any(one.vocabulary and one.vocabulary["season"].values["winter"] == "in winter" for one in used)
    assert any(one.class_words == {"n01440764": "tench"} for one in used)


def test_platt_scaling_is_a_logistic_regression_on_softened_targets() -> None:
    rng = np.random.default_rng(5)
    score = rng.normal(size=4000)
    has = (rng.random(4000) < 1 / (1 + np.exp(-(1.7 * score - 0.6)))).astype(float)
    theirs = LogisticRegression(C=1e8).fit(score[:, None], has)
    assert platt(score, has) == pytest.approx((theirs.coef_[0, 0], theirs.intercept_[0]), abs=0.01)


def test_calibrated_values_that_exclude_each_other_add_up_to_one_with_that_of_none() -> None:
    rng = np.random.default_rng(6)
    truth: list[tuple[str, ...] | None] = [("a",) if x else ("b",) for x in rng.random(400) < 0.5]
    scored = np.stack([[float("a" in (t or ())), float("b" in (t or ()))] for t in truth]) + rng.normal(size=(400, 2))
    found = calibrate(scored, ("a", "b"), truth, exclusive=True)
    assert found.sum(axis=1) == pytest.approx(1, abs=0.02)  # nobody saw neither
    assert found[:, 0].mean() == pytest.approx(np.mean([t == ("a",) for t in truth]), abs=0.03)


def test_a_real_text_tower_of_random_weights_reads_the_whole_vocabulary(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Random weights know nothing: what is asked is that shapes, texts and tables fit from end to end."""
    from audit.extractors import load_extractor, openclip
    from audit.extractors.base import TextEncoder

    class Tokens:
        def __call__(self, texts: list[str]) -> object:
            import torch

            rows = [[1 + sum(map(ord, word)) % 62 for word in text.split()][:8] for text in texts]
            return torch.tensor([row + [0] * (7 - len(row)) + [63] if len(row) < 8 else row for row in rows])

    monkeypatch.setattr(openclip, "_tokeniser", lambda _: Tokens())
    extractor = load_extractor(Models(tmp_path).named("openclip:small/PATH"))
    assert isinstance(extractor, TextEncoder)
    pictures = np.random.default_rng(0).integers(0, 256, (60, 32, 32, 3), np.uint8)
    vectors = np.concatenate([extractor.features(pictures[i : i + 30]).embedding for i in (0, 30)])
    config = SettingsConfig(n_permutations=99)
    wanted = prompts(["boat", "car"], config)
    view = view_of(vectors, labels=["boat", "car"] * 30)
    view = dataclasses.replace(view, texts=dict(zip(wanted, unit(extractor.embed_text(wanted)), strict=True)))
    computed = compute([view], config, np.random.default_rng(0))
    assert [a.name for a in computed.result.attributes] == ["location", "time", "weather"]
    splits = computed.tables["splits"]
    assert {"text.time", "text.time.posterior", "text.location"} <= set(splits.column_names)
    posterior = splits["text.weather.posterior"].to_numpy()
    assert ((posterior >= 0) & (posterior <= 1)).all()
