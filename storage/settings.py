"""Every setting of Assay, read from ``ASSAY_*`` variables; it works with none of them set."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Literal

from platformdirs import user_data_path
from pydantic import Field, SecretStr, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict


def _cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


class Settings(BaseSettings):
    """Where things live and how much of the machine may be used.

    Three addresses decide between one process and many: ``database_url``, ``blobs_url`` and ``broker_url``.
    """

    model_config = SettingsConfigDict(env_prefix="ASSAY_", frozen=True, extra="forbid")

    home: Path = Field(
        default_factory=lambda: user_data_path("assay", appauthor=False),
        description="Folder for everything Assay keeps: database, artefacts, uploads, scratch.",
    )
    database_url: str = Field(
        default="",
        description="SQLAlchemy address (sqlite:///… or postgresql+psycopg://…); empty: SQLite in home.",
    )
    blobs_url: str = Field(
        default="",
        description="Where artefacts live (file:///…, s3://bucket/prefix); empty: the folder blobs in home.",
    )
    broker_url: SecretStr | None = Field(
        default=None,
        description="Redis address of the Celery broker; unset: steps run inside this process.",
    )
    source_roots: tuple[Path, ...] | None = Field(
        default=None,
        description="Folders that datasets may be read from, as a JSON list; unset: any (the service insists on one).",
    )
    model_roots: tuple[Path, ...] | None = Field(
        default=None,
        description="Folders that torch: and onnx: models may be run from, as a JSON list; unset: any (service: none).",
    )
    max_pixels: int = Field(
        default=178_956_970,
        ge=1,
        description="Pictures with more pixels are quarantined before they are decoded.",
    )
    max_file_bytes: int = Field(default=256 * 2**20, ge=1, description="Files larger than this are quarantined.")
    threads: int = Field(default_factory=_cores, ge=1, le=1024, description="Threads that compute at once.")
    decoders: int = Field(default_factory=_cores, ge=1, le=1024, description="Processes that decode pictures.")
    decode_timeout_s: float = Field(default=30.0, gt=0, description="Longest time one picture may take to decode.")
    decode_memory_mb: int = Field(default=2048, ge=128, description="Memory limit of one decoding process.")
    concurrency: int = Field(default=2, ge=1, le=64, description="Steps one process runs at once.")
    neighbours: int = Field(default=20, ge=1, le=200, description="Neighbours kept per picture in the sealed table.")
    parts: int = Field(
        default=2000,
        ge=0,
        description="Pictures of a dataset whose object and background are embedded apart, at most; 0 leaves it out.",
    )
    vector_dtype: Literal["float32", "float16"] = Field(
        default="float32",
        description="How shards store vectors. float32 keeps them exactly; float16 halves the files.",
    )
    lease_s: float = Field(default=30.0, gt=0, description="A step whose worker is silent this long is given away.")
    step_timeout_s: float = Field(
        default=3600.0, gt=0, description="A step that makes no progress for this long is given away."
    )
    sweep_s: float = Field(default=2.0, gt=0, description="How often lost steps are looked for.")
    grace_s: float = Field(
        default=86_400.0, ge=0, description="Artefacts that nothing refers to are kept at least this long."
    )
    log_level: Literal["debug", "info", "warning", "error"] = Field(
        default="warning", description="Least severe event that is logged."
    )
    log_format: Literal["console", "json"] = Field(default="console", description="How events are written to stderr.")

    @model_validator(mode="before")
    @classmethod
    def _empty_is_unset(cls, values: object) -> object:
        if isinstance(values, dict):
            return {key: value for key, value in values.items() if value != ""}
        return values

    @property
    def database(self) -> str:
        """Address of the database in force."""
        return self.database_url or f"sqlite:///{self.home.absolute() / 'assay.sqlite3'}"

    @property
    def blobs(self) -> str:
        """Address of the blobs in force."""
        return self.blobs_url or (self.home.absolute() / "blobs").as_uri()

    @property
    def scratch(self) -> Path:
        """Folder for files in the making and for copies of remote artefacts."""
        return self.home / "scratch"
