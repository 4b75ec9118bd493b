"""How an audit is followed: told of every change, and again when nothing changes for a while."""

from __future__ import annotations

import math
from types import SimpleNamespace
from typing import Any

import pytest

from storage.records import Audit, Status
from tests.api_fake import audit_record, progress
from workers import service
from workers.service import Service


@pytest.mark.parametrize(("again_s", "told"), [(math.inf, [0, 1, 2]), (0.25, [0, 0, 1, 2])])
def test_an_audit_is_told_on_every_change_and_again_after_a_while(
    again_s: float, told: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    now = [0.0]
    running = [audit_record(status=Status.RUNNING, progress=progress(done)) for done in (0, 0, 0, 1)]
    states = iter([*running, audit_record(status=Status.DONE, progress=progress(2))])
    clock = SimpleNamespace(monotonic=lambda: now[0], sleep=lambda s: now.__setitem__(0, now[0] + s))
    monkeypatch.setattr(service, "time", clock)
    fake: Any = SimpleNamespace(audit=lambda _: next(states))
    seen: list[Audit] = list(Service.events(fake, "id", again_s=again_s))
    assert [audit.progress.done for audit in seen] == told
