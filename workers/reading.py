"""Reading what audits have found: reports, tables, look-ups in the sealed neighbours, pictures."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.compute as pc

from audit.analyses.base import Need, analyses
from audit.errors import PictureError
from audit.maths.neighbours import search
from audit.model import OK, DatasetView
from audit.pictures.process import process
from audit.pictures.thumbnail import thumbnail
from audit.report import Report
from storage import queries
from storage.artefacts import Artefact
from storage.indexes import read_index
from storage.parquet import read_table
from storage.records import Status, Subject, SubjectKind
from workers.errors import FailedError, NotReadyError, UnknownIdError
from workers.pictures import find_row
from workers.planner import distinct_names
from workers.preparing import copies_name
from workers.progress import shown_status
from workers.steps.measuring import unit_vectors
from workers.steps.params import ReportParams
from workers.steps.report import DATASET_TABLES
from workers.steps.seal import INDEX
from workers.translating import read_judged
from workers.views import load_view, with_copies

if TYPE_CHECKING:
    from workers.runtime import Runtime

REPORT_FILE = "report file"
MAX_LIMIT = 1000
_LOOKED_UP = frozenset({Need.EMBEDDINGS, Need.NEIGHBOURS})
_COMPARED = frozenset({Need.DNA, Need.NEURONS, Need.EMBEDDINGS, Need.NEIGHBOURS})


class Reading:
    """The reading half of the service; nothing here changes anything."""

    runtime: Runtime

    # reports ---------------------------------------------------------------------------------------------------------

    def report_json(self, audit_id: str) -> Report:
        """The report.

        Raises
        ------
        NotReadyError, FailedError, UnknownIdError
        """
        return Report.model_validate_json(self.report_file(audit_id, "report.json").read_bytes())

    def report_file(self, audit_id: str, name: str) -> Path:
        """A verified file of the report: ``report.html``, ``report.json``, ``report.zip``, ``tables/x.parquet``.

        The path is that of the artefact itself: read it, never write to it.

        Raises
        ------
        NotReadyError, FailedError, UnknownIdError
        """
        report = self._report(audit_id)
        if name not in report:
            hint = f"there are {', '.join(report.manifest.files)}"
            raise UnknownIdError(REPORT_FILE, name, hint=hint)
        return report.file(name)

    def report_files(self, audit_id: str) -> dict[str, int]:
        """Names and sizes of the files of the report."""
        return {name: entry.n_bytes for name, entry in self._report(audit_id).manifest.files.items()}

    def table(self, audit_id: str, name: str) -> pa.Table:
        """A whole table of the report by its name, such as ``outliers``."""
        return read_table(self.report_file(audit_id, f"tables/{name}.parquet"))

    def export(self, audit_id: str, out: Path) -> None:
        """Write ``report.html``, ``report.json``, ``report.zip`` and ``tables/`` into a folder.

        Files of those names are replaced. Tables that this report does not have are deleted: another report left them
        there. Files of other names are left alone.
        """
        report = self._report(audit_id)
        for name in known_tables() - report.manifest.files.keys():
            (out / name).unlink(missing_ok=True)
        for name in report.manifest.files:
            target = out / name
            target.parent.mkdir(parents=True, exist_ok=True)
            part = target.with_name(f".{target.name}.part")
            shutil.copyfile(report.file(name), part)
            part.replace(target)

    def results(self, audit_id: str) -> dict[str, dict[str, Any]]:
        """The ``Result`` of every analysis that has one, as plain JSON, by the analysis' name."""
        row = self._done(SubjectKind.AUDIT, audit_id)
        with self.runtime.database.read() as tx:
            steps = queries.stage_steps(tx, Subject(SubjectKind.AUDIT, audit_id), row.stage)
        found: dict[str, dict[str, Any]] = {}
        for ref in (ref for step in steps for ref in ReportParams.model_validate(step.params).sections if ref.artefact):
            answer = self.runtime.artefacts.open("analysis", ref.artefact)
            if "result.json" in answer:
                found[ref.analysis] = json.loads(answer.file("result.json").read_bytes())
        for through in (ReportParams.model_validate(step.params).through for step in steps):
            judged = None if through is None else read_judged(self.runtime.artefacts, through)
            if judged is not None:
                found["translation"] = judged.model_dump(mode="json")
        return found

    def _report(self, audit_id: str) -> Artefact:
        row = self._done(SubjectKind.AUDIT, audit_id)
        return self.runtime.artefacts.open("report", row.artefact)

    def _done(self, kind: SubjectKind, id_: str) -> Any:
        """The row of a subject that is done."""
        with self.runtime.database.read() as tx:
            row = queries.get_subject(tx, Subject(kind, id_))
            status = None if row is None else shown_status(tx, kind, row)
        if row is None or status is None:
            raise UnknownIdError(kind.value, id_)
        if status in (Status.FAILED, Status.CANCELLED):
            raise FailedError(kind.value, id_, status, row.error)
        if status != Status.DONE:
            raise NotReadyError(kind.value, id_, status)
        return row

    # look-ups --------------------------------------------------------------------------------------------------------

    def outliers(
        self, audit_id: str, *, label: str | None = None, split: str | None = None, offset: int = 0, limit: int = 50
    ) -> list[dict[str, Any]]:
        """Rows of the table ``outliers``, worst first, of one label or split if asked.

        Raises
        ------
        UnknownIdError
            Of a comparison, which ranks none.
        """
        if self._done(SubjectKind.AUDIT, audit_id).kind == "comparison":
            hint = "a comparison ranks none; audit one of its datasets"
            raise UnknownIdError("ranking of outliers in the comparison", audit_id, hint=hint)
        table = self.table(audit_id, "outliers")
        wanted = {"label": label, "split": split}
        if any(value is not None for value in wanted.values()):
            images = self.table(audit_id, "images").select(["image_id", "label", "split"])
            for column, value in wanted.items():
                if value is not None:
                    ids = images.filter(pc.equal(images.column(column), value)).column("image_id")
                    table = table.filter(pc.is_in(table.column("image_id"), value_set=ids.combine_chunks()))
        rows: list[dict[str, Any]] = table.slice(offset, min(limit, MAX_LIMIT)).to_pylist()
        return rows

    def neighbours(self, audit_id: str, image: str, k: int = 10, *, dataset: str | None = None) -> list[dict[str, Any]]:
        """The pictures most like one of the dataset, given by its image_id or path: nearest first, itself left out.

        Parameters
        ----------
        dataset : str, optional
            Of a comparison: the dataset that is meant and searched, by its name in the report or its id; the reference
            if none is given.
        """
        found, view = self._view(audit_id, dataset)
        place = self._place(view, image)
        neighbours = view.neighbours
        if neighbours is not None and k <= neighbours.indices.shape[1]:
            pairs = list(zip(neighbours.indices[place].tolist(), neighbours.distances[place].tolist(), strict=True))
            return _described(view, pairs[:k])
        return self._search(found, view, view.vectors[place : place + 1], k, leave_out=place)

    def neighbours_of_upload(
        self, audit_id: str, data: bytes, k: int = 10, *, dataset: str | None = None
    ) -> list[dict[str, Any]]:
        """The pictures most like one that is not in the dataset; ``dataset`` as in :meth:`neighbours`.

        Raises
        ------
        PictureError
            If the bytes are not a picture that can be decoded.
        """
        found, view = self._view(audit_id, dataset)
        extractor = self.runtime.extractor(found.provenance["extractor"]["name"])
        decoded = process(data, extractor.spec.input, max_pixels=self.runtime.settings.max_pixels)
        if decoded.pixels is None:
            raise PictureError("undecodable", "the picture gave no pixels")
        vectors, usable = unit_vectors(extractor.features(decoded.pixels[None]).embedding)
        if not usable[0]:
            raise PictureError("bad_embedding", "the extractor gave a vector without a direction")
        return self._search(found, view, vectors, k)

    def store(self, audit_id: str, dataset: str | None = None) -> tuple[str, str]:
        """Id of a dataset of an audit, and the fingerprint of the extractor that its store there was made by.

        Raises
        ------
        NotReadyError, FailedError, UnknownIdError
        """
        row = self._set(audit_id, dataset)[0]
        return str(row.dataset_id), str(row.extractor_fingerprint)

    def dna(self, audit_id: str, dataset: str | None = None) -> DatasetView:
        """A dataset of an audit as :func:`audit.dna.bursts.by_image` reads it: with its Visual DNA and embeddings,
        what every neuron gave for each image, and its copies where they were searched for; ``dataset`` as above.
        """
        row, name = self._set(audit_id, dataset)
        view = load_view(self.runtime.artefacts.open("embedding_set", row.artefact), name, _COMPARED)
        copies = self.runtime.artefacts.find("copies", copies_name(row.fingerprint))
        return view if copies is None else with_copies(view, copies)

    def _view(self, audit_id: str, dataset: str | None) -> tuple[Artefact, DatasetView]:
        """An embedding set of an audit, the first unless another is named, and its view for looking up neighbours."""
        row, name = self._set(audit_id, dataset)
        found = self.runtime.artefacts.open("embedding_set", row.artefact)
        return found, load_view(found, name, _LOOKED_UP)

    def _set(self, audit_id: str, dataset: str | None) -> tuple[Any, str]:
        """The row of an embedding set of an audit, the first unless another is named, and what its report calls it."""
        self._done(SubjectKind.AUDIT, audit_id)
        with self.runtime.database.read() as tx:
            inputs = queries.inputs(tx, audit_id)
            rows = [queries.get_subject(tx, Subject(SubjectKind.DATASET, one.dataset_id)) for one in inputs]
            names = distinct_names(["" if row is None else row.name for row in rows])
            wanted = (place for place, one in enumerate(inputs) if dataset in {None, names[place], one.dataset_id})
            place = next(wanted, None)
            if place is None:
                hint = f"those of the audit {audit_id} are {', '.join(names)}"
                raise UnknownIdError("dataset", str(dataset), hint=hint)
            row = queries.get_subject(tx, Subject(SubjectKind.EMBEDDING_SET, inputs[place].embedding_set_id))
        if row is None:
            raise UnknownIdError("embedding set", str(inputs[place].embedding_set_id))
        return row, names[place]

    def _place(self, view: DatasetView, image: str) -> int:
        for column in ("image_id", "path"):
            place = int(pc.index(view.images.column(column), image).as_py())
            if place >= 0:
                return place
        hint = f"the table images of the report lists those of {view.name}, as GET /v1/audits/ID/images does"
        raise UnknownIdError("image", image, hint=hint)

    def _search(
        self, found: Artefact, view: DatasetView, queries_: Any, k: int, *, leave_out: int = -1
    ) -> list[dict[str, Any]]:
        if INDEX in found:
            nearest = read_index(found.file(INDEX).read_bytes()).search(queries_, k + 1)
        else:
            nearest = search(queries_, view.vectors, k + 1, threads=1)
        pairs = list(zip(nearest.indices[0].tolist(), nearest.distances[0].tolist(), strict=True))
        return _described(view, [pair for pair in pairs if pair[0] != leave_out][:k])

    # pictures --------------------------------------------------------------------------------------------------------

    def thumbnail(self, dataset_id: str, image_id: str, side: int = 224) -> bytes:
        """A small WebP of a picture, read from its source.

        Raises
        ------
        PictureError
            If it was quarantined, or can no longer be read.
        """
        row = self._done(SubjectKind.DATASET, dataset_id)
        image = find_row(self.runtime.scan(row.artefact), image_id)
        if image is None:
            raise UnknownIdError("image", image_id)
        if image["status"] != OK:
            raise PictureError(image["reason"] or "undecodable", image["detail"] or "the picture was not usable")
        with self.runtime.source(row.source) as source:
            data = source.read(image["locator"])
        return thumbnail(data, side=side, max_pixels=self.runtime.settings.max_pixels)


def known_tables() -> frozenset[str]:
    """Names of the files of every table that a report of this version can have."""
    names = [*DATASET_TABLES, *(name for one in analyses() for name in one.tables)]
    return frozenset(f"tables/{name}.parquet" for name in names)


def _described(view: DatasetView, pairs: list[tuple[int, float]]) -> list[dict[str, Any]]:
    """Neighbours in words: image_id, path, label, split, dataset, distance, rank from 1."""
    pairs = [pair for pair in pairs if pair[0] >= 0]
    rows = view.images.select(["image_id", "path", "label", "split"]).take([place for place, _ in pairs]).to_pylist()
    return [
        row | {"dataset": view.name, "distance": distance, "rank": rank}
        for rank, (row, (_, distance)) in enumerate(zip(rows, pairs, strict=True), start=1)
    ]
