"""Requests nobody thought of: no answer is a 5xx, and none is undocumented.

A fixed seed and a bounded number of cases, over a real service that holds one finished audit. Where a request is well
formed, every other one is pointed at what exists, so that answers are tested and not only refusals.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, seed, settings
from schemathesis import GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    negative_data_rejection,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
    unsupported_method,
)

from api.app import create_app
from storage.records import Status
from storage.settings import Settings
from storage.sources import SourceSpec
from tests.api_pictures import write_dataset
from workers.service import Service

CASES = 8
SEED = 20260101
CHECKS = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    negative_data_rejection,
    unsupported_method,
]


@pytest.fixture(scope="module")
def known(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Any]]:
    """An application over a service with one finished audit, and the ids in it."""
    folder = tmp_path_factory.mktemp("fuzz")
    data = write_dataset(folder / "data", n=6)
    with Service.open(Settings(home=folder / "home", source_roots=(data,), decoders=1, threads=2)) as service:
        dataset = service.submit_dataset(SourceSpec(uri=str(data)))
        audit = service.wait(service.submit_audit([dataset.id]).id)
        assert audit.status is Status.DONE, audit.error
        image = service.table(audit.id, "images").column("image_id")[0].as_py()
        yield {
            "app": create_app(service, folder / "home" / "uploads", max_upload_bytes=100_000),
            "ids": {"audit_id": audit.id, "dataset_id": dataset.id, "image_id": image, "name": "images"},
            "calls": 0,
        }


@pytest.fixture(scope="module")
def schema(known: dict[str, Any]) -> Any:
    """The API as its own OpenAPI document describes it."""
    return schemathesis.openapi.from_asgi("/v1/openapi.json", known["app"])


def requests() -> list[tuple[str, str, GenerationMode]]:
    """Method and path of every operation, for right requests and (where anything can be wrong) for wrong ones."""
    document = create_app(object(), Path()).openapi()  # type: ignore[arg-type]
    return [
        (method, path, mode)
        for path, methods in document["paths"].items()
        for method, operation in methods.items()
        for mode in (GenerationMode.POSITIVE, GenerationMode.NEGATIVE)
        if mode is GenerationMode.POSITIVE or {"parameters", "requestBody"} & set(operation)
    ]


@pytest.mark.parametrize(("method", "path", "mode"), requests())
def test_no_request_is_answered_by_a_5xx_or_in_an_undocumented_way(
    schema: Any, known: dict[str, Any], method: str, path: str, mode: GenerationMode
) -> None:
    @seed(SEED)
    @settings(
        max_examples=CASES,
        deadline=None,
        database=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(case=schema[path][method].as_strategy(generation_mode=mode))
    def send(case: Any) -> None:
        known["calls"] += 1
        if mode is GenerationMode.POSITIVE and known["calls"] % 2 and method != "delete":
            case.path_parameters.update({k: v for k, v in known["ids"].items() if k in case.path_parameters})
        case.call_and_validate(checks=CHECKS)

    send()
