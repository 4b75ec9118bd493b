"""Routes over a service that has done everything."""

from __future__ import annotations

import asyncio
import hashlib
import io
import json
from collections.abc import Iterator
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from fastapi.testclient import TestClient

from api.app import create_app
from api.routes.audits import event_stream
from audit.errors import ConfigError
from storage.errors import DatabaseBusyError, SourceForbiddenError
from storage.records import Audit, AuditRequest, Status
from tests.api_fake import AUDIT_ID, DATASET_ID, FakeService, audit_record, dataset_record, progress
from workers.errors import IdempotencyReusedError, NotReadyError, UnknownIdError

AUDIT = f"/v1/audits/{AUDIT_ID}"


@pytest.fixture
def service(tmp_path: Path) -> FakeService:
    return FakeService(tmp_path / "store")


@pytest.fixture
def client(service: FakeService, tmp_path: Path) -> Iterator[TestClient]:
    app = create_app(service, tmp_path / "uploads", max_upload_bytes=10_000)  # type: ignore[arg-type]
    with TestClient(app, raise_server_exceptions=False) as client:
        yield client


def slug(body: dict[str, str]) -> str:
    return body["type"].removeprefix("urn:assay:problem:")


# submitting


def test_a_dataset_is_registered_with_everything_said_about_it(client: TestClient, service: FakeService) -> None:
    body = {"source": {"uri": "/data/x.csv", "label_from": "species"}, "name": "flowers"}
    service.dataset_known = dataset_record(status=Status.QUEUED)
    answer = client.post("/v1/datasets", json=body)
    assert answer.status_code == 202
    assert answer.json()["links"] == {"self": f"/v1/datasets/{DATASET_ID}"}
    _, spec, name = service.calls[0]
    assert (spec.uri, spec.label_from, name) == ("/data/x.csv", "species", "flowers")


def test_an_audit_that_has_ended_answers_200_with_its_report(client: TestClient) -> None:
    answer = client.post("/v1/audits", json={"dataset_ids": [DATASET_ID]})
    assert (answer.status_code, answer.headers["location"]) == (200, AUDIT)
    assert answer.json()["links"]["report"] == f"{AUDIT}/report"


def test_a_dataset_with_nothing_left_to_scan_answers_200(client: TestClient) -> None:
    assert client.post("/v1/datasets", json={"source": {"uri": "/data/flowers"}}).status_code == 200


def test_an_audit_that_is_worked_on_answers_202_without_a_report(client: TestClient, service: FakeService) -> None:
    service.audits_known = [audit_record(status=Status.RUNNING)]
    answer = client.post("/v1/audits", json={"dataset_ids": [DATASET_ID]})
    assert answer.status_code == 202
    assert "report" not in answer.json()["links"]


def test_everything_asked_for_reaches_the_service(client: TestClient, service: FakeService) -> None:
    body = {"dataset_ids": [DATASET_ID], "seed": 3, "skip": ["labels"], "analyses": {"outliers": {"k": 5}}}
    client.post("/v1/audits", json=body, headers={"idempotency-key": "k-1"})
    assert service.calls == [
        (
            "submit_audit",
            (DATASET_ID,),
            AuditRequest(seed=3, skip=("labels",), analyses={"outliers": {"k": 5}}),
            "k-1",
        )
    ]


@pytest.mark.parametrize(
    ("fault", "status", "kind"),
    [
        (ConfigError("analysis outliers: k: too small"), 422, "invalid-configuration"),
        (IdempotencyReusedError("k"), 422, "idempotency-reused"),
        (UnknownIdError("dataset", "x"), 404, "unknown-id"),
        (NotReadyError("dataset", "x", "running"), 409, "not-ready"),
        (SourceForbiddenError("/etc", "/etc lies outside the roots"), 403, "source-not-allowed"),
        (DatabaseBusyError(60.0), 503, "unavailable"),
        (RuntimeError("secret detail"), 500, "internal"),
    ],
)
def test_each_fault_is_its_problem(
    client: TestClient, service: FakeService, fault: Exception, status: int, kind: str
) -> None:
    service.fault = fault
    answer = client.post("/v1/audits", json={"dataset_ids": [DATASET_ID]})
    assert answer.headers["content-type"] == "application/problem+json"
    assert (answer.status_code, slug(answer.json())) == (status, kind)
    assert "secret" not in answer.text


