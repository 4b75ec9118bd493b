"""Translations over REST: kept under their fingerprint, refused where they are none, named by a comparison."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from fastapi.testclient import TestClient

from api.app import create_app
from api.schemas import AuditIn
from audit.translation import Check, Half, Translation
from tests.api_fake import FakeService

URL = "/v1/translations"


def translation() -> Translation:
    """Two directions of a three- and a two-dimensional space."""
    check = Check(n=100, auc=0.51, low=0.43, high=0.59, p_value=0.4, mmd_p_value=0.3)
    seen = tuple((1.0, 0.0) for _ in range(5))
    old = Half(
        extractor="old", fingerprint="a" * 64, mean=(0, 0, 0), matrix=((1, 0), (0, 1), (0, 0)), seen=seen, held=0.4
    )
    new = Half(extractor="new", fingerprint="b" * 64, mean=(0, 0), matrix=((1, 0), (0, 1)), seen=seen, held=0.5)
    about = {"learnt_on": "flowers", "n_learnt": 400, "n_held_out": 200, "correlations": (0.9, 0.8), "check": check}
    return Translation(**about, old=old, new=new)


@pytest.fixture
def service(tmp_path: Path) -> FakeService:
    return FakeService(tmp_path)


@pytest.fixture
def client(service: FakeService, tmp_path: Path) -> Iterator[TestClient]:
    app = create_app(service, tmp_path)  # type: ignore[arg-type]
    with TestClient(app, base_url="http://localhost") as client:
        yield client


@pytest.mark.parametrize("form", [False, True])
def test_a_translation_is_kept_and_told(client: TestClient, form: bool) -> None:
    data = translation().to_json()
    sent = {"files": {"file": ("saved.json", data)}} if form else {"content": data}
    headers = {} if form else {"content-type": "application/octet-stream"}
    answer = client.post(URL, headers=headers, **sent)
    assert answer.status_code == 201
    told = answer.json()
    assert (told["fingerprint"], told["old"], told["new"]) == (translation().fingerprint, "old", "new")
    assert (told["n_directions"], told["n_learnt"], told["n_held_out"]) == (2, 400, 200)
    assert told["sentence"].endswith("A difference in the rest is not seen.")


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"{}", "not a saved translation"),
        (translation().to_json().replace(b'"auc":0.51', b'"auc":0.50'), "fingerprint differs"),
        (translation().to_json().replace(b'"auc":0.51', b'"auc":NaN'), "not a saved translation"),
        (translation().to_json().replace(b"[0.0,1.0]", b"[0.0]"), "not a saved translation"),
    ],
)
def test_what_is_none_or_was_changed_is_refused(client: TestClient, data: bytes, words: str) -> None:
    answer = client.post(URL, content=data, headers={"content-type": "application/octet-stream"})
    assert answer.status_code == 422
    assert answer.json()["type"] == "urn:assay:problem:invalid-configuration"
    assert words in answer.json()["detail"]


def test_a_body_of_another_type_is_refused(client: TestClient) -> None:
    assert client.post(URL, content=b"x", headers={"content-type": "text/csv"}).status_code == 415


def test_a_comparison_names_it_by_its_fingerprint() -> None:
    asked = AuditIn(dataset_ids=["a" * 32, "b" * 32], translation="7e" * 32).request()
    assert asked.translation == "7e" * 32
    assert "translation" not in AuditIn(dataset_ids=["a" * 32]).request().model_dump()
