"""The engine under any order of messages, kills, retries and sweeps."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import sqlalchemy as sa
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from storage import queries
from storage.database import Database
from storage.records import Outcome, Status, Step, StepDraft, Subject, SubjectKind
from storage.tables import datasets, steps
from workers.engine import Engine, Leases, Stages, Waiting

SIZES = {"first": 3, "second": 2, "last": 1}


class Plan:
    """Three stages of fixed size."""

    def stages(self, kind: SubjectKind) -> Stages:
        return Stages(tuple(SIZES))

    def plan(self, subject: Subject, stage: str) -> Sequence[StepDraft] | Waiting:
        return [StepDraft(name=f"{stage}{i}") for i in range(SIZES[stage])]


class AnyOrder(RuleBasedStateMachine):
    """Workers that claim, finish, stall, crash and come back, over bells that repeat and lose rings."""

    def __init__(self) -> None:
        super().__init__()
        self.database = Database("sqlite://")
        self.database.create_all()
        self.bells: list[str] = []
        self.held: list[Step] = []
        self.accepted: Counter[str] = Counter()
        self.engine = Engine(self.database, Plan(), self._ring, Leases(again_s=0.0, max_attempts=3))

    def _ring(self, rung: Sequence[Step]) -> None:
        self.bells.extend(step.id for step in rung)

    def teardown(self) -> None:
        self._drain()
        statuses = {row.id: row for row in self._rows(datasets)}
        assert all(row.status in {"done", "failed"} for row in statuses.values())
        for step in self._rows(steps):
            if statuses[step.subject_id].status == "done":
                assert step.status == "done"
                assert self.accepted[step.id] == 1
        for row in statuses.values():
            if row.status == "failed":
                mine = [step for step in self._rows(steps) if step.subject_id == row.id]
                assert any(step.status == "failed" and step.attempts == 3 for step in mine)
        self.database.close()

    def _drain(self) -> None:
        """Everybody is dead; one good worker and sweeps bring all to an end."""
        for _ in range(20):
            self._expire()
            self.engine.sweep()
            while self.bells:
                step = self.engine.claim(self.bells.pop(), "good")
                if step is not None:
                    self._finish(step)

    def _rows(self, table: sa.Table) -> list[sa.Row[tuple[object, ...]]]:
        with self.database.read() as tx:
            return list(tx.execute(sa.select(table)))

    def _expire(self) -> None:
        with self.database.write() as tx:
            tx.execute(sa.update(steps).where(steps.c.status == Status.RUNNING).values(lease_until=1.0))

    def _finish(self, step: Step) -> None:
        if self.engine.finish(step, Outcome(artefact=step.name)):
            self.accepted[step.id] += 1

    @initialize(n=st.integers(1, 3))
    def submit(self, n: int) -> None:
        for key in range(n):
            with self.database.write() as tx:
                values = {"name": "", "source": {}, "generation": 0}
                row = queries.get_or_create(tx, SubjectKind.DATASET, str(key), values)
            self.engine.advance(Subject(SubjectKind.DATASET, row.id))

    @rule(data=st.data())
    def a_bell_is_heard(self, data: st.DataObject) -> None:
        if self.bells:
            step_id = data.draw(st.sampled_from(self.bells))
            step = self.engine.claim(step_id, "worker")
            if step is not None:
                self.held.append(step)

    @rule(data=st.data())
    def a_bell_is_lost(self, data: st.DataObject) -> None:
        if self.bells:
            self.bells.remove(data.draw(st.sampled_from(self.bells)))

    @rule(data=st.data())
    def a_worker_finishes_perhaps_too_late(self, data: st.DataObject) -> None:
        if self.held:
            self._finish(data.draw(st.sampled_from(self.held)))

    @rule(data=st.data())
    def a_worker_fails(self, data: st.DataObject) -> None:
        if self.held:
            self.engine.fail(data.draw(st.sampled_from(self.held)), "it broke", retry=True)

    @rule(data=st.data())
    def a_worker_leaves_in_good_order(self, data: st.DataObject) -> None:
        if self.held:
            self.engine.release(data.draw(st.sampled_from(self.held)))

    @rule()
    def every_lease_runs_out(self) -> None:
        self._expire()

    @rule()
    def somebody_sweeps(self) -> None:
        self.engine.sweep()

    @rule(data=st.data())
    def somebody_advances(self, data: st.DataObject) -> None:
        row = data.draw(st.sampled_from(self._rows(datasets)))
        self.engine.advance(Subject(SubjectKind.DATASET, str(row.id)))

    @invariant()
    def nothing_takes_effect_twice(self) -> None:
        assert all(n == 1 for n in self.accepted.values())

    @invariant()
    def a_stage_is_planned_whole_and_after_the_one_before_is_done(self) -> None:
        rows = self._rows(steps)
        for subject in self._rows(datasets):
            stages: dict[int, list[str]] = {}
            for row in rows:
                if row.subject_id == subject.id:
                    stages.setdefault(row.stage, []).append(row.status)
            assert [len(stages[k]) for k in sorted(stages)] == list(SIZES.values())[: len(stages)]
            for stage in sorted(stages)[:-1]:
                assert set(stages[stage]) == {"done"}

    @invariant()
    def done_subjects_have_no_open_steps(self) -> None:
        done = {row.id for row in self._rows(datasets) if row.status == "done"}
        assert all(row.status == "done" for row in self._rows(steps) if row.subject_id in done)


AnyOrder.TestCase.settings = settings(max_examples=30, stateful_step_count=40, deadline=None)
TestEngineInAnyOrder = AnyOrder.TestCase
