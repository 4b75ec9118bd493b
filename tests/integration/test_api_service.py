"""The REST API over a real service in this process: SQLite, local files, drawn pictures."""

from __future__ import annotations

import io
import json
import time
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from fastapi.testclient import TestClient
from PIL import Image

from api.app import create_app
from storage.settings import Settings
from storage.sources.state import LATELY_S
from tests.api_pictures import draw, write_dataset
from workers.service import Service

WAIT_S = 120


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("api")
    write_dataset(folder / "data" / "reference")
    write_dataset(folder / "data" / "candidate", first=500, hue=90)
    return folder


@pytest.fixture(scope="module")
def client(place: Path) -> Iterator[TestClient]:
    home = place / "home"
    roots = (place / "data", home / "uploads")
    settings = Settings(home=home, source_roots=roots, decoders=1, threads=2)
    with Service.open(settings) as service, TestClient(create_app(service, home / "uploads")) as client:
        yield client


def register(client: TestClient, path: Path) -> str:
    answer = client.post("/v1/datasets", json={"source": {"uri": str(path)}})
    assert answer.status_code in {200, 202}, answer.text
    return str(answer.json()["id"])


def ended(client: TestClient, audit_id: str) -> dict[str, Any]:
    deadline = time.monotonic() + WAIT_S
    while time.monotonic() < deadline:
        record: dict[str, Any] = client.get(f"/v1/audits/{audit_id}").json()
        if record["status"] in {"done", "failed", "cancelled"}:
            return record
        time.sleep(0.1)
    raise AssertionError(f"not ended after {WAIT_S} s: {record}")


@pytest.fixture(scope="module")
def dataset(client: TestClient, place: Path) -> str:
    return register(client, place / "data" / "reference")


@pytest.fixture(scope="module")
def audit(client: TestClient, dataset: str) -> str:
    submitted = client.post("/v1/audits", json={"dataset_ids": [dataset]})
    assert submitted.status_code in {200, 202}, submitted.text
    record = ended(client, submitted.json()["id"])
    assert record["status"] == "done", record
    return str(record["id"])


def test_a_finished_audit_has_a_report_in_three_forms(client: TestClient, audit: str) -> None:
    report = client.get(f"/v1/audits/{audit}/report?format=json").json()
    assert report["datasets"][0]["n_inputs"] == 26
    assert report["datasets"][0]["n_quarantined"] == 1
    assert client.get(f"/v1/audits/{audit}/report").text.lstrip().lower().startswith("<!doctype html>")
    with zipfile.ZipFile(io.BytesIO(client.get(f"/v1/audits/{audit}/report?format=zip").content)) as packed:
        assert {"report.html", "report.json", "tables/images.parquet"} <= set(packed.namelist())


def test_submitting_the_same_again_gives_the_same_audit(client: TestClient, audit: str, dataset: str) -> None:
    answer = client.post("/v1/audits", json={"dataset_ids": [dataset]})
    assert (answer.status_code, answer.json()["id"]) == (200, audit)


def test_registering_and_submitting_what_nobody_touched_gives_the_same_audit(client: TestClient, place: Path) -> None:
    folder = write_dataset(place / "data" / "again", n=6, first=300)
    time.sleep(LATELY_S + 0.1)
    seen = []
    for _ in range(3):
        body = {"source": {"uri": str(folder)}}
        registered = client.post("/v1/datasets", json=body)
        submitted = client.post("/v1/audits", json={"dataset_ids": [registered.json()["id"]]})
        seen.append((registered.status_code, submitted.status_code, submitted.json()["id"]))
        assert ended(client, submitted.json()["id"])["status"] == "done"
    id_ = seen[0][2]
    assert seen == [(202, 202, id_), (200, 200, id_), (200, 200, id_)]


