"""Files as answers: entity tags, conditions, ranges."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.testclient import TestClient

from api.files import file_response, is_satisfiable

BODY = b"0123456789"


@pytest.fixture
def client(tmp_path: Path) -> TestClient:
    (tmp_path / "table.csv").write_bytes(BODY)

    async def answer(request: Request) -> Response:
        return file_response(
            tmp_path / "table.csv",
            media_type="text/csv",
            if_none_match=request.headers.get("if-none-match"),
            filename="table.csv",
        )

    return TestClient(Starlette(routes=[Route("/", answer)]))


TAG = f'"{hashlib.sha256(BODY).hexdigest()}"'


def test_the_entity_tag_is_the_sha256_of_the_bytes(client: TestClient) -> None:
    assert client.get("/").headers["etag"] == TAG


@pytest.mark.parametrize("header", [TAG, f"W/{TAG}", f'"other", {TAG}', "*"])
def test_a_client_that_has_the_file_is_told_so(client: TestClient, header: str) -> None:
    answer = client.get("/", headers={"if-none-match": header})
    assert (answer.status_code, answer.content, answer.headers["etag"]) == (304, b"", TAG)


def test_a_client_that_has_another_file_gets_this_one(client: TestClient) -> None:
    assert client.get("/", headers={"if-none-match": '"other"'}).content == BODY


def test_a_changed_file_has_a_new_tag(client: TestClient, tmp_path: Path) -> None:
    client.get("/")
    (tmp_path / "table.csv").write_bytes(b"changed, and of another length")
    assert client.get("/").headers["etag"] != TAG


def test_a_download_goes_on_where_it_stopped(client: TestClient) -> None:
    answer = client.get("/", headers={"range": "bytes=4-", "if-range": TAG})
    assert (answer.status_code, answer.content) == (206, b"456789")


def test_a_download_begins_anew_when_the_file_is_another(client: TestClient) -> None:
    answer = client.get("/", headers={"range": "bytes=4-", "if-range": '"other"'})
    assert (answer.status_code, answer.content) == (200, BODY)


@pytest.mark.parametrize("header", ["bytes=99-", "bytes=5-2", "bytes=-", "lines=1-2", "bytes=0-1,3-4", "bytes=-0", "x"])
def test_a_range_that_cannot_be_had_gives_the_whole_file(client: TestClient, header: str) -> None:
    assert client.get("/", headers={"range": header}).status_code == 200


def test_an_empty_file_has_no_range() -> None:
    assert not is_satisfiable("bytes=0-", 0)
    assert not is_satisfiable("bytes=-1", 0)


def test_it_is_sent_as_an_attachment(client: TestClient) -> None:
    assert client.get("/").headers["content-disposition"] == 'attachment; filename="table.csv"'