def test_a_key_that_is_being_answered_is_refused_and_free_again_afterwards(
    client: TestClient, service: FakeService
) -> None:
    app_keys = client.app.state.context.keys  # type: ignore[attr-defined]
    headers = {"idempotency-key": "k-1"}
    with app_keys.held("k-1"):
        refused = client.post("/v1/audits", json={"dataset_ids": [DATASET_ID]}, headers=headers)
    assert (refused.status_code, slug(refused.json())) == (409, "idempotency-in-flight")
    assert service.calls == []
    assert client.post("/v1/audits", json={"dataset_ids": [DATASET_ID]}, headers=headers).status_code == 200


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"dataset_ids": []},
        {"dataset_ids": ["x"]},
        {"dataset_ids": [DATASET_ID] * 3},
        {"dataset_ids": [DATASET_ID, DATASET_ID]},
        {"dataset_ids": [DATASET_ID], "seed": 2**63},
        {"dataset_ids": [DATASET_ID], "seed": -1},
        {"dataset_ids": [DATASET_ID], "colour": "red"},
        {"dataset_ids": [DATASET_ID], "extractor": "a\u0000b"},
        {"dataset_ids": [DATASET_ID], "analyses": {"outliers": {"k": 10**400}}},
        {"dataset_ids": [DATASET_ID], "analyses": {"outliers": {"k": "\ud800"}}},
        {"dataset_ids": [DATASET_ID], "analyses": {"outliers": {"k": [[[[[[[[[1]]]]]]]]]}}},
    ],
)
def test_a_body_that_cannot_be_used_is_refused_field_by_field(
    client: TestClient, service: FakeService, body: dict[str, object]
) -> None:
    answer = client.post("/v1/audits", content=json.dumps(body), headers={"content-type": "application/json"})
    assert (answer.status_code, slug(answer.json())) == (422, "invalid-request")
    assert answer.json()["errors"][0]["location"].startswith("body")
    assert service.calls == []


def test_json_that_does_not_parse_is_a_bad_request(client: TestClient) -> None:
    answer = client.post("/v1/audits", content="{", headers={"content-type": "application/json"})
    assert (answer.status_code, slug(answer.json())) == (400, "bad-request")


def test_numbers_that_json_does_not_have_are_refused(client: TestClient) -> None:
    body = f'{{"dataset_ids": ["{DATASET_ID}"], "analyses": {{"outliers": {{"k": NaN}}}}}}'
    answer = client.post("/v1/audits", content=body, headers={"content-type": "application/json"})
    assert answer.status_code == 422


def test_a_json_body_over_its_limit_is_refused(client: TestClient) -> None:
    answer = client.post("/v1/audits", content=b"[" + b" " * 2**20 + b"]", headers={"content-type": "application/json"})
    assert (answer.status_code, slug(answer.json())) == (413, "too-large")


# uploads


def archive() -> bytes:
    import zipfile

    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as zipped:
        zipped.writestr("../../cat/a.jpg", "x")
    return out.getvalue()


@pytest.mark.parametrize("form", [True, False])
def test_an_upload_is_kept_under_its_hash_and_registered(
    client: TestClient, service: FakeService, tmp_path: Path, form: bool
) -> None:
    data = archive()
    sent = {"files": {"file": ("../../evil.jpg", data)}} if form else {"content": data}
    headers = {} if form else {"content-type": "application/zip"}
    service.dataset_known = dataset_record(status=Status.QUEUED)
    answer = client.post("/v1/datasets/upload?name=cats&label_from=folder", headers=headers, **sent)  # type: ignore[arg-type]
    assert answer.status_code == 202
    kept = tmp_path / "uploads" / f"{hashlib.sha256(data).hexdigest()}.zip"
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == [kept]
    _, spec, name = service.calls[0]
    assert (spec.uri, spec.label_from, name) == (str(kept), "folder", "cats")


@pytest.mark.parametrize("form", [True, False])
def test_an_upload_over_its_limit_leaves_nothing(client: TestClient, tmp_path: Path, form: bool) -> None:
    data = b"x" * 20_000
    sent = {"files": {"file": ("a.zip", data)}} if form else {"content": iter([data[:9000], data[9000:]])}
    headers = {} if form else {"content-type": "application/zip"}
    answer = client.post("/v1/datasets/upload", headers=headers, **sent)  # type: ignore[arg-type]
    assert (answer.status_code, slug(answer.json())) == (413, "too-large")
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []


