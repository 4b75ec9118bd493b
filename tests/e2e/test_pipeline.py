"""From a folder of pictures to a report, in one process, with the parts that ship."""

from __future__ import annotations

import hashlib
import os
import sys
import threading
import time
import zipfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest

sys.path.insert(0, str(Path(__file__).resolve().parent))

import pipeline_pictures as pipeline

from audit.analyses.base import Need, analyses
from audit.dna import DnaCounter
from audit.extractors import load_extractor
from audit.maths.histograms import INNER_BINS, MEAN_UNIT
from audit.pictures.process import process
from storage.artefacts import Artefacts
from storage.blobs import open_blobs
from storage.records import Audit, AuditRequest, Status
from storage.settings import Settings
from storage.sources import SourceSpec
from storage.sources.state import LATELY_S
from workers.errors import FailedError, InUseError, NotReadyError, UnknownIdError
from workers.runtime import STEPS
from workers.service import Service
from workers.views import load_view

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(280)]
N = 120


@pytest.fixture(scope="module")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return pipeline.draw(tmp_path_factory.mktemp("pictures") / "set", N)


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    with Service.open(Settings(home=tmp_path_factory.mktemp("home"))) as service:
        yield service


def _audit(service: Service, *sources: Path, name: str | None = None, **request: object) -> Audit:
    datasets = [service.submit_dataset(SourceSpec(uri=str(source)), name) for source in sources]
    audit = service.submit_audit([one.id for one in datasets], AuditRequest.model_validate(request))
    return service.wait(audit.id)


def _hashes(service: Service, audit_id: str) -> dict[str, str]:
    return {name: pipeline.digest(service.report_file(audit_id, name)) for name in service.report_files(audit_id)}


def _shards(service: Service) -> dict[str, float]:
    root = service.settings.home / "blobs" / "artefacts" / "shard"
    return {path.parent.name: path.stat().st_mtime for path in root.glob("*/artefact.json")}


@pytest.fixture(scope="module")
def done(service: Service, pictures: Path) -> Audit:
    return _audit(service, pictures)


def test_an_audit_of_a_folder_ends_with_a_report(service: Service, done: Audit) -> None:
    assert (done.status, done.error, done.n_failed) == (Status.DONE, "", 0)
    assert service.report_json(done.id).kind == "audit"


def test_every_input_is_accounted_for(service: Service, done: Audit) -> None:
    (summary,) = service.report_json(done.id).datasets
    assert (summary.n_inputs, summary.n_ok, summary.n_quarantined) == (N + 2, N, 2)
    images = service.table(done.id, "images")
    assert images.num_rows == N + 2
    assert set(images.filter(pc.equal(images["status"], "quarantined"))["reason"].to_pylist()) == set(summary.reasons)


def test_the_table_of_images_keeps_its_promise_and_holds_nothing_private(service: Service, done: Audit) -> None:
    names = service.table(done.id, "images").column_names
    assert names[:7] == ["image_id", "path", "status", "reason", "detail", "label", "split"]
    assert not {"locator", "path_bytes"} & set(names)


def test_embeddings_are_unit_vectors_of_every_usable_picture(service: Service, done: Audit) -> None:
    table = service.table(done.id, "embeddings")
    vectors = np.stack(table["embedding"].to_numpy())
    assert len(vectors) == N
    assert np.allclose(np.linalg.norm(vectors.astype(np.float64), axis=1), 1.0, atol=1e-6)


