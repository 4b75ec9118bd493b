"""Which steps a subject needs: everything is named by what it is made of, so what exists already is found again."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from itertools import chain
from typing import Any

import sqlalchemy as sa

from audit.analyses.base import Analysis, Config, Need, analyses
from audit.extractors import resolve_spec
from audit.fingerprint import fingerprint
from storage import queries
from storage.artefacts import Artefacts
from storage.database import Database
from storage.records import AuditRequest, Status, StepDraft, Subject, SubjectKind
from storage.settings import Settings
from storage.sources.shards import cut_shards, usable
from workers.engine import Stages, Waiting
from workers.preparing import plan_copies, plan_parts, plan_texts, prepared
from workers.steps.params import (
    SEAL_VERSION,
    SHARD_VERSION,
    AnalyseParams,
    EmbedParams,
    ReportParams,
    ScanParams,
    SealParams,
    SectionRef,
    ShardRef,
    ThroughRef,
    ViewRef,
)
from workers.translating import THROUGH, is_translated, kept, plan_through

STAGES = {
    SubjectKind.DATASET: Stages(("scan",)),
    SubjectKind.EMBEDDING_SET: Stages(("embed", "seal")),
    SubjectKind.AUDIT: Stages(("prepare", "analyse", "report"), optional=frozenset({"prepare", "analyse"})),
}


class StepPlanner:
    """Plans the stages of datasets, embedding sets and audits; see :class:`workers.engine.Planner`."""

    def __init__(self, database: Database, artefacts: Artefacts, settings: Settings) -> None:
        self.database = database
        self.artefacts = artefacts
        self.settings = settings

    def stages(self, kind: SubjectKind) -> Stages:
        """The stages of a kind of subject."""
        return STAGES[kind]

    def plan(self, subject: Subject, stage: str) -> Sequence[StepDraft] | Waiting:
        """The steps of a stage; see :meth:`workers.engine.Planner.plan`."""
        with self.database.read() as tx:
            row = queries.get_subject(tx, subject)
        if row is None:
            return []
        if stage == "scan":
            return [_draft("scan", ScanParams(source=row.source), total=0)]
        if stage == "embed":
            return self._embed(row)
        if stage == "seal":
            return [self._seal(row)]
        if stage == "prepare":
            return self._prepare(row)
        return self._analyse(row) if stage == "analyse" else [self._report(row)]

    # embedding sets --------------------------------------------------------------------------------------------------

    def _shards(self, row: sa.Row[Any]) -> list[ShardRef]:
        images = self.artefacts.open("scan", row.scan).table("images.parquet")
        hashes = usable(images).column("content_hash").to_pylist()
        made_by = {
            "version": SHARD_VERSION,
            "extractor": row.extractor_fingerprint,
            "max_pixels": self.settings.max_pixels,
            "vectors": self.settings.vector_dtype,
        }
        return [
            ShardRef(start=start, stop=stop, fingerprint=_shard_fingerprint(hashes[start:stop], made_by))
            for start, stop in cut_shards(images)
        ]

    def _embed(self, row: sa.Row[Any]) -> list[StepDraft]:
        same: dict[str, Any] = {
            "scan": row.scan,
            "source": row.source,
            "extractor": row.extractor,
            "extractor_fingerprint": row.extractor_fingerprint,
        }
        return [
            _draft(f"{number:06d}", EmbedParams(shard=shard, **same), total=shard.stop - shard.start)
            for number, shard in enumerate(self._shards(row))
        ]

    def _seal(self, row: sa.Row[Any]) -> StepDraft:
        shards = tuple(self._shards(row))
        params = SealParams(
            scan=row.scan,
            dataset_fingerprint=row.dataset_fingerprint,
            extractor=row.extractor,
            extractor_fingerprint=row.extractor_fingerprint,
            neighbours=self.settings.neighbours,
            shards=shards,
        )
        return _draft("seal", params, total=shards[-1].stop if shards else 1)

    # audits ----------------------------------------------------------------------------------------------------------

    def _prepare(self, row: sa.Row[Any]) -> Sequence[StepDraft] | Waiting:
        request = AuditRequest.model_validate(row.request)
        waiting = self._missing_inputs(row.id, request)
        if waiting:
            return Waiting(tuple(waiting))
        views = self._views(row.id)
        asked = chosen(request, len(views))
        if not asked:
            return []
        if request.translation:
            return [*plan_copies(views), plan_through(request.translation, views, request.seed)]
        made_with = {
            "extractor": request.extractor,
            "extractor_fingerprint": resolve_spec(request.extractor).fingerprint,
            "n_parts": self.settings.parts,
            "max_pixels": self.settings.max_pixels,
        }
        configs = [(one, configured(one, request)) for one in asked]
        places = list(enumerate(views))
        parts = (plan_parts(self.artefacts, place, view, made_with, asked) for place, view in places)
        texts = (plan_texts(self.artefacts, place, view, made_with, configs) for place, view in places)
        return [*plan_copies(views), *chain.from_iterable(parts), *chain.from_iterable(texts)]

    def _analyse(self, row: sa.Row[Any]) -> Sequence[StepDraft]:
        request = AuditRequest.model_validate(row.request)
        with self.database.read() as tx:
            steps = queries.named_steps(tx, Subject(SubjectKind.AUDIT, row.id), "prepare")
        done = {step.name: step.artefact for step in steps}
        views, through = prepared(self._views(row.id), done), _through(request, done)
        most = kept(self.artefacts, request.translation).most_tested if through is not None else None
        return [
            _draft(analysis.name, _analyse_params(analysis, request, views, through, most))
            for analysis in chosen(request, len(views))
        ]

    def _missing_inputs(self, audit_id: str, request: AuditRequest) -> list[Subject]:
        """What the audit must wait for: datasets being scanned, then their embedding sets."""
        with self.database.read() as tx:
            inputs = queries.inputs(tx, audit_id)
            unlinked = [one for one in inputs if one.embedding_set_id is None]
            rows = {
                one.dataset_id: queries.get_subject(tx, Subject(SubjectKind.DATASET, one.dataset_id))
                for one in unlinked
            }
        scanning = [id_ for id_, row in rows.items() if row is None or row.status != Status.DONE]
        if scanning:
            return [Subject(SubjectKind.DATASET, id_) for id_ in scanning]
        extractors = self._extractors(request) if unlinked else {}
        with self.database.write() as tx:
            for one in unlinked:
                made = self._embedding_set(tx, rows[one.dataset_id], *extractors[one.position])
                queries.link_embedding_set(tx, audit_id, one.position, made)
            linked = {one.position: one.embedding_set_id for one in queries.inputs(tx, audit_id)}
        for one in unlinked:
            self._remake_if_damaged(Subject(SubjectKind.EMBEDDING_SET, linked[one.position]))
        with self.database.read() as tx:
            sets = [Subject(SubjectKind.EMBEDDING_SET, id_) for id_ in linked.values()]
            found = {one: queries.get_subject(tx, one) for one in sets}
        return [one for one, row in found.items() if row is None or row.status != Status.DONE]

    def _extractors(self, request: AuditRequest) -> dict[int, tuple[str, str]]:
        """Name and fingerprint of the extractor of each dataset, by its place: one for all, or a translation's two."""
        if not request.translation:
            return dict.fromkeys((0, 1), (request.extractor, resolve_spec(request.extractor).fingerprint))
        made = kept(self.artefacts, request.translation)
        return {place: (half.extractor, half.fingerprint) for place, half in enumerate((made.old, made.new))}

    def _remake_if_damaged(self, subject: Subject) -> None:
        """Begin a finished embedding set again if its artefact was damaged or deleted; sound shards are found again."""
        with self.database.read() as tx:
            row = queries.get_subject(tx, subject)
        if row is None or row.status != Status.DONE or self.artefacts.find_sound("embedding_set", row.artefact):
            return
        with self.database.write() as tx:
            queries.restart_subject(tx, subject, only=(Status.DONE,))

    def _embedding_set(self, tx: sa.Connection, dataset: Any, extractor: str, extractor_fingerprint: str) -> str:
        """Get or create; one that failed or was cancelled for an earlier audit gets another chance."""
        values = {
            "dataset_id": dataset.id,
            "dataset_fingerprint": dataset.fingerprint,
            "scan": dataset.artefact,
            "source": dataset.source,
            "extractor": extractor,
            "extractor_fingerprint": extractor_fingerprint,
        }
        made_with = {
            "neighbours": self.settings.neighbours,
            "max_pixels": self.settings.max_pixels,
            "vectors": self.settings.vector_dtype,
            "versions": [SHARD_VERSION, SEAL_VERSION],
        }
        row = queries.get_or_create(
            tx, SubjectKind.EMBEDDING_SET, fingerprint("embedding-set", values | made_with), values
        )
        again = Subject(SubjectKind.EMBEDDING_SET, row.id)
        queries.restart_subject(tx, again, only=queries.UNSUCCESSFUL)
        return str(row.id)

    def _views(self, audit_id: str) -> tuple[ViewRef, ...]:
        with self.database.read() as tx:
            inputs = queries.inputs(tx, audit_id)
            names = distinct_names(
                [queries.get_subject(tx, Subject(SubjectKind.DATASET, one.dataset_id)).name for one in inputs]  # type: ignore[union-attr]
            )
            sets = [queries.get_subject(tx, Subject(SubjectKind.EMBEDDING_SET, one.embedding_set_id)) for one in inputs]
        return tuple(
            ViewRef(
                name=name,
                source=one.source,
                dataset_fingerprint=one.dataset_fingerprint,
                embedding_set=one.artefact,
                fingerprint=one.fingerprint,
            )
            for name, one in zip(names, sets, strict=True)
            if one is not None
        )

    def _report(self, row: sa.Row[Any]) -> StepDraft:
        request = AuditRequest.model_validate(row.request)
        with self.database.read() as tx:
            done = {step.name: step for step in queries.named_steps(tx, Subject(SubjectKind.AUDIT, row.id), "analyse")}
            steps = queries.named_steps(tx, Subject(SubjectKind.AUDIT, row.id), "prepare")
        views = self._views(row.id)
        order = [analysis.name for analysis in chosen(request, len(views))]
        sections = tuple(
            SectionRef(analysis=name, artefact=done[name].artefact, error=done[name].error)
            for name in order
            if name in done
        )
        names = list(dict.fromkeys(name for name, _ in self._extractors(request).values()))
        params = ReportParams(
            kind=row.kind,
            title=request.title or " against ".join(view.name for view in views),
            extractor=" and ".join(names),
            extractor_fingerprint=request.translation or resolve_spec(request.extractor).fingerprint,
            seed=request.seed,
            config={"analyses": _told(request.analyses), "skip": request.skip, "neighbours": self.settings.neighbours},
            views=views,
            sections=sections,
            through=_through(request, {step.name: step.artefact for step in steps}),
        )
        return _draft("report", params)