@pytest.mark.parametrize(
    ("headers", "content", "status"),
    [
        ({"content-type": "application/zip"}, b"not an archive", 415),
        ({"content-type": "text/plain"}, b"x", 415),
        ({}, b"x", 415),
        ({"content-type": "multipart/form-data; boundary=x"}, b"--x--\r\n", 422),
        ({"content-type": "multipart/form-data"}, b"no boundary", 400),
    ],
)
def test_an_upload_that_is_no_archive_leaves_nothing(
    client: TestClient, tmp_path: Path, headers: dict[str, str], content: bytes, status: int
) -> None:
    answer = client.post("/v1/datasets/upload", headers=headers, content=content)
    assert answer.status_code == status
    assert answer.headers["content-type"] == "application/problem+json"
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []


# reading


def test_lists_are_paged_to_their_end(client: TestClient, service: FakeService) -> None:
    ids = [f"{i:032x}" for i in range(5, 0, -1)]
    service.audits_known = [audit_record(id=id_) for id_ in ids]
    seen, cursor = [], ""
    while True:
        page = client.get("/v1/audits", params={"limit": 2} | ({"cursor": cursor} if cursor else {})).json()
        seen += [item["id"] for item in page["items"]]
        cursor = page["next_cursor"]
        if cursor is None:
            break
    assert seen == ids


@pytest.mark.parametrize("limit", [0, 201, 2**63, "x"])
def test_a_limit_out_of_bounds_is_refused(client: TestClient, limit: object) -> None:
    assert client.get("/v1/audits", params={"limit": limit}).status_code == 422  # type: ignore[dict-item]


@pytest.mark.parametrize("path", ["/v1/audits", "/v1/datasets", f"{AUDIT}/outliers", f"{AUDIT}/images"])
def test_a_cursor_that_is_none_is_refused_by_every_list(client: TestClient, path: str) -> None:
    answer = client.get(path, params={"cursor": "bm9uc2Vuc2U"})
    assert (answer.status_code, slug(answer.json())) == (400, "bad-cursor")


def test_outliers_are_paged_under_their_filters(client: TestClient, service: FakeService) -> None:
    first = client.get(f"{AUDIT}/outliers", params={"label": "cat", "limit": 4}).json()
    assert [item["rank"] for item in first["items"]] == [1, 2, 3, 4]
    second = client.get(f"{AUDIT}/outliers", params={"label": "cat", "limit": 4, "cursor": first["next_cursor"]}).json()
    assert [item["rank"] for item in second["items"]] == [5, 6, 7, 8]
    other = client.get(f"{AUDIT}/outliers", params={"label": "dog", "cursor": first["next_cursor"]})
    assert other.status_code == 400


def test_outliers_end_at_the_least_score_asked_for(client: TestClient) -> None:
    page = client.get(f"{AUDIT}/outliers", params={"min_score": 0.75, "limit": 10}).json()
    assert [item["score"] for item in page["items"]] == [1.0, 0.9, 0.8]
    assert page["next_cursor"] is None


def test_images_are_filtered_by_what_they_are(client: TestClient) -> None:
    assert [item["path"] for item in client.get(f"{AUDIT}/images?status=quarantined").json()["items"]] == ["dog/e.jpg"]
    assert [item["path"] for item in client.get(f"{AUDIT}/images?label=cat&split=test").json()["items"]] == [
        "cat/=b.jpg"
    ]


def test_images_are_paged(client: TestClient) -> None:
    first = client.get(f"{AUDIT}/images?limit=3").json()
    second = client.get(f"{AUDIT}/images", params={"limit": 3, "cursor": first["next_cursor"]}).json()
    assert (len(first["items"]), len(second["items"]), second["next_cursor"]) == (3, 2, None)


def test_neighbours_are_found_by_path(client: TestClient) -> None:
    answer = client.get(f"{AUDIT}/neighbours", params={"image": "cat/a.jpg", "k": 1})
    assert answer.json() == [{"image_id": "0" * 16, "path": "cat/b.jpg", "dataset": "flowers", "distance": 0.25}]


