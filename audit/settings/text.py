"""Which setting a picture is in, by the texts that its vector is near to (for extractors that embed texts too).

The score of a setting is how much nearer a picture of a class is to texts that name the class in the setting than to
texts that name the class alone; so a ship is not taken for water because ships are. Scores have another zero for every
text: two modes are looked for in each, and a picture's log-odds of the higher one are its evidence.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
from scipy.special import expit, softmax

from audit.maths.two_modes import fit_two_modes
from audit.settings.attributes import Attribute, attribute_of
from audit.settings.calibration import LEAST_AUDITED, calibrate
from audit.settings.config import SettingsConfig
from audit.settings.prompts import Words, noun, texts_of, vocabulary
from audit.settings.results import About
from audit.settings.selection import RowsOf
from audit.settings.verdicts import Labelled

Float64 = npt.NDArray[np.float64]

SURE = 0.65
"""From this posterior on a picture has the value; between 0.35 and 0.65 it is unknown."""
_BLOCK = 8192


@dataclass(frozen=True)
class Reading:
    """One setting as texts tell it.

    Attributes
    ----------
    attribute : Attribute
        Unknown images are ``MISSING``. Not ``is_measured`` unless calibrated.
    posterior : float64 (n, n_words)
        Of each value of the vocabulary.
    confusion : tuple of (str, str, int)
        What people said, what the text said (``MISSING`` for unknown), and of how many images.
    n_audited : int
    """

    attribute: Attribute
    posterior: Float64
    confusion: tuple[tuple[str, str, int], ...]
    n_audited: int


def read(
    data: Labelled,
    vectors: RowsOf,
    texts: Mapping[str, npt.NDArray[np.float32]],
    config: SettingsConfig,
    audited: Mapping[str, Sequence[str | None]],
) -> tuple[Reading, ...]:
    """Every setting of the vocabulary, by name.

    Parameters
    ----------
    vectors : float32 (n, d), unit length
        Of the labelled images; read in blocks.
    texts : mapping of text to float32 (d,), unit length
        At least :func:`audit.settings.prompts.prompts` of the classes.
    audited : mapping of setting to n values
        What people saw, None where nobody looked.
    """
    return tuple(
        _read(name, words, scores(data, vectors, texts, words, config), audited.get(name))
        for name, words in sorted(vocabulary(config).items())
    )


def scores(
    data: Labelled,
    vectors: RowsOf,
    texts: Mapping[str, npt.NDArray[np.float32]],
    words: Words,
    config: SettingsConfig,
) -> Float64:
    """How much the setting adds to the class, float64 (n, n_words).

    Mean over the templates of cos(x, class in the setting) − cos(x, class), the class being that of the image.
    """
    found = np.zeros((len(data), len(words.values)))
    for c, label in enumerate(data.classes):
        name = noun(label, config)
        base = np.mean([texts[text] for text in texts_of(name)], axis=0, dtype=np.float64)
        named = [
            np.mean([texts[t] for t in texts_of(name, p)], axis=0, dtype=np.float64) for p in words.values.values()
        ]
        rows = np.flatnonzero(data.label == c)
        for start in range(0, len(rows), _BLOCK):
            block = rows[start : start + _BLOCK]
            found[block] = vectors[block].astype(np.float64) @ (np.stack(named) - base).T
    return found


def evidence(scored: Float64) -> Float64:
    """Log-odds of every value, float64 (n, n_words): of the higher mode of its scores; 0 where there is one mode."""
    found = np.zeros_like(scored)
    for k in range(scored.shape[1]):
        modes = fit_two_modes(scored[:, k])
        if modes is not None and modes.are_apart:
            found[:, k] = modes.logit(scored[:, k])
    return found


def posteriors(logits: Float64, *, exclusive: bool) -> Float64:
    """Of every value: a softmax beside a null text of log-odds 0 if exclusive, else each by itself."""
    if not exclusive:
        return np.asarray(expit(logits))
    beside_null = np.concatenate([logits, np.zeros((len(logits), 1))], axis=1)
    return np.asarray(softmax(beside_null, axis=1))[:, :-1]


def noted(about: About, readings: Sequence[Reading]) -> About:
    """What is said of a setting, with how sure its texts are if it is read by text."""
    reading = next((r for r in readings if r.attribute.name == about.name and about.source == "text"), None)
    if reading is None:
        return about
    note = (
        f"calibrated on {reading.n_audited:,} audited pictures"
        if reading.attribute.is_measured
        else f"uncalibrated: {reading.n_audited:,} audited pictures, {LEAST_AUDITED} needed for intervals and verdicts"
    )
    return about.model_copy(update={"note": note, "confusion": reading.confusion})


def _read(name: str, words: Words, scored: Float64, seen: Sequence[str | None] | None) -> Reading:
    values = tuple(words.values)
    truth = _truth(values, seen)
    n_audited = sum(cell is not None for cell in truth)
    is_calibrated = n_audited >= LEAST_AUDITED
    if is_calibrated:
        posterior = calibrate(scored, values, truth, exclusive=words.exclusive)
    else:
        posterior = posteriors(evidence(scored), exclusive=words.exclusive)
    cells = [tuple(v for v, p in zip(values, row, strict=True) if p >= SURE) for row in posterior]
    attribute = attribute_of(name, cells, source="text", exclusive=words.exclusive)
    return Reading(
        attribute=replace(attribute, is_measured=is_calibrated),
        posterior=posterior,
        confusion=_confusion(truth, cells),
        n_audited=n_audited,
    )


def _truth(values: Sequence[str], seen: Sequence[str | None] | None) -> list[tuple[str, ...] | None]:
    """What people saw of each image among the words, several values with ``|`` between them; None if nobody looked."""
    cells = [None if cell is None else tuple(part.strip() for part in cell.split("|")) for cell in seen or ()]
    return [None if cell is None else tuple(v for v in values if v in cell) for cell in cells]


def _confusion(
    truth: Sequence[tuple[str, ...] | None], cells: Sequence[tuple[str, ...]]
) -> tuple[tuple[str, str, int], ...]:
    counts: dict[tuple[str, str], int] = {}
    for seen, told in zip(truth, cells, strict=False):
        if seen is not None:
            key = " + ".join(seen) or "none of them", " + ".join(told) or "unknown"
            counts[key] = counts.get(key, 0) + 1
    return tuple((*key, n) for key, n in sorted(counts.items()))
