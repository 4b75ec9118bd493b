"""What an analysis is, and the registry of all of them.

A module of :mod:`audit.analyses` defines ``Config`` and ``Result`` (frozen pydantic), ``compute`` and ``section``,
and ends with ``ANALYSIS = register(Analysis(...))``. The planner reads ``needs``,
``datasets``, ``texts`` and what the configuration says of the user's columns (``Config.answers``), and nothing else.
"""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Any

import numpy as np
import pyarrow as pa
from pydantic import BaseModel, ConfigDict

from audit.errors import ConfigError
from audit.model import DatasetView
from audit.report import Section


class Need(StrEnum):
    """What must be sealed before an analysis can run."""

    EMBEDDINGS = "embeddings"
    NEIGHBOURS = "neighbours"
    DNA = "dna"
    LABELS = "labels"
    NEURONS = "neurons"
    PARTS = "parts"
    TEXTS = "texts"
    METADATA = "metadata"


class Config(BaseModel):
    """Base of every analysis' configuration: frozen, nothing unknown accepted, every field described."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    def answers(self) -> frozenset[str]:
        """The user's columns that it says hold answers, such as a model's predictions: no analysis of the audit takes
        them for a circumstance of the pictures.
        """
        return frozenset()


def knowing(view: DatasetView, config: Config) -> DatasetView:
    """A view that knows which columns a configuration says are answers, besides those it knew already."""
    return replace(view, answers=view.answers | config.answers())


class Result(BaseModel):
    """Base of every analysis' result: small, frozen, JSON. Long lists belong in tables."""

    model_config = ConfigDict(extra="forbid", frozen=True)


@dataclass(frozen=True)
class Computed:
    """What ``compute`` returns.

    Attributes
    ----------
    result : Result
        The numbers, and the few images that will be shown.
    tables : mapping of str to pyarrow.Table
        Whole lists, by the name of their file in ``tables/`` without ``.parquet``. Row order is part of the
        result and must not depend on the order of the input.
    """

    result: Any
    tables: Mapping[str, pa.Table] = field(default_factory=dict)


@dataclass(frozen=True)
class Analysis:
    """One question asked of one dataset or of two (reference first, candidate second).

    Attributes
    ----------
    name, version
        Identity; the version goes up whenever the same input can give another result.
    title, question : str
        "Near-duplicates", "Which pictures are copies of each other?"
    datasets : int
        1 or 2.
    needs : frozenset of Need
    config, result : types
    compute : (views, config, rng) -> Computed
        Pure. ``views`` has ``datasets`` entries.
    section : (result) -> Section
        Pure, and cheap: words and pictures for numbers that are already there.
    source : str
        Paper, equation or definition.
    order : int
        Place in the report, small first.
    tables : tuple of str
        Names of every table it can write.
    texts : (labels, config) -> texts, optional
        What an analysis with ``Need.TEXTS`` wants embedded, given the labels of the dataset.
    """

    name: str
    version: int
    title: str
    question: str
    datasets: int
    needs: frozenset[Need]
    config: type[Config]
    result: type[Result]
    compute: Callable[[Sequence[DatasetView], Any, np.random.Generator], Computed]
    section: Callable[[Any], Section]
    source: str
    order: int
    tables: tuple[str, ...] = ()
    texts: Callable[[Sequence[str], Any], Sequence[str]] | None = None


_REGISTRY: dict[str, Analysis] = {}


def register(analysis: Analysis) -> Analysis:
    """Add an analysis to the registry; a second one of the same name is refused."""
    if analysis.name in _REGISTRY and _REGISTRY[analysis.name] is not analysis:
        raise ConfigError(f"two analyses are called {analysis.name!r}")
    _REGISTRY[analysis.name] = analysis
    return analysis


def analyses(datasets: int | None = None) -> tuple[Analysis, ...]:
    """All registered analyses, in report order; only those of one or of two datasets if asked."""
    import audit.analyses as package

    for module in pkgutil.iter_modules(package.__path__):
        if module.name != "base":
            importlib.import_module(f"audit.analyses.{module.name}")
    found = (a for a in _REGISTRY.values() if datasets is None or a.datasets == datasets)
    return tuple(sorted(found, key=lambda a: (a.order, a.name)))


def analysis(name: str) -> Analysis:
    """The analysis of that name.

    Raises
    ------
    ConfigError
        If there is none; the message lists the names that exist.
    """
    known = {a.name: a for a in analyses()}
    if name not in known:
        raise ConfigError(f"there is no analysis {name!r}; there are: {', '.join(known)}")
    return known[name]