def chosen(request: AuditRequest, n_datasets: int) -> list[Analysis]:
    """The analyses of a request, in report order."""
    return [analysis for analysis in analyses(datasets=n_datasets) if analysis.name not in request.skip]


def distinct_names(names: Sequence[str]) -> list[str]:
    """Names with a number added where two are equal, for a report tells datasets apart by name."""
    return [f"{name} ({names[:i].count(name) + 1})" if name in names[:i] else name for i, name in enumerate(names)]


def configured(analysis: Analysis, request: AuditRequest) -> Config:
    """The configuration of an analysis that a request asks for."""
    return analysis.config.model_validate(request.analyses.get(analysis.name, {}))


def answers(request: AuditRequest, n_datasets: int) -> tuple[str, ...]:
    """The user's columns that hold answers, as any analysis is configured to say, also one that is left out."""
    return tuple(sorted(frozenset().union(*(configured(one, request).answers() for one in analyses(n_datasets)))))


def _told(analyses: Mapping[str, Mapping[str, Any]]) -> dict[str, dict[str, Any]]:
    """The configuration as a report tells it: saved neuron weights by their name and fingerprint."""
    told = {name: dict(config) for name, config in analyses.items()}
    for config in told.values():
        if isinstance(config.get("weights"), Mapping):
            config["weights"] = {key: config["weights"].get(key) for key in ("name", "fingerprint")}
    return told


