"""The service that tests of the faces use takes what the real one takes."""

from __future__ import annotations

import inspect

import pytest

from tests.api_fake import FakeService
from workers.service import Service

SHARED = sorted(
    name
    for name, value in vars(FakeService).items()
    if inspect.isfunction(value) and not name.startswith("_") and name != "open" and hasattr(Service, name)
)


@pytest.mark.parametrize("name", SHARED)
def test_the_fake_takes_every_argument_of_the_real_one(name: str) -> None:
    real = inspect.signature(getattr(Service, name)).parameters.values()
    placed = [p.name for p in real if p.kind is p.POSITIONAL_OR_KEYWORD]
    named = {p.name: None for p in real if p.kind is p.KEYWORD_ONLY}
    inspect.signature(getattr(FakeService, name)).bind(*placed, **named)


def test_the_fake_has_methods_to_hold() -> None:
    assert {"submit_audit", "events", "report_json"} <= set(SHARED)
