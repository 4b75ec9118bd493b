"""What a report is made of. JSON of these models is the truth; HTML, CSV and Parquet are renderings of it.

A Report holds Sections; a Section answers one question with Findings (what a reader must know) and Blocks
(the evidence behind it). Text fields are plain text, never markup.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator

REPORT_VERSION = 3
"""1 had no ``heat`` of pictures, 2 no ``place``; both are read as they were."""

Heat = tuple[tuple[int, ...], ...]
Place = tuple[float, float, float, float]
"""A part of a picture: left, top, right and bottom in shares of its sides, in [0, 1]."""


class Severity(StrEnum):
    """How much a finding matters to somebody about to train on the data."""

    PROBLEM = "problem"
    ATTENTION = "attention"
    INFO = "info"
    OK = "ok"


SERIOUS = (Severity.PROBLEM, Severity.ATTENTION)
"""What somebody should act on, the worst first."""


class _Frozen(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Metric(_Frozen):
    """A number with its uncertainty.

    ``low`` and ``high`` bound it at ``level``, or are None with the reason in ``note``.
    ``value`` None means suppressed: ``note`` says why.
    """

    name: str
    value: float | None
    low: float | None = None
    high: float | None = None
    level: float = 0.95
    unit: str = ""
    n: int | None = None
    note: str = ""


class Picture(_Frozen):
    """One image to be shown: where it is and what to write under it."""

    dataset: str
    """Name of the dataset it belongs to (``DatasetView.name``)."""
    image_id: str
    path: str
    caption: str = ""
    marked: bool = False
    """Draw it as the subject among the pictures beside it."""
    heat: Heat = Field(default=(), exclude_if=lambda grid: not grid)
    """How strong something is in each place, 0 to 9, row by row over the whole picture; empty when nothing is drawn."""
    place: Place | None = Field(default=None, exclude_if=lambda place: place is None)
    """Where on it something is strongest; a ring is drawn around it."""

    @field_validator("place")
    @classmethod
    def _is_within(cls, place: Place | None) -> Place | None:
        if place is not None and not (0 <= place[0] < place[2] <= 1 and 0 <= place[1] < place[3] <= 1):
            raise ValueError("a place has left < right and top < bottom, all in [0, 1]")
        return place

    @field_validator("heat")
    @classmethod
    def _is_a_grid(cls, grid: Heat) -> Heat:
        if len({len(row) for row in grid}) > 1 or not all(row and min(row) >= 0 and max(row) <= 9 for row in grid):
            raise ValueError("a heat grid has rows of one length with levels from 0 to 9")
        return grid


class TextBlock(_Frozen):
    """A paragraph."""

    kind: Literal["text"] = "text"
    title: str = ""
    text: str


class MetricBlock(_Frozen):
    """One number, shown large."""

    kind: Literal["metric"] = "metric"
    metric: Metric


class Column(_Frozen):
    """How one column of a table is headed and formatted."""

    name: str
    title: str
    align: Literal["left", "right"] = "left"
    format: Literal["text", "integer", "number", "percent", "scientific", "bytes"] = "text"


class TableBlock(_Frozen):
    """A small table (at most ~50 rows are shown); ``source`` names the whole one in ``tables/``."""

    kind: Literal["table"] = "table"
    title: str
    columns: tuple[Column, ...]
    rows: tuple[tuple[str | int | float | None, ...], ...]
    source: str = ""
    note: str = ""


class ChartBlock(_Frozen):
    """A Vega-Lite specification with its data inside (no ``url``), without colours of its own.

    ``description`` says in one sentence what the chart shows (it becomes the alternative text).
    """

    kind: Literal["chart"] = "chart"
    title: str
    description: str
    vega_lite: dict[str, Any]


class ImagesBlock(_Frozen):
    """Pictures in rows: each group is shown together (a duplicate group, an image and its neighbours)."""

    kind: Literal["images"] = "images"
    title: str
    groups: tuple[tuple[Picture, ...], ...]
    captions: tuple[str, ...] = ()
    """One line per group, or nothing."""
    note: str = ""


class TreemapItem(_Frozen):
    """One rectangle: area from ``size``, shade from ``value``."""

    label: str
    size: float
    value: float | None = None


class TreemapBlock(_Frozen):
    """Parts of a whole as nested rectangles."""

    kind: Literal["treemap"] = "treemap"
    title: str
    description: str
    items: tuple[TreemapItem, ...]


Block = Annotated[
    TextBlock | MetricBlock | TableBlock | ChartBlock | ImagesBlock | TreemapBlock, Field(discriminator="kind")
]


class Finding(_Frozen):
    """One thing a reader must know.

    sentence : one sentence that a manager understands, with the number in it
    metric : the number with its interval and n
    pictures : what it looks like (at most 12 are shown)
    action : what to do about it, in one sentence
    table : name of the table in ``tables/`` that lists every image concerned, or ""
    weight : share of the dataset concerned, in [0, 1]; orders findings of equal severity
    """

    id: str
    severity: Severity
    sentence: str
    metric: Metric
    pictures: tuple[Picture, ...] = ()
    action: str
    table: str = ""
    weight: float = 0.0


class Section(_Frozen):
    """One question and its answer. ``analysis`` and ``version`` say what computed it."""

    id: str
    title: str
    question: str
    summary: str
    analysis: str
    version: int
    findings: tuple[Finding, ...] = ()
    headline: tuple[Metric, ...] = ()
    """Numbers this section offers for the first screen, most important first."""
    blocks: tuple[Block, ...] = ()
    method: str = ""
    """How it was computed and where the thresholds come from, with the source."""
    error: str = ""
    """Set when the analysis failed: what happened and what to do. The rest is then empty."""


class DatasetSummary(_Frozen):
    """What went in: n_inputs = n_ok + n_quarantined + n_skipped."""

    name: str
    source: str
    fingerprint: str
    n_inputs: int
    n_ok: int
    n_quarantined: int
    n_skipped: int
    n_classes: int
    splits: dict[str, int] = Field(default_factory=dict)
    reasons: dict[str, int] = Field(default_factory=dict)


class Provenance(_Frozen):
    """Everything needed to make the report again. Holds no time, host or path of the machine."""

    assay_version: str
    extractor: str
    extractor_fingerprint: str
    seed: int
    config: dict[str, Any]
    libraries: dict[str, str]


class Verdict(_Frozen):
    """The first sentence of the report."""

    severity: Severity
    title: str
    """A few words, e.g. "Clean these before training"."""
    sentence: str


class Report(_Frozen):
    """A whole report."""

    version: int = REPORT_VERSION
    kind: Literal["audit", "comparison"]
    title: str
    datasets: tuple[DatasetSummary, ...]
    verdict: Verdict
    headline: tuple[Metric, ...]
    sections: tuple[Section, ...]
    provenance: Provenance