def test_neighbours_of_an_unknown_image_are_not_found(client: TestClient) -> None:
    answer = client.get(f"{AUDIT}/neighbours", params={"image": "nowhere"})
    assert (answer.status_code, slug(answer.json())) == (404, "unknown-id")


@pytest.mark.parametrize("form", [True, False])
def test_neighbours_of_a_picture_that_is_sent(client: TestClient, service: FakeService, form: bool) -> None:
    sent = {"files": {"file": ("a.jpg", b"jpeg")}} if form else {"content": b"jpeg"}
    headers = {} if form else {"content-type": "image/jpeg"}
    answer = client.post(f"{AUDIT}/neighbours?k=3", headers=headers, **sent)  # type: ignore[arg-type]
    assert answer.status_code == 200
    assert service.calls == [("neighbours_of_upload", b"jpeg", 3, None)]


# files


@pytest.mark.parametrize("form", ["html", "json", "zip"])
def test_a_report_has_the_sha256_of_its_bytes_as_its_tag(client: TestClient, form: str) -> None:
    answer = client.get(f"{AUDIT}/report", params={"format": form})
    assert answer.headers["etag"] == f'"{hashlib.sha256(answer.content).hexdigest()}"'
    again = client.get(f"{AUDIT}/report", params={"format": form}, headers={"if-none-match": answer.headers["etag"]})
    assert (again.status_code, again.content) == (304, b"")


def test_the_zip_is_an_attachment(client: TestClient) -> None:
    answer = client.get(f"{AUDIT}/report?format=zip")
    assert answer.headers["content-disposition"] == f'attachment; filename="assay-{AUDIT_ID}.zip"'


def test_the_report_page_is_sandboxed(client: TestClient) -> None:
    policy = client.get(f"{AUDIT}/report").headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "sandbox" in policy
    assert "allow-same-origin" not in policy


def test_a_table_comes_as_parquet(client: TestClient) -> None:
    answer = client.get(f"{AUDIT}/tables/images")
    assert pq.read_table(io.BytesIO(answer.content)).num_rows == 5


def test_a_table_comes_as_csv_without_formulae(client: TestClient) -> None:
    answer = client.get(f"{AUDIT}/tables/images?format=csv")
    assert answer.headers["content-type"] == "text/csv; charset=utf-8"
    assert len(answer.text.splitlines()) == 6


@pytest.mark.parametrize("name", ["nonsense", "report"])
def test_a_table_that_is_not_there_is_not_found(client: TestClient, name: str) -> None:
    assert client.get(f"{AUDIT}/tables/{name}").status_code == 404


@pytest.mark.parametrize("name", ["..%2Freport", "A", ".", "x" * 100])
def test_a_table_name_is_never_a_path(client: TestClient, name: str) -> None:
    assert client.get(f"{AUDIT}/tables/{name}").status_code in {404, 422}


def test_a_thumbnail_is_webp(client: TestClient) -> None:
    answer = client.get(f"/v1/datasets/{DATASET_ID}/thumbnails/{'0' * 16}?side=64")
    assert (answer.headers["content-type"], answer.content) == ("image/webp", b"webp 0000000000000000 64")


# ids and addresses


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", ""),
        ("GET", "/events"),
        ("POST", "/cancel"),
        ("DELETE", ""),
        ("GET", "/outliers"),
        ("GET", "/images"),
        ("GET", "/neighbours?image=a"),
        ("GET", "/report"),
        ("GET", "/tables/images"),
        ("GET", "/tables/images?format=csv"),
    ],
)
def test_an_unknown_audit_is_a_404_everywhere(client: TestClient, method: str, path: str) -> None:
    answer = client.request(method, f"/v1/audits/{'0' * 32}{path}")
    assert (answer.status_code, slug(answer.json())) == (404, "unknown-id")


def test_an_address_that_is_not_there_is_a_problem(client: TestClient) -> None:
    answer = client.get("/v2/nonsense")
    assert (answer.status_code, slug(answer.json())) == (404, "not-found")


def test_a_method_that_is_not_taken_is_a_problem_that_names_those_that_are(client: TestClient) -> None:
    answer = client.put("/healthz")
    assert (answer.status_code, slug(answer.json()), answer.headers["allow"]) == (405, "method-not-allowed", "GET")


