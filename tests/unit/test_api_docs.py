"""Every route is documented, here and in OpenAPI, with every answer it can give."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from api import schemas
from api.app import create_app
from api.errors import PROBLEM_MEDIA_TYPE, PROBLEMS
from api.examples import EXAMPLES
from tests.api_fake import FakeService

TEXT = (Path(__file__).resolve().parents[2] / "docs" / "api.md").read_text("utf-8")


@pytest.fixture(scope="module")
def document(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    folder = tmp_path_factory.mktemp("openapi")
    return create_app(FakeService(folder), folder).openapi()  # type: ignore[arg-type]


def operations(document: dict[str, Any]) -> dict[str, dict[str, Any]]:
    return {
        f"{method.upper()} {path}": operation
        for path, methods in document["paths"].items()
        for method, operation in methods.items()
    }


def test_every_route_is_in_the_documentation_and_no_other(document: dict[str, Any]) -> None:
    documented = re.findall(r"^\| `([A-Z]+ /[^`]*)` \|", TEXT, re.MULTILINE)
    assert sorted(documented) == sorted(operations(document))


def test_every_operation_says_what_it_does(document: dict[str, Any]) -> None:
    assert [name for name, found in operations(document).items() if not found.get("description")] == []


def test_every_parameter_is_bounded_and_every_one_but_filters_described(document: dict[str, Any]) -> None:
    unbounded = [
        f"{name}: {parameter['name']}"
        for name, found in operations(document).items()
        for parameter in found.get("parameters", [])
        for schema in parameter["schema"].get("anyOf", [parameter["schema"]])
        if (schema.get("type") == "integer" and not {"minimum", "maximum"} <= set(schema))
        or (schema.get("type") == "string" and not {"maxLength", "pattern", "enum"} & set(schema))
    ]
    assert unbounded == []


def test_every_error_of_every_operation_is_a_problem(document: dict[str, Any]) -> None:
    wrong = [
        f"{name}: {status}"
        for name, found in operations(document).items()
        for status, response in found["responses"].items()
        if int(status) >= 400 and list(response["content"]) != [PROBLEM_MEDIA_TYPE]
    ]
    assert wrong == []


def test_every_declared_problem_has_an_example_of_its_kind(document: dict[str, Any]) -> None:
    for found in operations(document).values():
        for status, response in found["responses"].items():
            for slug, example in response.get("content", {}).get(PROBLEM_MEDIA_TYPE, {}).get("examples", {}).items():
                assert PROBLEMS[slug].status == int(status) == example["value"]["status"]


def test_every_request_body_has_an_example_or_is_a_file(document: dict[str, Any]) -> None:
    for name in ("DatasetIn", "AuditIn"):
        assert document["components"]["schemas"][name]["examples"]


def test_every_json_answer_has_an_example_or_is_the_report(document: dict[str, Any]) -> None:
    bare = [
        f"{name}: {status}"
        for name, found in operations(document).items()
        for status, response in found["responses"].items()
        if int(status) < 300 and "example" not in response.get("content", {}).get("application/json", {"example": 0})
    ]
    assert bare == ["GET /v1/audits/{audit_id}/report: 200", "GET /v1/audits/{audit_id}/report: 206"]


def test_every_json_request_has_an_example(document: dict[str, Any]) -> None:
    bodies = [found.get("requestBody", {}).get("content", {}) for found in operations(document).values()]
    taken = [content["application/json"] for content in bodies if "application/json" in content]
    assert len(taken) == 5
    assert all("example" in media for media in taken)


@pytest.mark.parametrize("name", EXAMPLES)
def test_an_example_is_what_the_api_could_answer(name: str) -> None:
    model = getattr(schemas, name)
    assert model.model_validate(EXAMPLES[name]).model_dump(mode="json").keys() >= EXAMPLES[name].keys()


def test_validation_errors_are_never_declared_as_frameworks_do(document: dict[str, Any]) -> None:
    assert "HTTPValidationError" not in document["components"]["schemas"]
