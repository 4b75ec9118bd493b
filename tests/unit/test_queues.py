"""Which queue of the broker a step goes through."""

from __future__ import annotations

from workers.celery_app import QUEUES
from workers.planner import STAGES
from workers.runtime import STEPS


def test_every_stage_has_a_queue_and_somebody_who_does_its_steps() -> None:
    stages = {name for one in STAGES.values() for name in one.names}
    assert set(QUEUES) == set(STEPS) == stages
