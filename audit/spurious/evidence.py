"""What is known of a candidate feature and of a dataset, and how it is judged.

The levels of evidence: docs/spurious.md.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

import numpy as np
import numpy.typing as npt
from pydantic import Field

from audit.analyses.base import Config
from audit.model import DatasetView
from audit.spurious.availability import Availability
from audit.spurious.candidates import Candidate, Candidates
from audit.spurious.context import Readable
from audit.spurious.harm import Cue, Harm

CONFIRMED, REJECTED = "confirmed", "rejected"

Int64 = npt.NDArray[np.int64]


class SpuriousConfig(Config):
    """How spurious features are looked for."""

    floor: float = Field(0.20, gt=0, lt=1, description="Least |2 AUC − 1| that counts as predicting a class.")
    alpha: float = Field(0.05, gt=0, lt=1, description="Family-wise error of predictivity and of the background.")
    n_permutations: int = Field(999, ge=99, le=9999, description="Permutations of bursts in the joint test.")
    n_null: int = Field(99, ge=19, le=999, description="Permutations of labels for the probe of the background.")
    max_images: int = Field(20_000, ge=200, le=200_000, description="Images the tests are made on, whole bursts.")
    examined: int = Field(30, ge=1, le=200, description="Candidates whose availability and harm are measured.")
    verdicts: dict[str, Literal["confirmed", "rejected"]] = Field(
        default_factory=dict,
        description="A person's verdict by name of the feature: `confirmed` or `rejected` (evidence level E5).",
    )
    predictions: str = Field(
        "prediction", description="Metadata column with a model's predicted label; harm is then measured on it."
    )

    def answers(self) -> frozenset[str]:
        """What a model said."""
        return frozenset({self.predictions} - {""})


@dataclass(frozen=True)
class Evidence:
    """What is known of one candidate; numbers that were not measured are NaN.

    Attributes
    ----------
    candidate : Candidate
    number : int
        Its place among the candidates.
    label : str
        The class that it tells best.
    sign : int
        +1 where images of the class have high values.
    g, p_max_t : float
    foreground, background, background_low : float
        |2 AUC − 1| from the object alone and from the background alone, and the lower bound of their difference.
    is_contextual : bool
    alike : tuple of str
        Candidates merged into this one.
    known : Availability or None
    known_class : Availability or None
        Of the class itself.
    cue : Cue or None
        Over the sample.
    harm : Harm or None
    verdict : str
        ``confirmed``, ``rejected`` or "".
    levels : frozenset of str
        Among ``E1`` to ``E5``.
    """

    candidate: Candidate
    number: int
    label: str
    sign: int
    g: float
    p_max_t: float
    foreground: float
    background: float
    background_low: float
    is_contextual: bool
    alike: tuple[str, ...] = ()
    known: Availability | None = None
    known_class: Availability | None = None
    cue: Cue | None = None
    harm: Harm | None = None
    verdict: str = ""
    levels: frozenset[str] = frozenset()

    @property
    def is_spurious(self) -> bool:
        """Whether the word may be used: E1, E2 and E4 together, or E5."""
        return self.verdict != REJECTED and ({"E1", "E2", "E4"} <= self.levels or "E5" in self.levels)

    @property
    def is_risk(self) -> bool:
        """Shortcut risk: E1 and E2."""
        return self.verdict != REJECTED and {"E1", "E2"} <= self.levels


@dataclass(frozen=True)
class Study:
    """The evidence of a dataset.

    Attributes
    ----------
    rows : int64 (m,)
        The images that the tests were made on, rows of the view.
    names : list of str
        The classes judged.
    classes, bursts : int64 (m,)
    found : list of Evidence
        Every candidate that is not merged into another, strongest evidence first.
    candidates : Candidates
    readable : Readable or None
    n_candidates : int
    used_predictions : bool
    accuracy : float
        Of the answers that harm is measured on.
    """

    rows: Int64
    names: list[str]
    classes: Int64
    bursts: Int64
    found: list[Evidence]
    candidates: Candidates
    readable: Readable | None
    n_candidates: int
    used_predictions: bool = False
    accuracy: float = float("nan")
    reason: str = ""


@dataclass(frozen=True)
class Sample:
    """The labelled images that are judged."""

    view: DatasetView
    rows: Int64
    names: list[str]
    classes: Int64
    bursts: Int64
    class_of: Int64 = field(repr=False)
    burst_of: Int64 = field(repr=False)
