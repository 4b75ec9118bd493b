"""Kinds of problems, and which error is which."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

import api.errors as api_errors
import audit.errors as audit_errors
import storage.errors as storage_errors
import workers.errors as workers_errors
from api.cli.exits import Exit
from api.errors import PROBLEMS, ApiError, kind_of
from audit.errors import ConfigError, PictureError, UnknownExtractorError, WeightsUnavailableError
from audit.pictures.reasons import REASONS
from storage.errors import SourceForbiddenError, SourceNotFoundError
from workers.errors import FailedError, IdempotencyReusedError, InUseError, NotReadyError, UnknownIdError

REPOSITORY = Path(__file__).resolve().parents[2]


@pytest.mark.parametrize(
    ("error", "status", "slug"),
    [
        (ConfigError("k must be positive"), 422, "invalid-configuration"),
        (PictureError("truncated", "ends early"), 422, "picture-unreadable"),
        (UnknownExtractorError("x", "no extractor x"), 422, "extractor-unavailable"),
        (WeightsUnavailableError("x", "no weights"), 422, "extractor-unavailable"),
        (SourceNotFoundError("/x", "nothing is at /x"), 422, "source-unreadable"),
        (SourceForbiddenError("/etc", "outside the roots"), 403, "source-not-allowed"),
        (UnknownIdError("audit", "x"), 404, "unknown-id"),
        (NotReadyError("audit", "x", "running"), 409, "not-ready"),
        (FailedError("audit", "x", "failed", "disk full"), 409, "failed"),
        (InUseError("dataset", "x", ("y",)), 409, "in-use"),
        (IdempotencyReusedError("key"), 422, "idempotency-reused"),
        (ZeroDivisionError(), 500, "internal"),
    ],
)
def test_each_error_is_one_kind_of_problem(error: Exception, status: int, slug: str) -> None:
    kind = kind_of(error)
    assert (kind.slug, kind.status) == (slug, status)


def _subclasses(base: type) -> list[type]:
    return [base, *(found for child in base.__subclasses__() for found in _subclasses(child))]


def test_every_error_of_the_api_names_a_known_kind() -> None:
    assert {found.slug for found in _subclasses(ApiError)} <= set(PROBLEMS)  # type: ignore[attr-defined]


@pytest.mark.parametrize("module", [api_errors, audit_errors, storage_errors, workers_errors])
def test_each_tree_of_errors_draws_every_class_it_has(module: object) -> None:
    names = {
        name
        for name, value in vars(module).items()
        if isinstance(value, type) and issubclass(value, Exception) and value.__module__ == module.__name__  # type: ignore[attr-defined]
    }
    drawn = set(re.findall(r"\w+Error\b", module.__doc__ or ""))
    assert names <= drawn


def test_every_kind_of_problem_is_documented_with_its_status() -> None:
    text = (REPOSITORY / "docs" / "errors.md").read_text("utf-8")
    missing = [kind.slug for kind in PROBLEMS.values() if f"| `{kind.slug}` | {kind.status} |" not in text]
    assert missing == []


def test_no_problem_is_documented_that_does_not_exist() -> None:
    text = (REPOSITORY / "docs" / "errors.md").read_text("utf-8")
    assert set(re.findall(r"^\| `([a-z-]+)` \| \d{3} \|", text, re.MULTILINE)) == set(PROBLEMS)


def test_every_reason_a_picture_is_left_out_is_documented() -> None:
    text = (REPOSITORY / "docs" / "errors.md").read_text("utf-8")
    assert [code for code in REASONS if f"| `{code}` |" not in text] == []


def test_every_exit_code_is_documented() -> None:
    text = (REPOSITORY / "docs" / "errors.md").read_text("utf-8")
    assert [code for code in Exit if f"| `{code.value}` |" not in text] == []


@pytest.mark.parametrize("module", [api_errors, audit_errors, storage_errors, workers_errors])
def test_every_exception_is_documented(module: object) -> None:
    text = (REPOSITORY / "docs" / "errors.md").read_text("utf-8")
    names = [name for name, value in vars(module).items() if isinstance(value, type) and issubclass(value, Exception)]
    assert [name for name in names if name not in text] == []
