"""An audit is named by the version of everything that its result follows from."""

from __future__ import annotations

import pytest

from storage.records import AuditRequest
from storage.settings import Settings
from workers import submission


@pytest.mark.parametrize("name", ["SHARD", "SEAL", "SEARCH", "PARTS", "TEXTS", "THROUGH", "REPORT_STEP"])
def test_a_step_that_gives_something_else_makes_another_audit(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    request = AuditRequest(extractor="classical")
    before = submission.made_by(request, Settings(), 2)
    monkeypatch.setattr(submission, f"{name}_VERSION", 1_000)
    assert submission.made_by(request, Settings(), 2) != before
