"""How settings are found and judged: the configuration of the analysis."""

from __future__ import annotations

from collections.abc import Mapping

from pydantic import Field

from audit.analyses.base import Config
from audit.settings.prompts import Words


class SettingsConfig(Config):
    """How settings are found and judged."""

    tau: float = Field(0.10, gt=0, lt=1, description="A setting below this share of a class is uncommon.")
    prior: float = Field(5.0, gt=0, description="Weight of the overall share, in images, in each class' estimate.")
    dominant: float = Field(0.80, gt=0, lt=1, description="A setting above this share of a class is reported.")
    elsewhere: float = Field(0.30, gt=0, lt=1, description="... if its share in all other classes is below this.")
    stronger: float = Field(
        0.25,
        gt=0,
        lt=1,
        description="... or if its share exceeds that of the other classes by this, at its lower bound.",
    )
    alpha: float = Field(0.05, gt=0, lt=1, description="Family-wise error at which a class and a setting go together.")
    n_permutations: int = Field(999, ge=99, le=99_999, description="Permutations of the joint test.")
    max_values: int = Field(30, ge=2, le=1000, description="A column with more values than this is no setting.")
    min_class: int = Field(20, ge=1, description="Classes with fewer images are not judged.")
    multi_label: tuple[str, ...] = Field(
        (), description="Metadata columns that may hold several values of an image, with | between them."
    )
    uncommon: Mapping[str, Mapping[str, tuple[str, ...]]] = Field(
        default_factory=dict,
        description="Your own table, class to setting to its uncommon values; it replaces the estimate for those.",
    )
    predictions: str = Field(
        "", description="Metadata column with a model's predicted labels, or with whether it was right."
    )
    audited: Mapping[str, str] = Field(
        default_factory=dict,
        description="Setting to the metadata column with a person's own value of it for a sample of the images.",
    )
    vocabulary: Mapping[str, Words] | None = Field(
        None, description="Settings to read by text, in your words; FOCUS's times, weathers and locations if not given."
    )
    class_words: Mapping[str, str] = Field(
        default_factory=dict, description="What a class is called in a text, where its label is no English word."
    )
    contexts: bool = Field(True, description="Look for groups of pictures whose surroundings look alike.")
    min_stability: float = Field(
        0.80, gt=0, le=1, description="Agreement (adjusted Rand) between resamples that groups of surroundings need."
    )
    min_context: int = Field(20, ge=2, description="Images that a group needs of each of two classes.")

    def answers(self) -> frozenset[str]:
        """What a model said, and what people said of the settings of some images."""
        return frozenset({self.predictions, *self.audited.values()} - {""})