def test_neurons_by_image_are_those_of_each_picture_and_add_up_to_the_dna(
    service: Service, pictures: Path, done: Audit
) -> None:
    (root,) = (service.settings.home / "blobs" / "artefacts" / "embedding_set").iterdir()
    artefacts = Artefacts(open_blobs(service.settings.blobs), service.settings.scratch)
    view = load_view(artefacts.open("embedding_set", root.name), "set", {Need.NEURONS, Need.DNA})
    assert view.neurons is not None
    assert view.dna is not None
    extractor = load_extractor("bundled")
    data = (pictures / view.column("path")[7]).read_bytes()
    pixels = process(data, extractor.spec.input, max_pixels=10**6).pixels
    assert pixels is not None
    expected = DnaCounter(extractor.ranges).add(extractor.features(pixels[None]).layers)
    np.testing.assert_allclose(view.neurons.values[7], expected.values[0], atol=0.01)
    np.testing.assert_allclose(view.neurons.border[7], expected.border[0], atol=0.01)
    assert (view.neurons.layers["last"].stop, view.neurons.border_layer) == (view.dna.ranges.n_neurons, "last")
    means = view.dna.mean_sum / view.dna.n_images / (MEAN_UNIT * INNER_BINS)
    np.testing.assert_allclose(view.neurons.values.mean(axis=0, dtype=np.float64), means, atol=1e-3)
    assert view.tops is not None
    assert view.tops.rows.shape == (view.dna.ranges.n_neurons, 9)
    listed = (view.tops.rows == 7) & (view.tops.places == expected.place[0][:, None])
    np.testing.assert_allclose(view.tops.values[listed], expected.top[0][listed.any(axis=1)], atol=0.01)
    assert listed.sum() > len(listed) * 9 / N / 2


def test_the_zip_holds_the_report_and_its_tables(service: Service, done: Audit) -> None:
    with zipfile.ZipFile(service.report_file(done.id, "report.zip")) as archive:
        names = set(archive.namelist())
        assert archive.read("report.html") == service.report_file(done.id, "report.html").read_bytes()
    assert {"report.json", "tables/images.parquet", "tables/images.csv", "tables/embeddings.parquet"} <= names


def test_exported_files_are_the_bytes_of_the_report(service: Service, done: Audit, tmp_path: Path) -> None:
    service.export(done.id, tmp_path / "out")
    for name, digest in _hashes(service, done.id).items():
        assert pipeline.digest(tmp_path / "out" / name) == digest
    assert (tmp_path / "out" / "report.zip").is_file()


def test_exporting_leaves_no_table_of_another_report_and_every_file_that_is_not_ours(
    service: Service, done: Audit, tmp_path: Path
) -> None:
    tables = tmp_path / "out" / "tables"
    tables.mkdir(parents=True)
    for name in ("differences.parquet", "mine.parquet", "differences.csv"):
        (tables / name).write_bytes(b"of another report")
    service.export(done.id, tmp_path / "out")
    assert not (tables / "differences.parquet").exists()
    assert {"mine.parquet", "differences.csv", "images.parquet"} <= {path.name for path in tables.iterdir()}


def test_a_second_submission_reuses_everything(service: Service, pictures: Path, done: Audit) -> None:
    before, hashes = _shards(service), _hashes(service, done.id)
    again = _audit(service, pictures)
    assert _hashes(service, again.id) == hashes
    assert _shards(service) == before


def test_sealed_neighbours_agree_with_distances_of_the_vectors(service: Service, done: Audit) -> None:
    table = service.table(done.id, "embeddings")
    vectors = np.stack(table["embedding"].to_numpy()).astype(np.float64)
    ids = table["image_id"].to_pylist()
    distances = np.linalg.norm(vectors - vectors[7], axis=1)
    distances[7] = np.inf
    found = service.neighbours(done.id, ids[7], k=5)
    assert [row["image_id"] for row in found] == [ids[i] for i in np.argsort(distances, kind="stable")[:5]]
    assert np.allclose([row["distance"] for row in found], np.sort(distances)[:5], atol=1e-6)


def test_more_neighbours_than_are_sealed_come_from_the_index(service: Service, done: Audit) -> None:
    path = service.table(done.id, "embeddings")["path"].to_pylist()[3]
    few, many = service.neighbours(done.id, path, k=20), service.neighbours(done.id, path, k=60)
    assert len(many) == 60
    assert path not in {row["path"] for row in many}
    assert [row["image_id"] for row in many[:20]] == [row["image_id"] for row in few]


