"""What each kind of step is told: small, frozen, JSON; names of artefacts, never their content."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict

SHARD_VERSION = 3
"""Goes up whenever the same pictures and extractor can give another shard artefact."""

SEAL_VERSION = 5
"""Goes up whenever the same shards can give another embedding set."""


class _Params(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class ScanParams(_Params):
    """List a source and read every file's hash and header. ``source`` is a SourceSpec."""

    source: dict[str, Any]


class ShardRef(_Params):
    """A shard: rows [start, stop) of the usable rows of a scan, and the name of its artefact."""

    start: int
    stop: int
    fingerprint: str


class EmbedParams(_Params):
    """Embed one shard."""

    scan: str
    source: dict[str, Any]
    extractor: str
    extractor_fingerprint: str
    shard: ShardRef


class SealParams(_Params):
    """Join the shards of a dataset into an embedding set."""

    scan: str
    dataset_fingerprint: str
    extractor: str
    extractor_fingerprint: str
    neighbours: int
    shards: tuple[ShardRef, ...]


class ViewRef(_Params):
    """One dataset under its name in the report: an embedding-set artefact, and what names its content."""

    name: str
    source: dict[str, Any]
    dataset_fingerprint: str
    embedding_set: str
    fingerprint: str


class AnalyseParams(_Params):
    """Ask one question."""

    analysis: str
    version: int
    config: dict[str, Any]
    seed: int
    views: tuple[ViewRef, ...]
    fingerprint: str


class SectionRef(_Params):
    """The answer to one question: an artefact, or why there is none."""

    analysis: str
    artefact: str = ""
    error: str = ""


class ReportParams(_Params):
    """Put the answers together."""

    kind: Literal["audit", "comparison"]
    title: str
    extractor: str
    extractor_fingerprint: str
    seed: int
    config: dict[str, Any]
    views: tuple[ViewRef, ...]
    sections: tuple[SectionRef, ...]
