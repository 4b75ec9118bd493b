"""A translation between two extractors: learnt from shared pictures, saved, and checked on pictures it has not seen.

Both embeddings are mapped into the directions they share (:mod:`audit.maths.common_space`). What is saved names the two
extractors by their fingerprints and holds what the check found, so that a comparison can say it beside its p-values.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, Self

import numpy as np
import numpy.typing as npt
from pydantic import BaseModel, ConfigDict, Field, model_validator

from audit.errors import ConfigError, FingerprintMismatchError, TooFewImagesError
from audit.maths import common_space, discrepancy, probes, separability
from audit.maths.rows import one_a_burst
from audit.model import DatasetView
from audit.pairing import common_bursts, same_images
from audit.saved import LONGEST_NAME, Saved, name_of

FLOOR = 0.8
"""Directions are kept while their held-out correlation reaches this."""

MIN_DIRECTIONS = 5
MIN_SHARED = 600
"""Different pictures that both extractors have embedded; a third of them is held out for the check."""

LEARNT_PER_TESTED = 4
"""Pictures learnt from for each picture of a dataset that is tested: with two, a test at 5 % of random halves of one
set rejected 3 to 17 %, with four 0 to 7 %."""

ALPHA = 0.05
MOST_UNLIKE = 0.55
"""How well a probe may tell a dataset from the shared pictures, both by one extractor (AUC). A set with a tenth of
foreign pictures (AUC .53) is tested as well as one without; with a fifth (.60), 45 % of equal halves were called
different."""

N_FOLDS = 5
N_PERMUTATIONS = 199
DIGITS = 10
LARGEST = 1e100
"""No number of a half is larger, so that what it maps are numbers."""

Float32 = npt.NDArray[np.float32]
Float64 = npt.NDArray[np.float64]
Rows = tuple[tuple[float, ...], ...]


class _Frozen(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Half(_Frozen):
    """What one extractor brings: z = (x - mean) @ matrix, scaled to unit length.

    seen : the pictures held out for the check, mapped, (m, k)
    held : share of the variance of those pictures' embeddings that the directions hold
    """

    extractor: str
    fingerprint: str
    mean: tuple[float, ...]
    matrix: Rows
    seen: Rows
    held: float

    @model_validator(mode="after")
    def _fits(self) -> Self:
        widths = {len(row) for row in (*self.matrix, *self.seen)}
        if len(self.matrix) != len(self.mean) or len(widths) != 1 or len(self.seen) < N_FOLDS:
            raise ValueError("the numbers of a half do not fit together")
        if not all(abs(x) <= LARGEST for row in (self.mean, *self.matrix, *self.seen) for x in row):
            raise ValueError("a half holds a number that is too large, or no number")
        return self

    def __call__(self, vectors: npt.NDArray[np.floating]) -> Float32:
        """Map float (n, d) into the common space, float32 (n, k) of unit length."""
        if vectors.shape[1] != len(self.mean):
            told = f"{self.extractor} has {len(self.mean)} numbers for a picture there, and {vectors.shape[1]} here"
            raise ConfigError(f"the translation does not fit: {told}")
        return common_space.Side(np.array(self.mean), np.array(self.matrix))(vectors)


class Check(_Frozen):
    """Two halves of the pictures held out, one by each extractor: can they be told apart?

    n : pictures in a half
    auc, low, high, p_value : of the probe of the two-sample test; 0.5 is guessing
    mmd_p_value : of the maximum mean discrepancy
    """

    n: int
    auc: float
    low: float
    high: float
    p_value: float
    mmd_p_value: float

    @property
    def combined(self) -> float:
        """Twice the smaller p-value, at most 1."""
        return min(1.0, 2 * min(self.p_value, self.mmd_p_value))

    @property
    def is_unlike(self) -> bool:
        """Of a dataset and the shared pictures: whether they surely differ, by more than may be."""
        return self.auc > MOST_UNLIKE and self.low > 0.5

    @property
    def words(self) -> str:
        """What to say beside a p-value."""
        return (
            f"halves of the shared pictures, one by each extractor: AUC {self.auc:.2f} ({self.low:.2f} to "
            f"{self.high:.2f}), p = {self.combined:.2f}"
        )


class Translation(Saved):
    """A common space of an old and a new extractor.

    learnt_on : name of the dataset of the shared pictures
    n_learnt, n_held_out : different pictures
    correlations : of each direction, on pictures held out from learning it
    """

    kind = "translation"
    noun = "a saved translation"

    version: Literal[1] = 1
    learnt_on: str = Field(min_length=1, max_length=LONGEST_NAME)
    n_learnt: int
    n_held_out: int
    correlations: tuple[float, ...]
    check: Check
    old: Half
    new: Half

    @model_validator(mode="after")
    def _fits(self) -> Self:
        if {len(half.seen[0]) for half in (self.old, self.new)} != {len(self.correlations)} or not self.correlations:
            raise ValueError("the halves do not have the same directions")
        return self

    @property
    def n_directions(self) -> int:
        """Directions of the common space."""
        return len(self.correlations)

    @property
    def most_tested(self) -> int:
        """How many pictures of a dataset may be tested, lest the error of what was learnt pass for a difference."""
        return max(100, self.n_learnt // LEARNT_PER_TESTED)

    @property
    def sentence(self) -> str:
        """What it was learnt on and what it cannot see."""
        return (
            f"Through a translation of {self.old.extractor} and {self.new.extractor}, learnt on {self.n_learnt:,} "
            f"pictures of {self.learnt_on}: {self.n_directions} directions that both share, which hold "
            f"{self.old.held:.0%} and {self.new.held:.0%} of what the two embed. A difference in the rest is not seen."
        )

    def half(self, extractor_fingerprint: str) -> Half:
        """The half of an extractor.

        Raises
        ------
        FingerprintMismatchError
            If it is neither of the two.
        """
        for half in (self.old, self.new):
            if half.fingerprint == extractor_fingerprint:
                return half
        both = f"{self.old.fingerprint[:12]} or {self.new.fingerprint[:12]}"
        raise FingerprintMismatchError(
            "the extractors of the translation and of the dataset", both, extractor_fingerprint
        )


def learn(views: Sequence[DatasetView], learnt_on: str, rng: np.random.Generator) -> Translation:
    """Learn a common space from pictures that both extractors have embedded.

    Of every burst one picture is taken; two thirds teach, one third is held out for the check.

    Parameters
    ----------
    views : two DatasetView
        Of the same images in the same order, by the old and the new extractor.
    learnt_on : str
        What the shared pictures are called.

    Raises
    ------
    TooFewImagesError
        With fewer than 600 different pictures.
    ConfigError
        If the two share too few directions, or their halves can be told apart; the message holds the numbers.
    """
    same_images(views)
    own = common_bursts(*views)
    rows = one_a_burst(rng.permutation(len(own)), own, len(own))
    if len(rows) < MIN_SHARED:
        raise TooFewImagesError("learning a translation", len(rows), MIN_SHARED)
    taught, held = rows[len(rows) // 3 :], rows[: len(rows) // 3]
    x, y = (view.vectors.astype(np.float64) for view in views)
    folds = np.arange(len(taught)) % N_FOLDS
    found = common_space.correlations(x[taught], y[taught], folds)
    k = common_space.leading(found, FLOOR)
    if k < MIN_DIRECTIONS:
        raise ConfigError(
            f"no translation: the two extractors share {k} directions with a held-out correlation of {FLOOR} on "
            f"{len(taught):,} pictures; it takes {MIN_DIRECTIONS}. Embed both datasets with one extractor"
        )
    sides = common_space.fit(x[taught], y[taught], folds, k)
    halves = [_half(*each, held) for each in zip(views, sides, (x, y), strict=True)]
    made = Translation(
        learnt_on=name_of(learnt_on),
        n_learnt=len(taught),
        n_held_out=len(held),
        correlations=tuple(np.round(found[:k], 4).tolist()),
        check=_checked(halves, rng),
        old=halves[0],
        new=halves[1],
    )
    if made.check.combined <= ALPHA:
        raise ConfigError(
            f"no translation: it calls pictures different that are not; {made.check.words}. Give more shared pictures, "
            "or embed both datasets with one extractor"
        )
    return made


def likeness(half: Half, vectors: Float32, rng: np.random.Generator) -> Check:
    """How well a dataset is told from the shared pictures, both by one extractor and in the common space.

    Where this is easy for both datasets of a comparison, the translation has not seen such pictures, and what differs
    may be its own error.

    Parameters
    ----------
    vectors : float32 (n, k)
        Of the dataset, mapped.
    """
    seen = np.array(half.seen)
    rows = rng.permutation(len(vectors))[: len(seen)]
    return _told_apart(seen, vectors[np.sort(rows)].astype(np.float64), rng)


def _half(view: DatasetView, side: common_space.Side, vectors: Float64, held: npt.NDArray[np.int64]) -> Half:
    """One side rounded to what is saved, and the pictures held out as it maps them."""
    mean, matrix = np.round(side.mean, DIGITS), np.round(side.matrix, DIGITS)
    seen = common_space.Side(mean, matrix)(vectors[held]).astype(np.float64)
    embeddings = view.embeddings
    return Half(
        extractor="" if embeddings is None else embeddings.extractor,
        fingerprint="" if embeddings is None else embeddings.extractor_fingerprint,
        mean=tuple(mean.tolist()),
        matrix=_rows(matrix),
        seen=_rows(np.round(seen, 6)),
        held=round(common_space.share_held(vectors[held], (vectors[held] - mean) @ matrix), 4),
    )


def _checked(halves: Sequence[Half], rng: np.random.Generator) -> Check:
    """The first half of the pictures held out by the old extractor against the second half by the new one."""
    old, new = (np.array(half.seen) for half in halves)
    middle = len(old) // 2
    return _told_apart(old[:middle], new[middle:], rng)


def _told_apart(left: Float64, right: Float64, rng: np.random.Generator) -> Check:
    vectors = np.concatenate([left, right])
    groups = np.repeat(np.array([0, 1]), [len(left), len(right)])
    own = np.arange(len(vectors))
    folds = probes.deal_folds(own, groups, N_FOLDS, rng)
    probe = separability.probe_test(vectors, groups, own, folds, rng, n_permutations=N_PERMUTATIONS)
    _, _, mmd_p = discrepancy.mmd_test(vectors, groups, own, rng, n_permutations=N_PERMUTATIONS)
    n = min(len(left), len(right))
    return Check(n=n, auc=probe.auc, low=probe.low, high=probe.high, p_value=probe.p_value, mmd_p_value=mmd_p)


def _rows(values: npt.NDArray[np.floating]) -> Rows:
    return tuple(tuple(row) for row in values.tolist())