def _through(request: AuditRequest, done: dict[str, str]) -> ThroughRef | None:
    if not request.translation:
        return None
    return ThroughRef(translation=request.translation, judged=done.get(THROUGH, ""))


def _analyse_params(
    analysis: Analysis, request: AuditRequest, views: tuple[ViewRef, ...], through: ThroughRef | None, most: int | None
) -> AnalyseParams:
    config = configured(analysis, request).model_dump(mode="json")
    named = answers(request, len(views)) if Need.METADATA in analysis.needs else ()
    if most is not None and is_translated(analysis):
        config["max_images"] = min(config["max_images"], most)
    unread = [name for name, need in (("parts", Need.PARTS), ("texts", Need.TEXTS)) if need not in analysis.needs]
    views = tuple(view.model_copy(update=dict.fromkeys(unread, ())) for view in views)
    made_of: dict[str, Any] = {
        "analysis": analysis.name,
        "version": analysis.version,
        "config": config,
        "seed": request.seed,
        "views": [(view.name, view.fingerprint, view.copies, view.parts, view.texts) for view in views],
        "answers": named,
    }
    if through is not None:
        made_of["through"] = through
    return AnalyseParams(
        analysis=analysis.name,
        version=analysis.version,
        config=config,
        seed=request.seed,
        views=views,
        answers=named,
        fingerprint=fingerprint("analysis", made_of),
        through=through,
    )


def _shard_fingerprint(hashes: Sequence[str], made_by: dict[str, Any]) -> str:
    contents = hashlib.sha256("\n".join(hashes).encode()).hexdigest()
    return fingerprint("shard", made_by | {"contents": contents})


def _draft(name: str, params: Any, total: int = 1) -> StepDraft:
    return StepDraft(name=name, params=params.model_dump(mode="json"), total=total)
