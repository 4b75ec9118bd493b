"""Analyse: one question, asked of the sealed embedding sets, becomes a result, a section and its tables."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from audit.analyses.base import Analysis, Computed, Need, analysis
from audit.errors import ConfigError, TooFewImagesError
from audit.fingerprint import fingerprint
from audit.model import DatasetView
from audit.report import Section
from audit.through import NO_NEURONS, Through, beside
from storage.parquet import write_table
from storage.records import Outcome
from workers.context import StepContext
from workers.steps.params import AnalyseParams
from workers.translating import in_common_space, is_translated, read_judged
from workers.views import has_labels, load_view, with_prepared


def run(context: StepContext) -> Outcome:
    """Compute one analysis into the artefact ``analysis``: ``section.json``, ``result.json``, ``tables/…``."""
    params = AnalyseParams.model_validate(context.step.params)
    artefacts = context.runtime.artefacts
    outcome = Outcome(artefact_kind="analysis", artefact=params.fingerprint)
    if artefacts.find_sound("analysis", params.fingerprint):
        return outcome
    asked = asked_for(params)
    sets = [artefacts.open("embedding_set", view.embedding_set) for view in params.views]
    loaded = [load_view(one, view.name, asked.needs) for one, view in zip(sets, params.views, strict=True)]
    prepared = [with_prepared(view, ref, artefacts) for view, ref in zip(loaded, params.views, strict=True)]
    views = [replace(view, answers=frozenset(params.answers)) for view in prepared]
    if params.through is not None and is_translated(asked):
        views = in_common_space(artefacts, params.through, views)
    with artefacts.workspace() as folder, context.runtime.single_threaded():
        if params.through is None:
            _answer(asked, views, params, folder)
        else:
            _answer_through(asked, views, params, read_judged(artefacts, params.through), folder)
        context.check()
        files = {path.relative_to(folder).as_posix(): path for path in sorted(folder.rglob("*")) if path.is_file()}
        made_of = params.model_dump(mode="json", include={"analysis", "version", "config", "seed"})
        artefacts.commit("analysis", params.fingerprint, files, made_of | {"views": [v.fingerprint for v in views]})
    return outcome


def asked_for(params: AnalyseParams) -> Analysis:
    """The analysis of a step, if it is still the one that was planned: another version reads and answers otherwise.

    Raises
    ------
    ConfigError
        If the step was planned by another version of Assay.
    """
    asked = analysis(params.analysis)
    if asked.version != params.version:
        planned = f"version {params.version} of {asked.name} was planned and this Assay has version {asked.version}"
        raise ConfigError(f"{planned}, so the audit was begun by another one; submit it again")
    return asked


def _answer_through(
    asked: Analysis, views: list[DatasetView], params: AnalyseParams, through: Through | None, folder: Path
) -> None:
    """Compute through a translation: no neurons, and no vectors where the translation does not hold."""
    if Need.DNA in asked.needs:
        return _write_section(folder, not_run(asked, NO_NEURONS))
    if is_translated(asked) and (through is None or through.refused):
        why = "the translation could not be judged on these datasets" if through is None else through.refused
        return _write_section(folder, not_run(asked, f"Not run: {why}"))
    _answer(asked, views, params, folder)
    path = folder / "section.json"
    if is_translated(asked) and through is not None:
        _write_section(folder, beside(Section.model_validate_json(path.read_bytes()), through))
    return None


def generator(params: AnalyseParams) -> np.random.Generator:
    """The random numbers of one analysis: they follow from the seed, its name and what the sets hold."""
    made_of = {"seed": params.seed, "analysis": params.analysis, "sets": [view.fingerprint for view in params.views]}
    return np.random.default_rng(int(fingerprint("random", made_of), 16))


def _answer(asked: Analysis, views: list[DatasetView], params: AnalyseParams, folder: Path) -> None:
    """Compute, and write the answer or why there is none."""
    if Need.LABELS in asked.needs and not all(has_labels(view.images) for view in views):
        return _write_section(folder, not_run(asked, "Not run: the dataset has no labels."))
    try:
        computed: Computed = asked.compute(views, asked.config.model_validate(params.config), generator(params))
    except TooFewImagesError as error:
        return _write_section(folder, not_run(asked, f"Not run: {error}"))
    (folder / "result.json").write_text(computed.result.model_dump_json(), encoding="utf-8")
    for name, table in computed.tables.items():
        write_table(table, folder / "tables" / f"{name}.parquet")
    return _write_section(folder, asked.section(computed.result))


def _write_section(folder: Path, section: Section) -> None:
    (folder / "section.json").write_text(section.model_dump_json(), encoding="utf-8")


def not_run(asked: Analysis, why: str, *, error: str = "") -> Section:
    """The section of an analysis without a result."""
    about: dict[str, Any] = {"id": asked.name, "title": asked.title, "question": asked.question}
    return Section(**about, summary=why, analysis=asked.name, version=asked.version, error=error)
