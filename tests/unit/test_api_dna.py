"""Routes of Visual DNA."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from fastapi.testclient import TestClient

from api.app import create_app
from api.cli import dna_sources, main
from audit.dna import compact, files
from audit.dna.weights import NeuronWeights
from audit.model import DatasetView
from tests.api_fake import AUDIT_ID, OTHER_AUDIT_ID, FakeService, audit_record
from tests.dna_stored import stored

FOREIGN = "f" * 32


class Stored(FakeService):
    """Audits of two datasets that differ, and of one by another extractor."""

    def dna(self, audit_id: str, dataset: str | None = None) -> DatasetView:
        """By the audit."""
        self._audit(audit_id)
        if dataset == "second":
            return stored("second", 0.6)
        views = {AUDIT_ID: ("flowers", 0.0, "e"), OTHER_AUDIT_ID: ("weeds", 0.3, "e"), FOREIGN: ("trees", 0.0, "f")}
        return stored(*views[audit_id])


@pytest.fixture
def service(tmp_path: Path) -> Stored:
    return Stored(tmp_path, [audit_record(), audit_record(id=OTHER_AUDIT_ID), audit_record(id=FOREIGN)])


@pytest.fixture
def client(service: Stored, tmp_path: Path) -> Iterator[TestClient]:
    with TestClient(create_app(service, tmp_path)) as found:  # type: ignore[arg-type]
        yield found


def test_a_dna_says_what_it_holds(client: TestClient) -> None:
    answer = client.get(f"/v1/audits/{AUDIT_ID}/dna").json()
    assert answer == {
        "dataset": "flowers",
        "n_images": 90,
        "extractor": "e",
        "layers": {"early": 4, "late": 6},
        "n_dead": 0,
    }


def test_a_dna_is_fetched_whole(client: TestClient) -> None:
    answer = client.get(f"/v1/audits/{AUDIT_ID}/dna/file")
    assert answer.headers["content-type"] == "application/vnd.apache.parquet"
    assert files.from_bytes(answer.content).same_as(stored("flowers", 0.0).dna)


def test_a_dna_is_fetched_in_its_compact_form(client: TestClient) -> None:
    answer = client.get(f"/v1/audits/{AUDIT_ID}/dna/file", params={"form": "compact"})
    assert compact.from_bytes(answer.content).size == 90


def test_two_audits_are_compared(client: TestClient) -> None:
    answer = client.get("/v1/dna/compare", params={"reference": AUDIT_ID, "candidate": OTHER_AUDIT_ID}).json()
    assert answer["p_value"] == 0.001
    assert answer["low"] < answer["corrected"] < answer["high"]
    assert list(answer["layers"]) == ["early", "late"]


def test_copies_in_stored_datasets_count_once(client: TestClient) -> None:
    answer = client.get("/v1/dna/compare", params={"reference": AUDIT_ID, "candidate": OTHER_AUDIT_ID}).json()
    assert answer["n_bursts"] == [89, 89]
    assert answer["design_effect"] == pytest.approx([1, 1], abs=0.1)


def test_a_second_dataset_is_compared_where_it_is_named(client: TestClient) -> None:
    asked = {"reference": AUDIT_ID, "candidate": AUDIT_ID}
    assert client.get("/v1/dna/compare", params=asked).json()["distance"] == 0
    found = [
        client.get("/v1/dna/compare", params={**asked, **named}).json()["distance"]
        for named in ({"candidate_dataset": "second"}, {"reference_dataset": "second"})
    ]
    assert all(distance > 1 for distance in found)


def test_a_matrix_of_audits_has_a_row_for_each(client: TestClient) -> None:
    answer = client.get("/v1/dna/matrix", params={"audit": [AUDIT_ID, OTHER_AUDIT_ID]}).json()
    assert answer["names"] == ["flowers", "weeds"]
    assert answer["corrected"][0][0] == 0
    assert answer["corrected"][0][1] > 1


def test_an_entry_of_a_matrix_names_a_dataset_of_a_comparison(client: TestClient) -> None:
    asked = [AUDIT_ID, f"{AUDIT_ID}:second"]
    answer = client.get("/v1/dna/matrix", params={"audit": asked}).json()
    assert answer["audits"] == asked
    assert answer["names"] == ["flowers", "second"]
    assert answer["corrected"][0][1] > 1


def of_command(
    service: Stored, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], *words: str
) -> dict[str, object]:
    """What a command prints for machines."""
    monkeypatch.setattr(dna_sources, "opened", service.open)
    assert main(["dna", *words, "--json"]) == 0
    value: dict[str, object] = json.loads(capsys.readouterr().out)
    return value


@pytest.mark.parametrize(
    ("params", "words"),
    [
        ({}, []),
        ({"by": "label", "seed": 3}, ["--by", "label", "--seed", "3"]),
        ({"layer": ["late"]}, ["--layer", "late"]),
    ],
)
def test_comparing_gives_what_the_command_gives(
    client: TestClient,
    service: Stored,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    params: dict[str, object],
    words: list[str],
) -> None:
    asked = {"reference": AUDIT_ID, "candidate": OTHER_AUDIT_ID, **params}
    found = client.get("/v1/dna/compare", params=asked).json()
    assert found == of_command(service, monkeypatch, capsys, "compare", AUDIT_ID, OTHER_AUDIT_ID, *words)
    body = {"reference": {"audit": AUDIT_ID}, "candidate": {"audit": OTHER_AUDIT_ID}, **params}
    body["layers"] = body.pop("layer", [])
    assert client.post("/v1/dna/compare", json=body).json() == found


def test_weights_are_those_that_the_command_saves_and_comparing_listens_to_them(
    client: TestClient,
    service: Stored,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
) -> None:
    made = client.post(f"/v1/audits/{AUDIT_ID}/dna/weights", json={"having": "label=dog"}).json()
    out = tmp_path / "dog.json"
    of_command(service, monkeypatch, capsys, "select", AUDIT_ID, "--having", "label=dog", "--out", str(out))
    assert made == json.loads(out.read_text())
    assert made["fingerprint"] == NeuronWeights.from_plain(made).fingerprint
    body = {"reference": {"audit": AUDIT_ID}, "candidate": {"audit": OTHER_AUDIT_ID}, "weights": made}
    found = client.post("/v1/dna/compare", json=body).json()
    words = ["compare", AUDIT_ID, OTHER_AUDIT_ID, "--weights", str(out)]
    assert found == of_command(service, monkeypatch, capsys, *words)
    assert found["weights"] == made["fingerprint"]


@pytest.mark.parametrize(
    ("path", "body", "said"),
    [
        ("weights", {}, "one of neurons, having and without"),
        ("weights", {"neurons": ["late"], "having": "label=dog"}, "one of neurons, having and without"),
        ("weights", {"having": "label=cow"}, "pictures with label=cow"),
        ("weights", {"neurons": ["middle"]}, "no neuron or layer 'middle'"),
        ("compare", {"by": "meta.nothing"}, "no value of 'meta.nothing' has 20 pictures in both"),
        ("compare", {"layers": ["middle"]}, "no neuron or layer 'middle'"),
        ("compare", {"weights": {"name": "x"}}, "not saved neuron weights"),
    ],
)
def test_what_cannot_be_asked_is_a_problem_that_says_why(
    client: TestClient, path: str, body: dict[str, object], said: str
) -> None:
    sides = {"reference": {"audit": AUDIT_ID}, "candidate": {"audit": OTHER_AUDIT_ID}}
    paths = {"weights": (f"/v1/audits/{AUDIT_ID}/dna/weights", {}), "compare": ("/v1/dna/compare", sides)}
    address, given = paths[path]
    answer = client.post(address, json={**given, **body})
    assert answer.status_code == 422
    assert answer.json()["type"] == "urn:assay:problem:invalid-configuration"
    assert said in answer.json()["detail"]


def test_weights_that_were_changed_are_refused(client: TestClient) -> None:
    made = client.post(f"/v1/audits/{AUDIT_ID}/dna/weights", json={"neurons": ["late"]}).json()
    made["layers"]["late"][0] = 9.0
    body = {"reference": {"audit": AUDIT_ID}, "candidate": {"audit": OTHER_AUDIT_ID}, "weights": made}
    assert "fingerprint differs" in client.post("/v1/dna/compare", json=body).json()["detail"]


@pytest.mark.parametrize(
    ("path", "params", "status"),
    [
        ("/v1/dna/compare", {"reference": AUDIT_ID, "candidate": FOREIGN}, 422),
        ("/v1/dna/matrix", {"audit": [AUDIT_ID, FOREIGN]}, 422),
        ("/v1/dna/matrix", {"audit": [AUDIT_ID] * 21}, 422),
        ("/v1/dna/matrix", {}, 422),
        ("/v1/dna/matrix", {"audit": [f"{AUDIT_ID}:"]}, 422),
        ("/v1/dna/compare", {"reference": AUDIT_ID, "candidate": "e" * 32}, 404),
        (f"/v1/audits/{AUDIT_ID}/dna", {"more": "x"}, 422),
    ],
)
def test_what_cannot_be_compared_is_a_problem(
    client: TestClient, path: str, params: dict[str, object], status: int
) -> None:
    answer = client.get(path, params=params)
    assert answer.status_code == status
    assert answer.headers["content-type"] == "application/problem+json"