# following


def stream(records: list[Audit], last: str | None = None) -> list[str]:
    waiting = iter(records)

    async def read() -> list[str]:
        return [event async for event in event_stream(lambda: next(waiting), last, poll_s=0)]

    return asyncio.run(read())


RUNNING = audit_record(status=Status.RUNNING, progress=progress(2))


def test_events_tell_every_change_once_and_close_at_the_end() -> None:
    events = stream([RUNNING, RUNNING, audit_record(status=Status.RUNNING, progress=progress(3)), audit_record()])
    assert [event.split("event: ")[1].split("\n")[0] for event in events[1:]] == ["progress", "progress", "ended"]


def test_an_event_holds_the_whole_record() -> None:
    event = stream([audit_record()])[1]
    assert json.loads(event.split("data: ")[1])["links"]["report"] == f"{AUDIT}/report"


def test_what_the_client_has_seen_is_not_told_again() -> None:
    seen = stream([RUNNING, audit_record()])[1].split("\n")[0].removeprefix("id: ")
    events = stream([RUNNING, audit_record()], seen)
    assert ["ended" in event for event in events[1:]] == [True]


def test_the_end_is_told_even_to_those_who_have_seen_it() -> None:
    seen = stream([audit_record()])[1].split("\n")[0].removeprefix("id: ")
    assert "event: ended" in stream([audit_record()], seen)[1]


def test_events_of_a_deleted_audit_close() -> None:
    waiting = iter([RUNNING])

    def fetch() -> Audit:
        for record in waiting:
            return record
        raise UnknownIdError("audit", AUDIT_ID)

    async def read() -> list[str]:
        return [event async for event in event_stream(fetch, None, poll_s=0)]

    assert len(asyncio.run(read())) == 2


def test_events_are_served_as_an_event_stream(client: TestClient) -> None:
    answer = client.get(f"{AUDIT}/events")
    assert answer.headers["content-type"].startswith("text/event-stream")
    assert "event: ended" in answer.text


@pytest.mark.parametrize(
    "path", ["outliers?labl=hat", "images?labels=cat", "report?formt=zip", "neighbours?image=cat/a.jpg&n=3", "?x="]
)
def test_a_parameter_that_the_route_does_not_have_is_refused(
    client: TestClient, service: FakeService, path: str
) -> None:
    answer = client.get(f"{AUDIT}/{path}" if path[0] != "?" else f"/v1/audits{path}")
    assert (answer.status_code, slug(answer.json())) == (422, "invalid-request")
    assert "no such parameter; there are " in answer.json()["errors"][0]["message"]
    assert service.calls == []


def test_a_route_that_takes_no_parameters_says_so(client: TestClient) -> None:
    assert "there are none" in client.get(f"{AUDIT}?limit=3").json()["detail"]


def test_neighbours_of_a_comparison_can_be_those_of_one_dataset(client: TestClient, service: FakeService) -> None:
    client.get(f"{AUDIT}/neighbours", params={"image": "cat/a.jpg", "dataset": "candidate"})
    client.post(f"{AUDIT}/neighbours?dataset=candidate", content=b"jpeg", headers={"content-type": "image/jpeg"})
    assert service.calls == [
        ("neighbours", "cat/a.jpg", 10, "candidate"),
        ("neighbours_of_upload", b"jpeg", 10, "candidate"),
    ]


def test_a_verdict_is_recorded_for_the_audit_and_what_holds_is_answered(
    client: TestClient, service: FakeService
) -> None:
    body = {"feature": "context 3", "verdict": "confirmed", "note": "all at sea"}
    answer = client.post(f"/v1/audits/{AUDIT_ID}/verdicts", json=body)
    assert answer.status_code == 200
    assert [one["feature"] for one in answer.json()["verdicts"]] == ["context 3"]
    assert service.calls[-1] == ("record_verdict", AUDIT_ID, "context 3", "confirmed", "all at sea")


def test_a_verdict_that_is_none_of_the_three_is_refused(client: TestClient) -> None:
    answer = client.post(f"/v1/audits/{AUDIT_ID}/verdicts", json={"feature": "x", "verdict": "maybe"})
    assert answer.status_code == 422
