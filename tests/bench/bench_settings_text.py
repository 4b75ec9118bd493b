"""Settings by text with a trained pair of towers on real pictures that it was not trained on.

``PYTHONPATH=. python -m tests.bench.bench_settings_text [--cache DIR]``

The pair is trained first if the cache holds none (about 10 minutes of one core; see ``text_tower``). For each set:

* ``ways`` to read a setting, at a posterior of 0.65: the share of pictures that are told, of these the share told
  rightly and told rightly with nothing else beside it, and the mean error of the shares of settings in classes;
* how well the product's score ranks each value (area under the ROC curve);
* ``leak``: Waterbirds are tied to their place in training: how much of a score of water comes from the bird;
* ``audited``: where half of the pictures were looked at: verdicts against those of the truth, coverage of intervals,
  and the accuracy gap of a model that errs in uncommon settings, naive and corrected.
"""

from __future__ import annotations

import argparse
import dataclasses
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from audit.analyses.settings import compute
from audit.extractors import TextEncoder, load_extractor, temperature_of
from audit.maths.separability import auc
from audit.model import DatasetView
from audit.pictures.process import process
from audit.settings.config import SettingsConfig
from audit.settings.prompts import FOCUS, Words, carriers, prompts, texts_of
from audit.settings.text import SURE, posteriors, scores
from audit.settings.verdicts import Labelled
from tests.bench.text_pictures import Shown, pictures
from tests.bench.text_tower import extractor_name
from tests.bench.two_modes import fit_two_modes
from tests.views import unit, view_of

SETS = (("drawn", "location"), ("waterbirds", "location"), ("weather", "weather"), ("daynight", "time"))
SUNRISE = {"sunrise": "at sunrise"}
VOCABULARY = {**FOCUS, "weather": Words(values={**FOCUS["weather"].values, **SUNRISE})}
CONFIG = SettingsConfig(vocabulary=VOCABULARY, n_permutations=99, contexts=False)
TAU = {"drawn": 0.15, "waterbirds": 0.35}
"""Shares below which a setting is called uncommon, where some are; for the sets that are large enough."""
RIGHT_IN_COMMON, RIGHT_IN_UNCOMMON = 0.95, 0.65

Floats = npt.NDArray[np.float64]
Texts = Mapping[str, npt.NDArray[np.float32]]


@dataclass(frozen=True)
class Held:
    """Pictures of one set with their vectors, and the texts of all.

    Attributes
    ----------
    label, truth : str (n,)
    vectors : float32 (n, d)
    texts : mapping of text to float32 (d,), as long as the temperature
    temperature : float
    """

    label: npt.NDArray[np.str_]
    truth: npt.NDArray[np.str_]
    vectors: npt.NDArray[np.float32]
    texts: Texts
    temperature: float

    @property
    def data(self) -> Labelled:
        """The labels as the analysis reads them."""
        classes, label = np.unique(self.label, return_inverse=True)
        return Labelled(tuple(classes.tolist()), label.astype(np.int64), np.arange(len(label)))


