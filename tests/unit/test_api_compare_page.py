"""The page that compares what was audited."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from fastapi.testclient import TestClient

from api.app import create_app
from api.pages.audited import Entry, _told_apart, audited
from api.pages.render import render_compare
from audit.errors import PictureError
from audit.model import DatasetView
from storage.records import Audit, AuditRequest, Dataset, Status
from tests.api_fake import FakeService, audit_record, dataset_record
from tests.dna_stored import stored

NAMES = {"d1" * 8: "flowers", "d2" * 8: "weeds", "d3" * 8: "<b>trees</b>", "d4" * 8: "flowers"}
FLOWERS, WEEDS, TREES, MORE = NAMES
SHIFTS = {FLOWERS: 0.0, WEEDS: 0.3, TREES: 0.6, MORE: 0.05}


def audit_of(number: int, *datasets: str, extractor: str = "bundled", **changes: object) -> Audit:
    """An audit, or a comparison of two."""
    request = AuditRequest(extractor=extractor)
    created = 1_700_000_000.0 + number
    return audit_record(id=f"{number:032x}", dataset_ids=datasets, request=request, created_at=created, **changes)


class Audited(FakeService):
    """Four datasets, of which two have the same name; pictures cannot be read any more."""

    def audits(self, cursor: tuple[float, str] | None = None, limit: int = 50) -> list[Audit]:
        """The newest first, as they are known."""
        return self.audits_known if cursor is None else []

    def dataset(self, dataset_id: str) -> Dataset:
        """By its id."""
        return dataset_record(id=dataset_id, name=NAMES[dataset_id], n_ok=90)

    def dna(self, audit_id: str, dataset: str | None = None) -> DatasetView:
        """By the dataset; its pictures are drawn by its id, so equal names have different pictures."""
        assert dataset is not None
        self._audit(audit_id)
        return dataclasses.replace(stored(dataset, SHIFTS[dataset]), name=NAMES[dataset])

    def thumbnail(self, dataset_id: str, image_id: str, side: int) -> bytes:
        """Nothing."""
        raise PictureError("missing", "the source is gone")


@pytest.fixture
def service(tmp_path: Path) -> Audited:
    known = [audit_of(3, TREES, MORE), audit_of(2, FLOWERS, WEEDS), audit_of(1, FLOWERS)]
    return Audited(tmp_path / "store", known)


@pytest.fixture
def client(service: Audited, tmp_path: Path) -> Iterator[TestClient]:
    with TestClient(create_app(service, tmp_path / "uploads")) as client:  # type: ignore[arg-type]
        yield client


def value(number: int, dataset: str) -> str:
    return f"{number:032x}:{dataset}"


def test_the_first_page_leads_there(client: TestClient) -> None:
    assert 'href="/compare"' in client.get("/").text


def test_every_dataset_of_a_finished_audit_can_be_chosen_once(client: TestClient, service: Audited) -> None:
    service.audits_known = [audit_of(4, WEEDS, status=Status.RUNNING), *service.audits_known]
    text = client.get("/compare").text
    reference = text[text.index('name="reference"') : text.index("</select>")]
    values = [value(3, TREES), value(3, MORE), value(2, FLOWERS), value(2, WEEDS)]
    assert re.findall(r'<option value="([^"]+)"', reference) == values
    assert re.findall(r">&#x2068;([^<]+)&#x2069; · 90 pictures", reference) == [
        "&lt;b&gt;trees&lt;/b&gt;",
        "flowers",
        "flowers (2)",
        "weeds",
    ]
    assert "<b>trees" not in text


def test_a_name_that_holds_the_number_of_another_stays_its_own() -> None:
    entries = [Entry(str(n), "", "", name, "bundled", 1, "") for n, name in enumerate(["a", "a", "a (2)", "a"])]
    assert [entry.name for entry in _told_apart(entries)] == ["a", "a (3)", "a (2)", "a (4)"]


def test_what_a_translation_compared_is_listed_by_the_extractor_that_embedded_it(service: Audited) -> None:
    through = AuditRequest(extractor="bundled", translation="f" * 64)
    pair, same = audit_of(9, FLOWERS, TREES), audit_of(8, MORE, MORE)
    service.audits_known = [one.model_copy(update={"request": through}) for one in (pair, same)]
    assert [entry.dataset for entry in audited(service)] == [TREES]  # type: ignore[arg-type]


def test_one_picture_is_said_in_the_singular_and_names_keep_their_direction_to_themselves() -> None:
    entries = [Entry(str(n), "", "", "אבג", "bundled", n, "") for n in (1, 2)]
    page = render_compare({"bundled": entries}, {"reference": "", "candidate": "", "datasets": []}, nonce="", most=20)
    assert "1 picture ·" in page
    assert "<bdi>אבג</bdi> <i>2 pictures</i>" in page


def test_a_matrix_names_the_datasets_of_too_few_pictures(
    client: TestClient, service: Audited, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = {"dataset": [value(2, FLOWERS), value(3, TREES)]}
    assert "Too few pictures" not in client.get("/compare", params=asked).text
    n_ok = {FLOWERS: 90, WEEDS: 90, TREES: 19, MORE: 90}
    monkeypatch.setattr(service, "dataset", lambda id_: dataset_record(id=id_, name=NAMES[id_], n_ok=n_ok[id_]))
    page = client.get("/compare", params=asked).text
    assert "Too few pictures to say much: <bdi>&lt;b&gt;trees&lt;/b&gt;</bdi> (19 pictures).</p>" in page


def test_two_datasets_are_compared_with_the_numbers_of_the_api(client: TestClient) -> None:
    asked = {"reference": value(2, FLOWERS), "candidate": value(2, WEEDS)}
    page = client.get("/compare", params=asked)
    sides = {f"{role}_dataset": one.partition(":")[2] for role, one in asked.items()}
    audits = {role: one.partition(":")[0] for role, one in asked.items()}
    found = client.get("/v1/dna/compare", params={**audits, **sides}).json()
    assert page.status_code == 200
    text = page.text.replace("\u00a0", " ")
    assert f"{found['corrected']:.3g}" in re.findall(r'<span class="quantity">([\d.]+)<', text)
    assert f"95% interval {found['low']:.2f} – {found['high']:.2f}" in text
    assert "p = 0.001" in text
    assert "Distance by layer" in text
    assert "The neurons that differ most" in text


def test_the_answer_says_nothing_of_files_that_a_page_has_not(client: TestClient) -> None:
    text = client.get("/compare", params={"reference": value(2, FLOWERS), "candidate": value(2, WEEDS)}).text
    assert "tables/" not in text
    assert 'class="thumb missing"' in text


def test_a_matrix_has_the_numbers_of_the_api_and_leads_to_each_pair(client: TestClient) -> None:
    chosen = [value(3, TREES), value(2, FLOWERS), value(2, WEEDS)]
    text = client.get("/compare", params={"dataset": chosen}).text
    corrected = client.get("/v1/dna/matrix", params={"audit": chosen}).json()["corrected"]
    names = ["&lt;b&gt;trees&lt;/b&gt;", "flowers (2)", "weeds"]
    assert _cells(text) == {
        (names[i], names[j]): f"{corrected[i][j]:.2f}" for i in range(3) for j in range(3) if i != j
    }
    assert text.count('class="tree"') == 1


def _cells(text: str) -> dict[tuple[str, str], str]:
    found = re.findall(r'aria-label="([^"]+) against ([^"]+): ([\d.]+)">([\d.]+)</a>', text)
    assert all(said == shown for *_, said, shown in found)
    return {(row, column): shown for row, column, _, shown in found}


def test_the_matrix_puts_those_side_by_side_that_are_alike(client: TestClient) -> None:
    chosen = [value(2, FLOWERS), value(3, TREES), value(3, MORE), value(2, WEEDS)]
    text = client.get("/compare", params={"dataset": chosen}).text
    order = re.findall(r'<th scope="row"><span title="([^"]+)"', text)
    assert order in ([*_ORDER], [*reversed(_ORDER)])


_ORDER = ("flowers (2)", "flowers", "weeds", "&lt;b&gt;trees&lt;/b&gt;")


@pytest.mark.parametrize(
    ("params", "said"),
    [
        ({"reference": value(2, FLOWERS)}, "choose both datasets"),
        ({"reference": value(2, FLOWERS), "candidate": "<x>"}, "choose both datasets"),
        ({"reference": value(2, FLOWERS), "candidate": value(2, FLOWERS)}, "two different datasets"),
        ({"reference": value(2, FLOWERS), "candidate": value(5, WEEDS)}, "two datasets of one extractor"),
        ({"dataset": [value(2, FLOWERS)]}, "choose 2 to 20 datasets"),
    ],
)
def test_what_cannot_be_compared_is_told_above_the_forms(
    client: TestClient, service: Audited, params: dict[str, object], said: str
) -> None:
    service.audits_known = [audit_of(5, WEEDS, extractor="classical"), *service.audits_known]
    answer = client.get("/compare", params=params)
    assert answer.status_code == 422
    assert re.search(rf'role="alert">[^<]*{said}', answer.text)
    assert '<form method="get"' in answer.text


@pytest.mark.parametrize(("n", "said"), [(0, "Nothing has been audited yet"), (1, "Only one dataset")])
def test_with_too_little_to_compare_the_page_says_what_to_do(
    client: TestClient, service: Audited, n: int, said: str
) -> None:
    service.audits_known = service.audits_known[-1:] if n else [audit_of(1, FLOWERS, status=Status.FAILED)]
    text = client.get("/compare").text
    assert said in text
    assert "<form" not in text


def test_the_policy_allows_only_the_style_and_script_of_this_answer(client: TestClient) -> None:
    answer = client.get("/compare", params={"reference": value(2, FLOWERS), "candidate": value(2, WEEDS)})
    policy = answer.headers["content-security-policy"]
    (nonce,) = set(re.findall(r"'nonce-([^']+)'", policy))
    assert policy.startswith("default-src 'none'")
    assert "unsafe" not in policy
    assert answer.text.count(f'nonce="{nonce}"') == 2
    assert re.findall(r"(?:src|href)=\"(?:https?:)?//", answer.text) == []
    assert re.findall(r'\sstyle="', answer.text) == []
