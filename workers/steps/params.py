"""What each kind of step is told: small, frozen, JSON; names of artefacts, never their content."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, RootModel

SHARD_VERSION = 3
"""Goes up whenever the same pictures and extractor can give another shard artefact."""

SEAL_VERSION = 5
"""Goes up whenever the same shards can give another embedding set."""


PARTS_VERSION = 2
"""Goes up whenever the same pictures and extractor can give other parts."""


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


class CopiesParams(_Params):
    """Search an embedding set for copies, once for all analyses."""

    kind: Literal["copies"] = "copies"
    embedding_set: str
    fingerprint: str


class PartsParams(_Params):
    """Embed some pictures of an embedding set whole, as their object and as their background.

    ``rows`` are those of the set's usable pictures, ascending.
    """

    kind: Literal["parts"] = "parts"
    embedding_set: str
    source: dict[str, Any]
    extractor: str
    extractor_fingerprint: str
    rows: tuple[int, ...]
    fingerprint: str


class TextsParams(_Params):
    """Embed the texts that an analysis compares pictures with."""

    kind: Literal["texts"] = "texts"
    extractor: str
    extractor_fingerprint: str
    texts: tuple[str, ...]
    fingerprint: str


class ThroughParams(_Params):
    """Judge a translation on the two datasets that are compared through it."""

    kind: Literal["through"] = "through"
    translation: str
    embedding_sets: tuple[str, str]
    seed: int
    fingerprint: str


class PrepareParams(
    RootModel[Annotated[CopiesParams | PartsParams | TextsParams | ThroughParams, Field(discriminator="kind")]]
):
    """What analyses share, made before any of them runs."""


class ViewRef(_Params):
    """One dataset under its name in the report: an embedding-set artefact, and what names its content.

    ``copies``, ``parts`` and ``texts`` are artefacts of the stage ``prepare``; empty where that failed or nobody needs
    them.
    """

    name: str
    source: dict[str, Any]
    dataset_fingerprint: str
    embedding_set: str
    fingerprint: str
    copies: str = ""
    parts: tuple[str, ...] = ()
    texts: tuple[str, ...] = ()


class ThroughRef(_Params):
    """What two datasets are compared through: a translation, and how it was judged ("" where that failed)."""

    translation: str
    judged: str


class AnalyseParams(_Params):
    """Ask one question. ``answers`` are the user's columns that the audit says hold answers."""

    analysis: str
    version: int
    config: dict[str, Any]
    seed: int
    views: tuple[ViewRef, ...]
    answers: tuple[str, ...] = ()
    fingerprint: str
    through: ThroughRef | None = None


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
    through: ThroughRef | None = None