def main() -> None:
    """Print the blocks of each set."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cache", type=Path, default=None, help="keep the weights and what was embedded here")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        held = embedded(arguments.cache or Path(folder))
    for kind, setting in SETS:
        one, words = held[kind], VOCABULARY[setting]
        print(f"== {kind}: {len(one.label)} pictures, {setting}\n   {'way':<26} told  right  alone  error of shares")
        for name, way in WAYS.items():
            print(f"   {name:<26}" + "".join(f"{x:7.2f}" for x in told(one, words, way(one, words))))
        found = scores(one.data, one.vectors, one.texts, words, CONFIG)
        for k, value in enumerate(words.values):
            if (one.truth == value).any() and (one.truth != value).any():
                print(f"   area under the ROC curve, {value}: {auc(found[:, k], one.truth == value):.3f}")
        if kind in TAU:
            audited(one, setting, TAU[kind])
    leak(held["waterbirds"])


def embedded(cache: Path) -> dict[str, Held]:
    """The pictures held out, by set, and the texts that all of them and every way need."""
    extractor = load_extractor(extractor_name(cache))
    assert isinstance(extractor, TextEncoder)
    shown, kept = list(pictures(held_out=True)), cache / "held-out.npy"
    if not kept.is_file():
        size = extractor.spec.input
        np.save(kept, np.concatenate([_embed(extractor, shown[i : i + 32], size) for i in range(0, len(shown), 32)]))
    vectors, temperature = unit(np.load(kept)), temperature_of(extractor)
    print(f"{len(shown)} pictures held out; temperature {temperature:.1f}")
    wanted = prompts({one.label for one in shown}, CONFIG)
    texts = dict(zip(wanted, temperature * unit(extractor.embed_text(wanted)), strict=True))
    found = {}
    for kind, _ in SETS:
        rows = np.array([i for i, one in enumerate(shown) if one.kind == kind])
        columns = (np.array([getattr(shown[i], name) for i in rows]) for name in ("label", "setting"))
        found[kind] = Held(*columns, vectors[rows], texts, temperature)
    return found


def _embed(extractor: object, shown: list[Shown], size: object) -> npt.NDArray[np.float32]:
    pixels = np.stack([process(one.data, size, max_pixels=10**8).pixels for one in shown])
    return np.asarray(extractor.features(pixels).embedding)


def told(held: Held, words: Words, posterior: Floats) -> tuple[float, float, float, float]:
    """Shares told, told rightly, and told rightly alone; mean absolute error of the share of a setting in a class."""
    says, place = posterior >= SURE, {value: k for k, value in enumerate(words.values)}
    known = says.any(axis=1)
    right = says[np.arange(len(says)), [place[value] for value in held.truth]]
    alone = right & (says.sum(axis=1) == 1)
    errors = []
    for label in np.unique(held.label):
        inside = held.label == label
        for value, k in place.items():
            said = says[inside & known, k].mean() if (inside & known).any() else 0.0
            errors.append(abs(said - (held.truth[inside] == value).mean()))
    return float(known.mean()), float(right[known].mean()), float(alone[known].mean()), float(np.mean(errors))


def by_product(held: Held, words: Words) -> Floats:
    """As the analysis does."""
    found = scores(held.data, held.vectors, held.texts, words, CONFIG)
    return posteriors(found, exclusive=words.exclusive)


def by_focus_alone(held: Held, words: Words) -> Floats:
    """The same with FOCUS's classes only."""
    found = held.vectors @ _directions(held, words, carriers([], CONFIG)).T
    return posteriors(found, exclusive=words.exclusive)


def by_set_alone(held: Held, words: Words) -> Floats:
    """The same with the classes of the set only."""
    found = held.vectors @ _directions(held, words, sorted(set(held.label.tolist()))).T
    return posteriors(found, exclusive=words.exclusive)


def by_own_class(held: Held, words: Words) -> Floats:
    """The texts of the picture's own class instead of the mean over classes."""
    return posteriors(own_class(held, words), exclusive=words.exclusive)


def by_modes(held: Held, words: Words) -> Floats:
    """ADR 24: two modes of the scores of the own class, by text."""
    found = own_class(held, words)
    logits = np.zeros_like(found)
    for k in range(found.shape[1]):
        modes = fit_two_modes(found[:, k])
        if modes is not None and modes.are_apart:
            logits[:, k] = modes.logit(found[:, k])
    return _as_was(logits, words)


def by_z_scores(held: Held, words: Words) -> Floats:
    """Twice the z-scores of the own class, by text."""
    found = own_class(held, words)
    return _as_was(2 * (found - found.mean(axis=0)) / found.std(axis=0), words)


def by_modes_without_class(held: Held, words: Words) -> Floats:
    """Two modes of scores from which the text of the class is not subtracted."""
    found = own_class(held, words, subtract=False)
    modes = [fit_two_modes(found[:, k]) for k in range(found.shape[1])]
    logits = [m.logit(found[:, k]) if m and m.are_apart else 0 * found[:, k] for k, m in enumerate(modes)]
    return _as_was(np.stack(logits, axis=1), words)


WAYS: dict[str, Callable[[Held, Words], Floats]] = {
    "product": by_product,
    "FOCUS's classes alone": by_focus_alone,
    "the set's classes alone": by_set_alone,
    "own class": by_own_class,
    "own class, two modes": by_modes,
    "own class, z-scores": by_z_scores,
    "not subtracted, two modes": by_modes_without_class,
}


def own_class(held: Held, words: Words, *, subtract: bool = True) -> Floats:
    """Log-odds by the texts of each picture's own class."""
    found = np.zeros((len(held.label), len(words.values)))
    for label in np.unique(held.label):
        base = np.mean([held.texts[t] for t in texts_of(label)], axis=0) if subtract else 0.0
        named = [np.mean([held.texts[t] for t in texts_of(label, p)], axis=0) for p in words.values.values()]
        found[held.label == label] = held.vectors[held.label == label] @ (np.stack(named) - base).T
    return found


def _directions(held: Held, words: Words, names: object) -> Floats:
    def mean(phrase: str) -> Floats:
        return np.asarray(np.mean([held.texts[t] for name in names for t in texts_of(name, phrase)], axis=0))

    return np.stack([mean(phrase) - mean("") for phrase in words.values.values()])


