"""Words for settings, and the texts whose place in the extractor's space tells which setting a picture is in.

The vocabulary is FOCUS's (Kattakinda and Feizi, ICML 2022): its times, weathers and locations. Averaging over
templates: Radford et al., "Learning Transferable Visual Models From Natural Language Supervision", 2021, section 3.1.4.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Annotated

import numpy as np
from pydantic import Field, StringConstraints

from audit.analyses.base import Config

if TYPE_CHECKING:
    from audit.settings.config import SettingsConfig

TEMPLATES = (
    "a photo of a {}.",
    "a picture of a {}.",
    "a good photo of a {}.",
    "a photo of the {}.",
    "a photo of one {}.",
    "an image of a {}.",
    "a snapshot of a {}.",
)


CARRIERS = ("bird", "car", "cat", "deer", "dog", "frog", "horse", "plane", "ship", "truck")
"""FOCUS's classes: they carry every setting beside the classes of a dataset, which may be few or tied to settings."""
MOST_CLASSES = 40
"""Classes of a dataset whose texts are embedded; so texts stay few however many classes there are."""

Phrase = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1)]


class Words(Config):
    """One setting in words."""

    values: Mapping[Phrase, Phrase] = Field(
        min_length=1, description="Value to the words that follow the class: 'at night'."
    )
    exclusive: bool = Field(True, description="Whether a picture has at most one of the values.")


FOCUS: Mapping[str, Words] = {
    "time": Words(values={"day": "during the day", "night": "at night"}),
    "weather": Words(
        values={
            "cloudy": "under a cloudy sky",
            "foggy": "in fog",
            "partly cloudy": "under a partly cloudy sky",
            "raining": "in the rain",
            "snowing": "in falling snow",
            "sunny": "in sunshine",
        }
    ),
    "location": Words(
        values={
            "forest": "in a forest",
            "grass": "on grass",
            "indoors": "indoors",
            "rocks": "on rocks",
            "sand": "on sand",
            "street": "on a street",
            "snow": "on snow",
            "water": "in water",
        },
        exclusive=False,
    ),
}


def vocabulary(config: SettingsConfig) -> Mapping[str, Words]:
    """The settings that are read by text, by name."""
    return FOCUS if config.vocabulary is None else config.vocabulary


def prompts(classes: Iterable[str], config: SettingsConfig) -> tuple[str, ...]:
    """Every text that is needed for pictures of these classes, sorted: what a text encoder has to embed."""
    phrases = {phrase for words in vocabulary(config).values() for phrase in ("", *words.values.values())}
    found = {text for name in carriers(classes, config) for phrase in phrases for text in texts_of(name, phrase)}
    return tuple(sorted(found))


def carriers(classes: Iterable[str], config: SettingsConfig) -> tuple[str, ...]:
    """The words that settings are told of, sorted: FOCUS's classes, and those of the dataset, if many evenly chosen."""
    own = sorted({noun(label, config) for label in classes})
    if len(own) > MOST_CLASSES:
        own = [own[i] for i in np.linspace(0, len(own) - 1, MOST_CLASSES).round().astype(int)]
    return tuple(sorted({*CARRIERS, *own}))


def texts_of(name: str, phrase: str = "") -> Sequence[str]:
    """The templates about a class, in a setting or (without words for one) in any."""
    return [template.format(f"{name} {phrase}".strip()) for template in TEMPLATES]


def noun(label: str, config: SettingsConfig) -> str:
    """What a class is called in a text: the configured word, or its label with blanks."""
    return config.class_words.get(label, label.replace("_", " ").replace("-", " ").strip())
