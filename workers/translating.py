"""Translations in the engine: kept under their fingerprint, judged on two datasets, and applied to their vectors."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from audit.analyses.base import Analysis, Need
from audit.errors import ConfigError
from audit.fingerprint import fingerprint
from audit.model import DatasetView
from audit.through import Through, judge, translated
from audit.translation import Translation
from storage.artefacts import Artefacts
from storage.bookkeeping import record_artefact
from storage.database import Database
from storage.records import StepDraft
from workers.steps.params import ThroughParams, ThroughRef, ViewRef
from workers.views import load_view

KIND = "translation"
THROUGH = "through"
FILE = "translation.json"
JUDGED = "through.json"
VERSION = 1
"""Goes up whenever the same translation and datasets can be judged otherwise."""


def keep(artefacts: Artefacts, data: bytes) -> Translation:
    """Keep a saved translation, once; where the kept one was damaged, this takes its place.

    Raises
    ------
    ConfigError
        If it is none, or was changed.
    """
    made = Translation.from_json(data)
    if artefacts.find_sound(KIND, made.fingerprint):
        return made
    with artefacts.workspace() as folder:
        path = folder / FILE
        path.write_bytes(made.to_json())
        artefacts.commit(KIND, made.fingerprint, {FILE: path}, {"learnt_on": made.learnt_on})
    return made


def kept(artefacts: Artefacts, name: str) -> Translation:
    """The translation of that fingerprint.

    Raises
    ------
    ConfigError
        If it was never given to this service.
    """
    found = artefacts.find(KIND, name)
    if found is None:
        raise ConfigError(f"there is no translation {name!r}; give its file first")
    return Translation.from_json(found.file(FILE).read_bytes())


def note_use(database: Database, artefacts: Artefacts, name: str) -> None:
    """Say that a translation is in use: unless a comparison names it, it goes with the garbage after the grace."""
    with database.write() as tx:
        record_artefact(tx, artefacts.open(KIND, name).manifest)


def plan_through(translation: str, views: Sequence[ViewRef], seed: int) -> StepDraft:
    """The step that judges a translation on reference and candidate."""
    made_of = {"version": VERSION, "translation": translation, "sets": [one.fingerprint for one in views], "seed": seed}
    params = ThroughParams(
        translation=translation,
        embedding_sets=(views[0].embedding_set, views[1].embedding_set),
        seed=seed,
        fingerprint=fingerprint(THROUGH, made_of),
    )
    return StepDraft(name=THROUGH, params=params.model_dump(mode="json"))


def write_judged(artefacts: Artefacts, params: ThroughParams, folder: Path) -> None:
    """Judge a translation and write what was found."""
    sets = [artefacts.open("embedding_set", name) for name in params.embedding_sets]
    views = [load_view(one, "", {Need.EMBEDDINGS}) for one in sets]
    rng = np.random.default_rng(int(fingerprint("random", params.fingerprint), 16))
    found = judge(kept(artefacts, params.translation), views, rng)
    (folder / JUDGED).write_text(found.model_dump_json(), encoding="utf-8")


def read_judged(artefacts: Artefacts, ref: ThroughRef) -> Through | None:
    """How a translation was judged; None where that failed."""
    if not ref.judged:
        return None
    return Through.model_validate(json.loads(artefacts.open(THROUGH, ref.judged).file(JUDGED).read_bytes()))


def is_translated(asked: Analysis) -> bool:
    """Whether an analysis is answered from vectors in the common space, and from no neurons."""
    return Need.NEIGHBOURS in asked.needs and Need.DNA not in asked.needs


def in_common_space(artefacts: Artefacts, ref: ThroughRef, views: Sequence[DatasetView]) -> list[DatasetView]:
    """The views with their vectors mapped; bursts stay those that each extractor sees itself."""
    mapped = translated(kept(artefacts, ref.translation), views)
    return [replace(view, embeddings=one) for view, one in zip(views, mapped, strict=True)]