def test_the_nearest_neighbour_of_an_uploaded_copy_is_the_picture_itself(
    service: Service, pictures: Path, done: Audit
) -> None:
    row = service.neighbours_of_upload(done.id, (pictures / "class0" / "00004.png").read_bytes(), k=1)[0]
    assert row["path"] == "class0/00004.png"
    assert row["distance"] == pytest.approx(0.0, abs=2e-3)


def test_a_thumbnail_is_a_small_webp(service: Service, done: Audit) -> None:
    image_id = service.table(done.id, "embeddings")["image_id"][0].as_py()
    data = service.thumbnail(done.dataset_ids[0], image_id, 32)
    assert (data[:4], data[8:12]) == (b"RIFF", b"WEBP")


def test_a_file_or_picture_that_does_not_exist_is_refused(service: Service, done: Audit) -> None:
    with pytest.raises(UnknownIdError, match=r"report file 'report\.exe'"):
        service.report_file(done.id, "report.exe")
    with pytest.raises(UnknownIdError, match="image 'nowhere'"):
        service.neighbours(done.id, "nowhere")


def test_a_dataset_that_an_audit_reads_is_not_deleted(service: Service, done: Audit) -> None:
    with pytest.raises(InUseError, match="delete those first"):
        service.delete_dataset(done.dataset_ids[0])


def test_a_comparison_reads_both_datasets_by_their_own_names(service: Service, pictures: Path, tmp_path: Path) -> None:
    other = pipeline.draw(tmp_path / "set", 60, seed=1)
    audit = _audit(service, pictures, other)
    assert (audit.status, audit.error) == (Status.DONE, "")
    report = service.report_json(audit.id)
    assert (report.kind, [one.name for one in report.datasets]) == ("comparison", ["set", "set (2)"])
    assert set(service.table(audit.id, "images")["dataset"].to_pylist()) == {"set", "set (2)"}


def test_a_comparison_says_that_it_ranks_no_outliers(service: Service, pictures: Path) -> None:
    audit = _audit(service, pictures, pictures)
    with pytest.raises(UnknownIdError, match="no ranking of outliers in the comparison"):
        service.outliers(audit.id)


def test_neighbours_in_a_comparison_are_those_of_the_dataset_that_is_named(
    service: Service, pictures: Path, tmp_path: Path
) -> None:
    other = pipeline.draw(tmp_path / "other", 30, seed=5)
    audit = _audit(service, pictures, other, skip=[one.name for one in analyses(datasets=2)])
    path = "class0/00000.png"
    found = {name: service.neighbours(audit.id, path, dataset=name) for name in (None, "set", "other")}
    assert found[None] == found["set"]
    assert {row["dataset"] for row in found["set"]} == {"set"}
    assert {row["dataset"] for row in found["other"]} == {"other"}
    assert service.neighbours(audit.id, path, dataset=audit.dataset_ids[1]) == found["other"]
    with pytest.raises(UnknownIdError, match="are set, other"):
        service.neighbours(audit.id, path, dataset="nowhere")
    with pytest.raises(UnknownIdError, match="the table images of the report lists those of other"):
        service.neighbours(audit.id, "nowhere.png", dataset="other")


