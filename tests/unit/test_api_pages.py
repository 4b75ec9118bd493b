"""The page for people."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from fastapi.testclient import TestClient

from api.app import create_app
from storage.errors import SourceNotFoundError
from storage.records import Status
from tests.api_fake import AUDIT_ID, FakeService, audit_record, progress


@pytest.fixture
def service(tmp_path: Path) -> FakeService:
    return FakeService(tmp_path / "store")


@pytest.fixture
def client(service: FakeService, tmp_path: Path) -> Iterator[TestClient]:
    app = create_app(service, tmp_path / "uploads")  # type: ignore[arg-type]
    with TestClient(app, follow_redirects=False) as client:
        yield client


def test_the_page_links_the_report_of_an_audit_that_is_done(client: TestClient) -> None:
    assert f'href="/v1/audits/{AUDIT_ID}/report"' in client.get("/").text


def test_a_running_audit_shows_its_progress_and_no_report(client: TestClient, service: FakeService) -> None:
    service.audits_known = [audit_record(status=Status.RUNNING, progress=progress(2))]
    text = client.get("/").text
    assert 'value="0.4000"' in text
    assert "2 of 5 images · 100 images/s · 1 s left" in text.replace("\u00a0", " ")
    assert "/report" not in text
    assert "data-busy" in text


def test_the_page_lets_browsers_say_where_its_form_was_sent_from(client: TestClient) -> None:
    assert client.get("/").headers["referrer-policy"] == "same-origin"


def test_nothing_is_polled_once_all_have_ended(client: TestClient) -> None:
    assert re.search(r"<ul[^>]*data-busy", client.get("/").text) is None


def test_a_failed_audit_shows_why(client: TestClient, service: FakeService) -> None:
    service.audits_known = [audit_record(status=Status.FAILED, error="the disk is full")]
    assert "the disk is full" in client.get("/").text


def test_names_are_text_and_never_markup(client: TestClient, service: FakeService) -> None:
    service.audits_known = [audit_record(title="<script>alert(1)</script>", error='"><img src=x>')]
    text = client.get("/").text
    assert "<script>alert" not in text
    assert "<img" not in text


def test_an_empty_list_says_how_to_begin(client: TestClient, service: FakeService) -> None:
    service.audits_known = []
    assert "Nothing has been audited yet" in client.get("/").text


def test_only_the_list_can_be_fetched(client: TestClient) -> None:
    text = client.get("/?part=list").text
    assert "<ul" in text
    assert "<form" not in text


def test_the_policy_allows_only_the_style_and_script_of_this_answer(client: TestClient) -> None:
    first, second = client.get("/"), client.get("/")
    policy = first.headers["content-security-policy"]
    (nonce,) = set(re.findall(r"'nonce-([^']+)'", policy))
    assert policy.startswith("default-src 'none'")
    assert "unsafe" not in policy
    assert first.text.count(f'nonce="{nonce}"') == 2
    assert nonce not in second.text


def test_the_form_starts_an_audit_and_goes_back(client: TestClient, service: FakeService) -> None:
    service.audits_known = [audit_record(status=Status.RUNNING, progress=progress(2))]
    answer = client.post("/", data={"source": " /data/x ", "label_from": ""})
    assert (answer.status_code, answer.headers["location"]) == (303, "/")
    assert [call[0] for call in service.calls] == ["submit_dataset", "submit_audit"]
    assert (service.calls[0][1].uri, service.calls[0][1].label_from) == ("/data/x", "auto")


def test_the_form_leads_to_the_report_of_an_audit_that_is_there_already(client: TestClient) -> None:
    answer = client.post("/", data={"source": "/data/x"})
    assert (answer.status_code, answer.headers["location"]) == (303, f"/v1/audits/{AUDIT_ID}/report")


def test_the_form_compares_when_a_second_path_is_given(client: TestClient, service: FakeService) -> None:
    client.post("/", data={"source": "/data/x", "candidate": "/data/y"})
    assert [call[1].uri for call in service.calls if call[0] == "submit_dataset"] == ["/data/x", "/data/y"]


def test_what_cannot_be_used_is_told_above_the_form_with_what_was_entered(
    client: TestClient, service: FakeService
) -> None:
    service.fault = SourceNotFoundError("/data/<x>", "there is nothing at /data/<x>.")
    answer = client.post("/", data={"source": "/data/<x>"})
    assert answer.status_code == 422
    assert "there is nothing at /data/&lt;x&gt;." in answer.text
    assert 'value="/data/&lt;x&gt;"' in answer.text


def test_nothing_entered_is_told_and_nothing_begins(client: TestClient, service: FakeService) -> None:
    assert client.post("/", data={"source": " "}).status_code == 422
    assert service.calls == []


def test_the_page_needs_nothing_from_elsewhere(client: TestClient) -> None:
    assert re.findall(r"(?:src|href)=\"(?:https?:)?//", client.get("/").text) == []
