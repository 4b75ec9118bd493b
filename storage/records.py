"""What leaves the database: frozen records of datasets, audits, steps and their progress."""

from __future__ import annotations

from enum import StrEnum
from typing import Any, Literal, NamedTuple

from pydantic import BaseModel, ConfigDict, Field


class Status(StrEnum):
    """Where a dataset, an audit or a step stands. Steps are ``queued`` until a worker takes them."""

    QUEUED = "queued"
    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"
    CANCELLED = "cancelled"

    @property
    def ended(self) -> bool:
        """Whether nothing more will happen by itself."""
        return self in {Status.DONE, Status.FAILED, Status.CANCELLED}


class SubjectKind(StrEnum):
    """What steps are done for."""

    DATASET = "dataset"
    EMBEDDING_SET = "embedding_set"
    AUDIT = "audit"


class Subject(NamedTuple):
    """A dataset, embedding set or audit by its id."""

    kind: SubjectKind
    id: str


class _Frozen(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class AuditRequest(_Frozen):
    """What is to be computed; equal requests on equal datasets are one audit."""

    extractor: str = Field(default="bundled", description="Name of the extractor.")
    seed: int = Field(default=0, ge=0, lt=2**53, description="Seed of every random choice.")
    analyses: dict[str, dict[str, Any]] = Field(
        default_factory=dict, description="Configuration per analysis; what is not named runs with its defaults."
    )
    skip: tuple[str, ...] = Field(default=(), description="Analyses to leave out.")
    title: str = Field(default="", max_length=200, description="Title of the report; empty: the datasets' names.")
    translation: str = Field(
        default="",
        max_length=64,
        exclude_if=lambda name: not name,
        description="Fingerprint of a translation; reference by its old extractor, candidate by its new one.",
    )


class Progress(_Frozen):
    """How far the work on a dataset or audit is.

    ``done`` and ``total`` count pictures while scanning, embedding and sealing (``unit`` ``"images"``), else steps.
    Then ``at`` names what is at work, and ``at_since`` is when that was begun, in seconds since 1970.
    """

    stage: str
    done: int
    total: int
    unit: Literal["images", "steps"]
    images_per_s: float | None = None
    eta_s: float | None = None
    at: str = ""
    at_since: float | None = None


class Dataset(_Frozen):
    """One source of pictures as it was last scanned. Counts are None until then."""

    id: str
    name: str
    source: dict[str, Any]
    status: Status
    fingerprint: str | None
    n_inputs: int | None = None
    n_ok: int | None = None
    n_quarantined: int | None = None
    n_skipped: int | None = None
    progress: Progress
    error: str = ""
    created_at: float
    """Seconds since 1970."""


class Audit(_Frozen):
    """An audit of one dataset or a comparison of two. ``n_failed`` analyses are missing from its report."""

    id: str
    kind: Literal["audit", "comparison"]
    title: str
    dataset_ids: tuple[str, ...]
    request: AuditRequest
    status: Status
    progress: Progress
    n_failed: int = 0
    error: str = ""
    created_at: float
    ended_at: float | None = None


class Verdict(_Frozen):
    """What a person says of a feature that a report suspects to be spurious."""

    feature: str
    verdict: Literal["confirmed", "rejected"]
    note: str = ""
    created_at: float


class Step(_Frozen):
    """One unit of work under a lease.

    ``fence`` goes up each time a worker takes the step; a worker may only finish it under its own number.
    """

    id: str
    subject: Subject
    stage: str
    name: str
    params: dict[str, Any]
    status: Status
    attempts: int
    fence: int
    error: str = ""


class StepDraft(_Frozen):
    """A step that is planned: unique by name in its stage; ``total`` is the work in it."""

    name: str
    params: dict[str, Any] = Field(default_factory=dict)
    total: int = 1


class Outcome(_Frozen):
    """What a finished step leaves: the artefact it wrote and what the subject's record shows of it."""

    artefact_kind: str = ""
    artefact: str = ""
    fingerprint: str = ""
    summary: dict[str, Any] = Field(default_factory=dict)