def test_a_key_belongs_to_one_request(client: TestClient, audit: str, dataset: str) -> None:
    headers = {"idempotency-key": "integration-1"}
    first = client.post("/v1/audits", json={"dataset_ids": [dataset]}, headers=headers)
    assert client.post("/v1/audits", json={"dataset_ids": [dataset]}, headers=headers).json() == first.json()
    other = client.post("/v1/audits", json={"dataset_ids": [dataset], "seed": 5}, headers=headers)
    assert (other.status_code, other.json()["type"]) == (422, "urn:assay:problem:idempotency-reused")


def test_events_of_a_finished_audit_tell_its_end(client: TestClient, audit: str) -> None:
    events = client.get(f"/v1/audits/{audit}/events").text
    (data,) = (line.removeprefix("data: ") for line in events.splitlines() if line.startswith("data: "))
    assert json.loads(data)["status"] == "done"


def test_outliers_are_paged_without_gaps_or_repeats(client: TestClient, audit: str) -> None:
    ranks, cursor = [], None
    while True:
        params = {"limit": 10} | ({"cursor": cursor} if cursor else {})
        page = client.get(f"/v1/audits/{audit}/outliers", params=params).json()
        ranks += [item["rank"] for item in page["items"]]
        cursor = page["next_cursor"]
        if cursor is None:
            break
    assert ranks == list(range(1, 26))


def test_outliers_of_a_label_are_only_of_that_label(client: TestClient, audit: str) -> None:
    page = client.get(f"/v1/audits/{audit}/outliers?label=dog&limit=200").json()
    assert len(page["items"]) == 12
    assert all(item["path"].startswith("dog/") for item in page["items"])


def test_the_broken_file_is_listed_with_its_reason(client: TestClient, audit: str) -> None:
    (item,) = client.get(f"/v1/audits/{audit}/images?status=quarantined").json()["items"]
    assert item["path"] == "dog/broken.jpg"
    assert item["reason"]


def test_the_nearest_neighbour_of_a_copy_is_its_original(client: TestClient, audit: str) -> None:
    nearest = client.get(f"/v1/audits/{audit}/neighbours", params={"image": "cat/copy.png", "k": 1}).json()
    assert (nearest[0]["path"], nearest[0]["distance"]) == ("cat/000.png", 0.0)


def test_a_picture_that_is_sent_finds_itself(client: TestClient, audit: str) -> None:
    out = io.BytesIO()
    draw(3, hue=60).save(out, "PNG")
    answer = client.post(
        f"/v1/audits/{audit}/neighbours?k=2", content=out.getvalue(), headers={"content-type": "image/png"}
    )
    assert answer.json()[0]["path"] == "cat/003.png"
    assert answer.json()[0]["distance"] < 1e-3


def test_a_picture_that_cannot_be_read_is_said_to_be_so(client: TestClient, audit: str) -> None:
    answer = client.post(f"/v1/audits/{audit}/neighbours", content=b"nonsense", headers={"content-type": "image/png"})
    assert (answer.status_code, answer.json()["type"]) == (422, "urn:assay:problem:picture-unreadable")


def test_every_table_the_report_has_comes_as_parquet_and_csv(client: TestClient, audit: str) -> None:
    for name in ("images", "duplicates", "outliers", "quality"):
        table = pq.read_table(io.BytesIO(client.get(f"/v1/audits/{audit}/tables/{name}").content))
        lines = client.get(f"/v1/audits/{audit}/tables/{name}?format=csv").text.splitlines()
        assert len(lines) == table.num_rows + 1, name


def test_a_thumbnail_is_a_small_picture(client: TestClient, audit: str, dataset: str) -> None:
    image = client.get(f"/v1/audits/{audit}/images?status=ok&limit=1").json()["items"][0]["image_id"]
    answer = client.get(f"/v1/datasets/{dataset}/thumbnails/{image}?side=32")
    with Image.open(io.BytesIO(answer.content)) as picture:
        assert (picture.format, max(picture.size)) == ("WEBP", 32)