def test_an_audit_that_waits_for_its_dataset_is_said_to_be_running(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    go_on, scan = threading.Event(), STEPS["scan"]
    monkeypatch.setitem(STEPS, "scan", lambda context: go_on.wait(60) and scan(context))  # type: ignore[arg-type]
    with Service.open(Settings(home=tmp_path / "home")) as service:
        dataset = service.submit_dataset(SourceSpec(uri=str(pipeline.draw(tmp_path / "set", 4))))
        audit = service.submit_audit([dataset.id], AuditRequest(skip=tuple(one.name for one in analyses())))
        while service.audit(audit.id).status is Status.QUEUED:
            time.sleep(0.01)
        with pytest.raises(NotReadyError, match="is running"):
            service.report_json(audit.id)
        go_on.set()
        assert service.wait(audit.id).status is Status.DONE


def test_reasons_are_told_of_what_was_skipped_too(service: Service, tmp_path: Path) -> None:
    folder = pipeline.draw(tmp_path / "set", 4)
    (folder / ".hidden.png").write_bytes(b"x")
    audit = _audit(service, folder, skip=[one.name for one in analyses()])
    (summary,) = service.report_json(audit.id).datasets
    assert summary.reasons == {"empty": 1, "hidden": 1, "not_an_image": 1}
    assert sum(summary.reasons.values()) == summary.n_quarantined + summary.n_skipped


def test_a_cancelled_audit_has_no_report_and_is_taken_up_by_asking_again(
    service: Service, pictures: Path, tmp_path: Path
) -> None:
    other = pipeline.draw(tmp_path / "other", 200, seed=5)
    dataset = service.submit_dataset(SourceSpec(uri=str(other)))
    audit = service.submit_audit([dataset.id])
    assert service.cancel(audit.id).status is Status.CANCELLED
    with pytest.raises(FailedError, match="cancelled"):
        service.report_json(audit.id)
    again = service.submit_audit([dataset.id])
    assert again.id == audit.id
    assert service.wait(again.id).status is Status.DONE


def test_garbage_is_what_no_subject_refers_to(service: Service, tmp_path: Path) -> None:
    other = pipeline.draw(tmp_path / "gone", 20, seed=9)
    audit = _audit(service, other)
    kept = service.collect_garbage(grace_s=0)
    service.delete_audit(audit.id)
    service.delete_dataset(audit.dataset_ids[0])
    assert kept == 0
    assert service.collect_garbage(grace_s=0) >= 4
    assert service.collect_garbage(grace_s=0) == 0


def test_a_damaged_and_a_deleted_artefact_are_made_again_by_the_next_audit(
    service: Service, pictures: Path, done: Audit, tmp_path: Path
) -> None:
    with Service.open(Settings(home=tmp_path / "home")) as other:
        first = _audit(other, pictures)
        artefacts = tmp_path / "home" / "blobs" / "artefacts"
        vectors = next(artefacts.glob("embedding_set/*/*/vectors.npy"))
        vectors.write_bytes(vectors.read_bytes()[:-1] + b"\x00")
        next(artefacts.glob("shard/*/artefact.json")).unlink()
        again = _audit(other, pictures)
        assert (again.status, again.error, again.n_failed) == (Status.DONE, "", 0)
        assert first.id == again.id
        assert _hashes(other, again.id) == _hashes(service, done.id)


def test_what_was_touched_on_disk_is_scanned_again_and_audited_anew(tmp_path: Path) -> None:
    folder = pipeline.draw(tmp_path / "set", 12)
    skip = [one.name for one in analyses() if one.name != "quality"]
    with Service.open(Settings(home=tmp_path / "home")) as service:
        time.sleep(LATELY_S + 0.1)
        first, again = (_audit(service, folder, skip=skip) for _ in range(2))
        picture = folder / "class0" / "00000.png"
        status, other = picture.stat(), (folder / "class0" / "00002.png").read_bytes()
        picture.write_bytes(other)
        os.utime(picture, ns=(status.st_atime_ns, status.st_mtime_ns))
        time.sleep(LATELY_S + 0.1)
        changed = _audit(service, folder, skip=skip)
        hashes = service.table(changed.id, "images")["content_hash"].to_pylist()
        assert first.id == again.id != changed.id
        assert hashlib.sha256(other).hexdigest() == hashes[0]
        assert service.report_json(first.id) != service.report_json(changed.id)


def test_an_audit_with_a_failed_analysis_is_tried_again_by_asking_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = pipeline.draw(tmp_path / "set", 12)
    skip = [one.name for one in analyses() if one.name != "quality"]
    with Service.open(Settings(home=tmp_path / "home")) as service:
        time.sleep(LATELY_S + 0.1)
        with monkeypatch.context() as broken:
            broken.setitem(STEPS, "analyse", lambda _: 1 / 0)  # type: ignore[arg-type]
            first = _audit(service, folder, skip=skip)
        again = _audit(service, folder, skip=skip)
    assert (first.n_failed, again.n_failed, again.id) == (1, 0, first.id)


def test_an_empty_folder_gives_a_report_that_says_so(service: Service, tmp_path: Path) -> None:
    folder = tmp_path / "nothing"
    folder.mkdir()
    audit = _audit(service, folder)
    assert (audit.status, audit.error) == (Status.DONE, "")
    assert service.report_json(audit.id).datasets[0].n_inputs == 0


def test_pictures_inside_parquet_in_any_order_get_the_vectors_of_their_files(
    service: Service, pictures: Path, done: Audit, tmp_path: Path
) -> None:
    files = sorted(pictures.rglob("0*.png"))[::-1]
    rows = [{"image": {"bytes": path.read_bytes(), "path": path.name}} for path in files]
    pq.write_table(pa.Table.from_pylist(rows), tmp_path / "set.parquet")
    inside = _audit(service, tmp_path / "set.parquet")
    of_files, of_rows = (_vectors_by_name(service, audit) for audit in (done, inside))
    shared = sorted(of_files.keys() & of_rows.keys())
    assert len(shared) > N // 2
    # Batches differ, and so may the last bit.
    np.testing.assert_allclose([of_rows[n] for n in shared], [of_files[n] for n in shared], atol=1e-6)


def _vectors_by_name(service: Service, audit: Audit) -> dict[str, list[float]]:
    table = pq.read_table(service.report_file(audit.id, "tables/embeddings.parquet"))
    names = [path.rpartition("/")[2] for path in table.column("path").to_pylist()]
    return dict(zip(names, table.column("embedding").to_pylist(), strict=True))


def test_added_pictures_embed_only_the_shards_around_them_and_change_nothing_else(tmp_path: Path) -> None:
    folder = pipeline.draw(tmp_path / "set", 1700, side=8)
    skip = tuple(one.name for one in analyses(datasets=1) if one.name not in ("outliers", "quality"))
    with Service.open(Settings(home=tmp_path / "home")) as service:
        assert _audit(service, folder, skip=skip).status is Status.DONE
        before = set(_shards(service))
        pipeline.draw(tmp_path / "more", 3, seed=3, side=8)
        for path in sorted((tmp_path / "more" / "class0").glob("*.png")):
            path.rename(folder / "class0" / f"a{path.name}")
        grown = _audit(service, folder, skip=skip)
        hashes, after = _hashes(service, grown.id), set(_shards(service))
    assert len(before) >= 3
    assert 0 < len(after - before) < len(before)
    with Service.open(Settings(home=tmp_path / "fresh")) as service:
        assert _hashes(service, _audit(service, folder, skip=skip).id) == hashes


def test_killed_at_any_moment_and_resumed_the_report_is_the_same(
    tmp_path: Path, pictures: Path, service: Service, done: Audit
) -> None:
    expected = _hashes(service, done.id)
    for moment in (2.0, 3.5):
        process = pipeline.start(pipeline.AUDIT, str(pictures), env=pipeline.environment(tmp_path / "home"))
        time.sleep(moment)
        process.kill()
        process.communicate()
    result = pipeline.audit(tmp_path / "home", pictures)
    assert result["status"] == "done"
    assert result["files"] == expected


def test_one_thread_makes_the_same_report_as_many(
    tmp_path: Path, pictures: Path, service: Service, done: Audit
) -> None:
    settings = Settings(home=tmp_path / "home", threads=1, decoders=1, concurrency=1)
    with Service.open(settings) as alone:
        audit = _audit(alone, pictures)
        assert _hashes(alone, audit.id) == _hashes(service, done.id)