def _as_was(logits: Floats, words: Words) -> Floats:
    """Posteriors of ADR 24: others than exclusive values stood alone."""
    return posteriors(logits, exclusive=True) if words.exclusive else 1 / (1 + np.exp(-logits))


def leak(held: Held) -> None:
    """How much of the score of water is the bird's, beside what is the place's."""
    words, k = VOCABULARY["location"], list(VOCABULARY["location"].values).index("water")
    both = [(bird, place) for place in ("forest", "water") for bird in ("landbird", "waterbird")]
    print("== leak: landbird and waterbird before forest, then before water; score of water")
    for name, found in (
        ("product", scores(held.data, held.vectors, held.texts, words, CONFIG)),
        ("the set's classes alone", held.vectors @ _directions(held, words, ["landbird", "waterbird"]).T),
        ("own class", own_class(held, words)),
        ("not subtracted", own_class(held, words, subtract=False)),
    ):
        cells = [found[(held.label == bird) & (held.truth == place), k] for bird, place in both]
        means = [float(cell.mean()) for cell in cells]
        place = (means[2] + means[3] - means[0] - means[1]) / 2
        bird = (means[1] + means[3] - means[0] - means[2]) / 2
        odd = auc(np.concatenate([cells[1], cells[2]]), np.arange(len(cells[1]) + len(cells[2])) >= len(cells[1]))
        print(
            f"   {name:<26} bird / place {bird / place:5.2f}   landbirds on water before waterbirds on land {odd:.3f}"
        )


def audited(held: Held, setting: str, tau: float) -> None:
    """Half of the pictures looked at: verdicts, coverage and gaps against those of the truth."""
    config = CONFIG.model_copy(update={"vocabulary": {setting: VOCABULARY[setting]}, "tau": tau})
    rng = np.random.default_rng(29)  # not that of the pictures: their places would tell who is right
    view = dataclasses.replace(view_of(held.vectors, labels=held.label.tolist()), texts=held.texts)
    truth = compute([_with(view, place=held.truth.tolist())], config.model_copy(update={"vocabulary": {}}), rng)
    rows = {(r["class"], r["value"]): r for r in truth.tables["settings"].to_pylist() if r["attribute"] == "place"}
    state = truth.tables["splits"].column("state").to_pylist()
    ids = dict(zip(truth.tables["splits"].column("image_id").to_pylist(), state, strict=True))
    share = [RIGHT_IN_UNCOMMON if ids[i] == "uncommon" else RIGHT_IN_COMMON for i in view.column("image_id")]
    right = ["true" if rng.random() < p else "false" for p in share]
    seen = [value if i % 2 else None for i, value in enumerate(held.truth.tolist())]
    asked = {"predictions": "right", "audited": {setting: "seen"}}
    for what, one, settings in (
        ("truth", _with(view, place=held.truth.tolist(), right=right), {"predictions": "right", "vocabulary": {}}),
        ("read", _with(view, seen=seen, right=right), asked),
    ):
        found = compute([one], config.model_copy(update=settings), np.random.default_rng(0))
        if what == "read":
            _verdicts(found.tables["settings"].to_pylist(), rows)
        gap = next(g for g in found.result.gaps if not g.attribute)
        mended = next((g.corrected for g in found.result.gaps if g.corrected is not None), None)
        shown = ", ".join("none" if x is None else f"{100 * x:.1f}" for x in (gap.gap, gap.low, gap.high, mended))
        print(f"   gap, {what}, in points, from, to, and corrected: {shown}")


def _verdicts(read: list[dict[str, object]], true: dict[tuple[object, object], dict[str, object]]) -> None:
    pairs = [
        (r, true[r["class"], r["value"]]) for r in read if (r["class"], r["value"]) in true and r["low"] is not None
    ]
    counts: dict[str, int] = {}
    for ours, theirs in pairs:
        key = f"{theirs['verdict']} as {ours['verdict']}"
        counts[key] = counts.get(key, 0) + 1
    for ours, theirs in pairs:
        if len(pairs) < 10:
            share = theirs["n"] / theirs["n_known"]
            print(f"   {ours['class']}, {ours['value']}: {share:.3f}; read {ours['low']:.3f} to {ours['high']:.3f}")
    shares = [(r["low"], t["n"] / t["n_known"], r["high"]) for r, t in pairs]
    inside = [low <= share <= high for low, share, high in shares]
    print(f"   audited: {counts}; share in the interval {np.mean(inside):.2f} of {len(inside)}")


def _with(view: DatasetView, **columns: list[str | None]) -> DatasetView:
    images = view.images
    for name, values in columns.items():
        images = images.append_column(f"meta.{name}", pa.array(values, pa.string()))
    return dataclasses.replace(view, images=images)


if __name__ == "__main__":
    main()
