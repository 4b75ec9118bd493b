"""What people say of suspected features: kept by dataset and extractor, and part of later requests."""

from __future__ import annotations

import pytest

from storage import bookkeeping, queries
from storage.database import Database
from storage.records import AuditRequest, Subject, SubjectKind
from workers.errors import UnknownIdError
from workers.verdicts import nearest, record, recorded, with_verdicts


@pytest.fixture
def database() -> Database:
    database = Database("sqlite://")
    database.create_all()
    return database


def dataset(database: Database, name: str = "boats") -> str:
    with database.write() as tx:
        values = {"name": name, "source": {}, "generation": 0}
        return str(queries.get_or_create(tx, SubjectKind.DATASET, name, values).id)


def audit(database: Database, *datasets: str, extractor: str = "bundled") -> str:
    request = AuditRequest(extractor=extractor).model_dump(mode="json")
    values = {"kind": "audit", "title": "", "dataset_ids": list(datasets), "request": request}
    with database.write() as tx:
        return str(queries.get_or_create(tx, SubjectKind.AUDIT, f"{datasets}{extractor}", values).id)


def taken_up(database: Database, dataset_id: str, request: AuditRequest) -> AuditRequest:
    with database.read() as tx:
        return with_verdicts(tx, [dataset_id], request)


def test_the_last_verdict_of_a_feature_holds(database: Database) -> None:
    one = audit(database, dataset(database))
    record(database, one, "water", "confirmed")
    (held,) = record(database, one, "water", "rejected", "seen by hand")
    assert (held.feature, held.verdict, held.note) == ("water", "rejected", "seen by hand")
    assert list(recorded(database, one)) == [held]


def test_what_is_withdrawn_was_never_said(database: Database) -> None:
    boats = dataset(database)
    one = audit(database, boats)
    record(database, one, "water", "confirmed")
    assert record(database, one, "water", "withdrawn") == []
    assert taken_up(database, boats, AuditRequest()) == AuditRequest()


def test_what_was_never_said_cannot_be_taken_back(database: Database) -> None:
    one = audit(database, dataset(database))
    with pytest.raises(UnknownIdError, match="no verdict on 'water'; no feature of the dataset has a verdict"):
        record(database, one, "water", "withdrawn")
    record(database, one, "sky", "confirmed")
    record(database, one, "tide", "rejected")
    with pytest.raises(UnknownIdError, match="no verdict on 'water'; features with a verdict: 'sky', 'tide'"):
        record(database, one, "water", "withdrawn")
    assert [held.feature for held in recorded(database, one)] == ["sky", "tide"]


def test_a_feature_that_is_none_is_answered_with_those_of_like_names() -> None:
    known = ["sharpness", "camera = A", "camera = B", "stage4:32"]
    assert nearest("camera=A", known).endswith("nearest to it: 'camera = A', 'camera = B'")
    assert nearest("wibble", known).endswith("has 4 features, such as 'sharpness', 'camera = A', 'camera = B'")
    assert nearest("x", []).endswith("such as none")


def test_a_verdict_belongs_to_the_dataset_and_the_extractor(database: Database) -> None:
    boats = dataset(database)
    record(database, audit(database, boats), "neuron 3", "confirmed")
    assert recorded(database, audit(database, boats, extractor="classical")) == []
    assert recorded(database, audit(database, dataset(database, "cars"))) == []
    assert taken_up(database, boats, AuditRequest(extractor="classical")).analyses == {}


def test_a_later_request_takes_verdicts_up_and_its_own_come_first(database: Database) -> None:
    boats = dataset(database)
    one = audit(database, boats)
    record(database, one, "water", "confirmed")
    record(database, one, "sky", "rejected")
    request = AuditRequest(analyses={"spurious": {"verdicts": {"sky": "confirmed"}}, "labels": {}})
    assert taken_up(database, boats, request).analyses == {
        "spurious": {"verdicts": {"water": "confirmed", "sky": "confirmed"}},
        "labels": {},
    }


def test_a_request_without_the_analysis_stays_as_it_is(database: Database) -> None:
    boats = dataset(database)
    record(database, audit(database, boats), "water", "confirmed")
    request = AuditRequest(skip=("spurious",))
    assert taken_up(database, boats, request) == request


def test_a_comparison_has_no_verdicts(database: Database) -> None:
    pair = audit(database, dataset(database), dataset(database, "cars"))
    with pytest.raises(UnknownIdError, match="audit of one dataset"):
        record(database, pair, "water", "confirmed")


def test_verdicts_go_with_their_dataset(database: Database) -> None:
    boats = dataset(database)
    one = audit(database, boats)
    record(database, one, "water", "confirmed")
    with database.write() as tx:
        bookkeeping.delete_audit(tx, one)
        bookkeeping.delete_dataset(tx, boats)
        assert queries.get_subject(tx, Subject(SubjectKind.DATASET, boats)) is None
