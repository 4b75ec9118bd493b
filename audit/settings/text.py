"""Which setting a picture is in, by the texts that its vector is near to (for extractors that embed texts too).

A setting is a direction: what its words change in a text, on average over many classes. How far a picture's vector goes
that way, times the temperature that the model was trained with, is its log-odds of the setting against no word of it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
from scipy.special import expit, softmax

from audit.errors import ConfigError
from audit.settings.attributes import Attribute, attribute_of, says_nothing
from audit.settings.calibration import LEAST_AUDITED, calibrate
from audit.settings.config import SettingsConfig
from audit.settings.prompts import Words, carriers, texts_of, vocabulary
from audit.settings.results import About
from audit.settings.selection import RowsOf
from audit.settings.verdicts import Labelled

Float64 = npt.NDArray[np.float64]

SURE = 0.65
"""From this posterior on a picture has the value; one that has none is unknown."""
UNKNOWN = "unknown"
"""What the texts tell where no value reaches that."""
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
    texts : mapping of text to float32 (d,), as long as the model's temperature
        At least :func:`audit.settings.prompts.prompts` of the classes.
    audited : mapping of setting to n values
        What people saw, None where nobody looked.
    """
    return tuple(
        _read(name, words, scores(data, vectors, texts, words, config), audited.get(name))
        for name, words in sorted(vocabulary(config).items())
    )


def refuse_unknown(audited: Iterable[str], columns: Iterable[str], config: SettingsConfig) -> None:
    """Refuse an audited sample of a setting that neither the vocabulary nor the metadata has.

    Raises
    ------
    ConfigError
    """
    there = sorted({*vocabulary(config), *columns})
    for name in sorted(set(audited).difference(there)):
        raise ConfigError(f"settings: audited names {name!r}, which is no setting; there are: {', '.join(there)}")


def scores(
    data: Labelled,
    vectors: RowsOf,
    texts: Mapping[str, npt.NDArray[np.float32]],
    words: Words,
    config: SettingsConfig,
) -> Float64:
    """Log-odds of each value against no word about it, float64 (n, n_words).

    The product of a picture's vector with the mean over classes and templates of text(class in the setting) less
    text(class), whose length is the model's temperature. The class of the picture is not asked for: its own text holds
    the settings it is usually in, and less of it would be left of those (ADR 29).
    """
    names = carriers(data.classes, config)
    base = _mean(texts, names)
    directions = np.stack([_mean(texts, names, phrase) - base for phrase in words.values.values()])
    found = np.zeros((len(data), len(directions)))
    for start in range(0, len(data), _BLOCK):
        rows = np.arange(start, min(start + _BLOCK, len(data)))
        found[rows] = vectors[rows].astype(np.float64) @ directions.T
    return found


def posteriors(logits: Float64, *, exclusive: bool) -> Float64:
    """Of every value: a softmax beside a null text of log-odds 0 if exclusive.

    Else each by itself, expit(l − (max l − l)): of several values those are told that are near the best.
    """
    if not exclusive:
        return np.asarray(expit(2 * logits - logits.max(axis=1, keepdims=True)))
    beside_null = np.concatenate([logits, np.zeros((len(logits), 1))], axis=1)
    return np.asarray(softmax(beside_null, axis=1))[:, :-1]


def _mean(texts: Mapping[str, npt.NDArray[np.float32]], names: Sequence[str], phrase: str = "") -> Float64:
    wanted = [texts[text] for name in names for text in texts_of(name, phrase)]
    return np.asarray(np.mean(wanted, axis=0, dtype=np.float64))


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
    truth = _truth(name, values, seen)
    n_audited = sum(cell is not None for cell in truth)
    is_calibrated = n_audited >= LEAST_AUDITED
    if is_calibrated:
        posterior = calibrate(scored, values, truth, exclusive=words.exclusive)
    else:
        posterior = posteriors(scored, exclusive=words.exclusive)
    cells = [tuple(v for v, p in zip(values, row, strict=True) if p >= SURE) for row in posterior]
    attribute = attribute_of(name, cells, source="text", exclusive=words.exclusive)
    return Reading(
        attribute=replace(attribute, is_measured=is_calibrated),
        posterior=posterior,
        confusion=_confusion(truth, cells),
        n_audited=n_audited,
    )


def _truth(name: str, values: Sequence[str], seen: Sequence[str | None] | None) -> list[tuple[str, ...] | None]:
    """What people saw of each image among the words, several values with ``|`` between them; None if nobody looked.

    Raises
    ------
    ConfigError
        If they wrote a value that the setting does not have.
    """
    cells = [None if cell is None else tuple(part.strip() for part in cell.split("|")) for cell in seen or ()]
    strange = sorted({p for cell in cells for p in cell or () if p not in values and not says_nothing(p)})
    if strange:
        raise ConfigError(
            f"settings: people saw {strange[0]!r} as {name} in the audited column, which is none of its values: "
            f"{', '.join(values)}; write none where they saw none of these, and nothing where nobody looked"
        )
    return [None if cell is None else tuple(v for v in values if v in cell) for cell in cells]


def _confusion(
    truth: Sequence[tuple[str, ...] | None], cells: Sequence[tuple[str, ...]]
) -> tuple[tuple[str, str, int], ...]:
    counts: dict[tuple[str, str], int] = {}
    for seen, told in zip(truth, cells, strict=False):
        if seen is not None:
            key = " + ".join(seen) or "none of them", " + ".join(told) or UNKNOWN
            counts[key] = counts.get(key, 0) + 1
    return tuple((*key, n) for key, n in sorted(counts.items()))