def test_a_path_outside_the_roots_is_refused_whether_it_exists_or_not(client: TestClient, place: Path) -> None:
    for path in (place / "home", place / "nowhere", place / "data" / ".." / "home"):
        answer = client.post("/v1/datasets", json={"source": {"uri": str(path)}})
        assert (answer.status_code, answer.json()["type"]) == (403, "urn:assay:problem:source-not-allowed")


def test_a_column_that_the_source_does_not_have_is_refused_at_once(client: TestClient, place: Path) -> None:
    source = {"uri": str(place / "data" / "reference"), "label_from": "fodler"}
    answer = client.post("/v1/datasets", json={"source": source})
    assert (answer.status_code, answer.json()["type"]) == (422, "urn:assay:problem:source-unreadable")
    assert "'fodler' is asked for as a column" in answer.json()["detail"]


def test_an_uploaded_archive_is_a_dataset_until_it_is_deleted(client: TestClient, place: Path) -> None:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as packed:
        for path in sorted((place / "data" / "reference" / "cat").iterdir()):
            packed.write(path, f"cat/{path.name}")
    answer = client.post("/v1/datasets/upload?name=cats", files={"file": ("cats.zip", out.getvalue())})
    assert answer.status_code == 202, answer.text
    own = answer.json()["links"]["self"]
    deadline = time.monotonic() + WAIT_S
    while (record := client.get(own).json())["status"] != "done" and time.monotonic() < deadline:
        time.sleep(0.1)
    assert (record["n_ok"], record["name"]) == (13, "cats")
    assert len(list((place / "home" / "uploads").iterdir())) == 1
    assert client.delete(own).status_code == 204
    assert list((place / "home" / "uploads").iterdir()) == []


def test_a_dataset_that_an_audit_reads_cannot_be_deleted(client: TestClient, audit: str, dataset: str) -> None:
    answer = client.delete(f"/v1/datasets/{dataset}")
    assert (answer.status_code, answer.json()["type"]) == (409, "urn:assay:problem:in-use")


def test_a_wrong_configuration_is_refused_at_once(client: TestClient, dataset: str) -> None:
    body = {"dataset_ids": [dataset], "analyses": {"outliers": {"k": -1}}}
    answer = client.post("/v1/audits", json=body)
    assert (answer.status_code, answer.json()["type"]) == (422, "urn:assay:problem:invalid-configuration")


def test_an_unknown_extractor_is_refused_at_once(client: TestClient, dataset: str) -> None:
    answer = client.post("/v1/audits", json={"dataset_ids": [dataset], "extractor": "nonsense"})
    assert (answer.status_code, answer.json()["type"]) == (422, "urn:assay:problem:extractor-unavailable")


def test_a_cancelled_audit_says_so_and_can_be_deleted(client: TestClient, dataset: str) -> None:
    submitted = client.post("/v1/audits", json={"dataset_ids": [dataset], "seed": 99}).json()
    cancelled = client.post(f"/v1/audits/{submitted['id']}/cancel")
    assert cancelled.status_code == 202
    if cancelled.json()["status"] == "cancelled":
        report = client.get(f"/v1/audits/{submitted['id']}/report")
        assert (report.status_code, report.json()["type"]) == (409, "urn:assay:problem:failed")
    assert client.delete(f"/v1/audits/{submitted['id']}").status_code == 204
    assert client.get(f"/v1/audits/{submitted['id']}").status_code == 404


def test_two_datasets_are_compared_in_their_order(client: TestClient, audit: str, dataset: str, place: Path) -> None:
    other = register(client, place / "data" / "candidate")
    submitted = client.post("/v1/audits", json={"dataset_ids": [dataset, other]}).json()
    record = ended(client, submitted["id"])
    assert record["status"] == "done", record
    report = client.get(f"/v1/audits/{record['id']}/report?format=json").json()
    assert report["kind"] == "comparison"
    assert [one["name"] for one in report["datasets"]] == ["reference", "candidate"]


def test_the_server_is_ready(client: TestClient) -> None:
    assert client.get("/readyz").json()["ready"] is True
