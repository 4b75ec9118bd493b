"""Routes of Visual DNA."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from fastapi.testclient import TestClient

from api.app import create_app
from audit.dna import DnaCounter, compact, files
from audit.model import DatasetView, Neurons
from tests.api_fake import AUDIT_ID, OTHER_AUDIT_ID, FakeService, audit_record
from tests.views import RANGES, make_view

FOREIGN = "f" * 32


def stored(name: str, shift: float, extractor: str = "e") -> DatasetView:
    rng = np.random.default_rng(len(name))
    counter = DnaCounter(RANGES, extractor)
    layers = {"early": (90, 3, 4), "late": (90, 1, 6)}
    found = counter.add({k: (0.2 * rng.normal(size=size) + shift).astype(np.float32) for k, size in layers.items()})
    neurons = Neurons(found.values, RANGES.slices, np.zeros((90, 0), np.float16))
    return dataclasses.replace(make_view(1, name=name), dna=counter.dna(), neurons=neurons)


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
def client(tmp_path: Path) -> Iterator[TestClient]:
    service = Stored(tmp_path, [audit_record(), audit_record(id=OTHER_AUDIT_ID), audit_record(id=FOREIGN)])
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


@pytest.mark.parametrize(
    ("path", "params", "status"),
    [
        ("/v1/dna/compare", {"reference": AUDIT_ID, "candidate": FOREIGN}, 422),
        ("/v1/dna/matrix", {"audit": [AUDIT_ID, FOREIGN]}, 422),
        ("/v1/dna/matrix", {"audit": [AUDIT_ID] * 21}, 422),
        ("/v1/dna/matrix", {}, 422),
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
