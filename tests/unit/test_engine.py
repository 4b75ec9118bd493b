"""The engine on an in-memory database, with stages that are known beforehand."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import pytest
import sqlalchemy as sa

from storage import queries
from storage.database import Database
from storage.records import Outcome, Status, Step, StepDraft, Subject, SubjectKind
from storage.tables import steps
from workers.engine import Engine, Leases, Stages, Waiting
from workers.progress import subject_progress


@dataclass
class Script:
    """Three pieces of work and then one that joins them; the audit's first stage may fail."""

    waits: dict[str, tuple[Subject, ...]] = field(default_factory=dict)
    error: Exception | None = None
    n_planned: int = 0

    def stages(self, kind: SubjectKind) -> Stages:
        return Stages(("work", "join"), optional=frozenset({"work"} if kind is SubjectKind.AUDIT else ()))

    def plan(self, subject: Subject, stage: str) -> Sequence[StepDraft] | Waiting:
        self.n_planned += 1
        if self.error is not None:
            raise self.error
        if subject.id in self.waits and stage == "work":
            pending = [one for one in self.waits[subject.id] if self.status(one) != Status.DONE]
            if pending:
                return Waiting(tuple(pending))
        return [StepDraft(name=name) for name in (("a", "b", "c") if stage == "work" else ("join",))]

    def status(self, subject: Subject) -> str:
        raise NotImplementedError


class Desk:
    """An engine, its database and everything it rang for."""

    def __init__(self) -> None:
        self.database = Database("sqlite://")
        self.database.create_all()
        self.rung: list[Step] = []
        self.script = Script()
        self.script.status = self.status  # type: ignore[method-assign]
        self.engine = Engine(self.database, self.script, self.rung.extend, Leases())

    def subject(self, kind: SubjectKind = SubjectKind.DATASET, key: str = "k") -> Subject:
        extra = {
            SubjectKind.DATASET: {"name": key, "source": {}, "generation": 0},
            SubjectKind.AUDIT: {"kind": "audit", "title": key, "dataset_ids": [], "request": {}},
        }
        with self.database.write() as tx:
            return Subject(kind, queries.get_or_create(tx, kind, key, extra[kind]).id)

    def status(self, subject: Subject) -> str:
        with self.database.read() as tx:
            row = queries.get_subject(tx, subject)
        return str(row.status) if row else "deleted"

    def error(self, subject: Subject) -> str:
        with self.database.read() as tx:
            row = queries.get_subject(tx, subject)
        return str(row.error) if row else ""

    def step(self, step: Step) -> Step:
        with self.database.read() as tx:
            found = queries.get_step(tx, step.id)
        assert found is not None
        return found

    def expire(self) -> None:
        with self.database.write() as tx:
            tx.execute(sa.update(steps).values(lease_until=1.0))

    def claim(self, step: Step, worker: str = "w") -> Step:
        claimed = self.engine.claim(step.id, worker)
        assert claimed is not None
        return claimed

    def finish_all(self, outcome: Outcome | None = None) -> None:
        while self.rung:
            self.engine.finish(self.claim(self.rung.pop()), outcome or Outcome())


@pytest.fixture
def desk() -> Iterator[Desk]:
    desk = Desk()
    yield desk
    desk.database.close()


def test_advancing_a_new_subject_rings_for_each_step_of_its_first_stage(desk: Desk) -> None:
    desk.engine.advance(desk.subject())
    assert [step.name for step in desk.rung] == ["a", "b", "c"]


def test_advancing_twice_plans_once_and_rings_once(desk: Desk) -> None:
    subject = desk.subject()
    desk.engine.advance(subject)
    desk.engine.advance(subject)
    assert (desk.script.n_planned, len(desk.rung)) == (1, 3)


def test_the_next_stage_is_rung_for_only_when_every_step_is_done(desk: Desk) -> None:
    desk.engine.advance(desk.subject())
    first, second, third = desk.rung[:]
    desk.rung.clear()
    for step in (first, second):
        desk.engine.finish(desk.claim(step), Outcome())
    assert desk.rung == []
    desk.engine.finish(desk.claim(third), Outcome())
    assert [step.name for step in desk.rung] == ["join"]


def test_a_subject_ends_with_the_outcome_of_its_last_step(desk: Desk) -> None:
    subject = desk.subject()
    desk.engine.advance(subject)
    desk.finish_all(Outcome(artefact_kind="kind", artefact="f" * 64, fingerprint="e" * 64, summary={"n": 3}))
    with desk.database.read() as tx:
        row = queries.get_subject(tx, subject)
    assert row is not None
    assert (row.status, row.artefact, row.fingerprint, row.summary) == ("done", "f" * 64, "e" * 64, {"n": 3})


def test_a_step_is_had_by_one_worker_only(desk: Desk) -> None:
    desk.engine.advance(desk.subject())
    assert desk.engine.claim(desk.rung[0].id, "one") is not None
    assert desk.engine.claim(desk.rung[0].id, "two") is None


def test_a_worker_whose_lease_ran_out_is_refused_after_another_took_over(desk: Desk) -> None:
    desk.engine.advance(desk.subject())
    slow = desk.claim(desk.rung[0], "slow")
    desk.expire()
    quick = desk.claim(desk.rung[0], "quick")
    assert quick.fence == slow.fence + 1
    assert not desk.engine.finish(slow, Outcome(artefact="slow"))
    assert not desk.engine.renew(slow, 1, 2)
    assert not desk.engine.fail(slow, "too late", retry=True)
    assert desk.engine.finish(quick, Outcome())


def test_a_step_is_finished_at_most_once(desk: Desk) -> None:
    desk.engine.advance(desk.subject())
    step = desk.claim(desk.rung[0])
    assert desk.engine.finish(step, Outcome())
    assert not desk.engine.finish(step, Outcome())


def test_renewing_keeps_a_lease_past_its_time(desk: Desk) -> None:
    desk.engine.advance(desk.subject())
    step = desk.claim(desk.rung[0])
    desk.expire()
    assert desk.engine.renew(step, 5, 10)
    assert desk.engine.sweep() == 0


def test_a_sweep_gives_a_lost_step_away_again(desk: Desk) -> None:
    desk.engine.advance(desk.subject())
    step = desk.claim(desk.rung.pop(0))
    desk.rung.clear()
    desk.expire()
    assert desk.engine.sweep() == 1
    assert [rung.id for rung in desk.rung] == [step.id]


def test_steps_of_a_dead_worker_need_no_waiting_for_the_lease(desk: Desk) -> None:
    desk.engine.advance(desk.subject())
    desk.claim(desk.rung[0], "dead")
    desk.claim(desk.rung[1], "alive")
    assert desk.engine.sweep(dead=["dead"]) == 1


def test_a_step_lost_three_times_fails_its_subject_and_says_why(desk: Desk) -> None:
    subject = desk.subject()
    desk.engine.advance(subject)
    step, *others = desk.rung
    for other in others:
        desk.engine.finish(desk.claim(other), Outcome())
    for _ in range(3):
        desk.claim(step)
        desk.expire()
        desk.engine.sweep()
    assert desk.engine.claim(step.id, "again") is None
    assert desk.status(subject) == Status.FAILED
    assert "given up after 3 attempts" in desk.error(subject)


def test_a_step_lost_too_often_is_not_had_even_before_a_sweep_has_seen_it(desk: Desk) -> None:
    desk.engine.advance(desk.subject())
    for _ in range(3):
        desk.claim(desk.rung[0])
        desk.expire()
    assert desk.engine.claim(desk.rung[0].id, "fourth") is None


def test_a_stage_is_planned_by_one_of_two_who_saw_it_missing(desk: Desk) -> None:
    subject = desk.subject()
    with desk.database.write() as tx:
        assert queries.add_stage(tx, subject, 0, "work", [StepDraft(name="a")])
        assert not queries.add_stage(tx, subject, 0, "work", [StepDraft(name="b")])
        assert [row.name for row in queries.stage_steps(tx, subject, 0)] == ["a"]


def test_an_error_that_may_pass_is_tried_three_times(desk: Desk) -> None:
    desk.engine.advance(desk.subject())
    for attempt in (1, 2, 3):
        step = desk.claim(desk.rung[0])
        assert step.attempts == attempt
        desk.engine.fail(step, "disk full", retry=True)
    assert desk.step(step).status is Status.FAILED
    assert desk.step(step).error == "disk full"


def test_an_error_that_stays_is_not_tried_again(desk: Desk) -> None:
    desk.engine.advance(desk.subject())
    step = desk.claim(desk.rung[0])
    desk.engine.fail(step, "no such extractor", retry=False)
    assert desk.step(step).status is Status.FAILED


def test_a_failed_analysis_does_not_keep_the_report_from_being_made(desk: Desk) -> None:
    audit = desk.subject(SubjectKind.AUDIT)
    desk.engine.advance(audit)
    desk.engine.fail(desk.claim(desk.rung.pop()), "division by zero", retry=False)
    desk.finish_all()
    assert desk.status(audit) == Status.DONE


def test_a_released_step_does_not_count_as_an_attempt(desk: Desk) -> None:
    desk.engine.advance(desk.subject())
    for _ in range(5):
        step = desk.claim(desk.rung[0])
        assert step.attempts == 1
        desk.engine.release(step)


def test_cancelling_refuses_the_workers_that_are_still_at_it(desk: Desk) -> None:
    subject = desk.subject()
    desk.engine.advance(subject)
    step = desk.claim(desk.rung[0])
    assert desk.engine.cancel(subject)
    assert not desk.engine.renew(step, 0, 1)
    assert not desk.engine.finish(step, Outcome())
    assert desk.engine.claim(desk.rung[1].id, "late") is None
    assert desk.status(subject) == Status.CANCELLED


def test_an_ended_subject_cannot_be_cancelled(desk: Desk) -> None:
    subject = desk.subject()
    desk.engine.advance(subject)
    desk.finish_all()
    assert not desk.engine.cancel(subject)
    assert desk.status(subject) == Status.DONE


def test_a_stage_that_cannot_be_planned_fails_the_subject_with_the_reason(desk: Desk) -> None:
    desk.script.error = ValueError("the scan holds no rows")
    subject = desk.subject()
    desk.engine.advance(subject)
    assert desk.status(subject) == Status.FAILED
    assert "the scan holds no rows" in desk.error(subject)


def _audit_waiting_for_a_dataset(desk: Desk) -> tuple[Subject, Subject]:
    dataset, audit = desk.subject(), desk.subject(SubjectKind.AUDIT)
    desk.script.waits[audit.id] = (dataset,)
    with desk.database.write() as tx:
        row = {"audit_id": audit.id, "position": 0, "dataset_id": dataset.id}
        tx.execute(sa.insert(queries.audit_datasets).values(**row))
    return dataset, audit


def test_an_audit_starts_when_the_dataset_it_waits_for_is_done(desk: Desk) -> None:
    dataset, audit = _audit_waiting_for_a_dataset(desk)
    desk.engine.advance(audit)
    assert {step.subject for step in desk.rung} == {dataset}
    desk.finish_all()
    assert desk.status(audit) == Status.DONE


def test_an_audit_fails_with_the_reason_of_the_dataset_it_waits_for(desk: Desk) -> None:
    dataset, audit = _audit_waiting_for_a_dataset(desk)
    desk.engine.advance(audit)
    for step in desk.rung[:]:
        desk.engine.fail(desk.claim(step), "the disk is gone", retry=False)
    assert desk.status(dataset) == Status.FAILED
    assert desk.status(audit) == Status.FAILED
    assert "the disk is gone" in desk.error(audit)


def test_a_crash_between_the_last_finish_and_the_next_stage_is_swept_up(desk: Desk) -> None:
    desk.engine.advance(desk.subject())
    claimed = [desk.claim(step) for step in desk.rung]
    desk.rung.clear()
    with desk.database.write() as tx:
        for step in claimed:
            queries.finish_step(tx, step, Outcome())
    desk.engine.sweep()
    assert [step.name for step in desk.rung] == ["join"]


def test_a_bell_that_fails_loses_nothing(desk: Desk) -> None:
    def broken(steps: Sequence[Step]) -> None:
        raise ConnectionError("no broker")

    subject = desk.subject()
    desk.engine.ring = broken
    desk.engine.advance(subject)
    desk.engine.ring = desk.rung.extend
    desk.engine.leases = Leases(again_s=0.0)
    desk.engine.sweep()
    desk.engine.leases = Leases()
    desk.finish_all()
    assert desk.status(subject) == Status.DONE


def test_no_more_steps_are_out_than_the_window(desk: Desk) -> None:
    desk.engine.leases = Leases(window=2)
    desk.engine.advance(desk.subject())
    assert len(desk.rung) == 2
    desk.engine.finish(desk.claim(desk.rung[0]), Outcome())
    assert [step.name for step in desk.rung] == ["a", "b", "c"]


def test_progress_names_the_step_that_has_been_at_work_for_longest_and_since_when(desk: Desk) -> None:
    subject = desk.subject()
    desk.engine.advance(subject)
    first, second, _ = desk.rung

    def at() -> tuple[str, float | None]:
        with desk.database.read() as tx:
            progress = subject_progress(tx, subject, queries.get_subject(tx, subject))  # type: ignore[arg-type]
        return progress.at, progress.at_since

    assert at() == ("", None)
    for step, began in ((second, 100.0), (first, 200.0)):
        desk.claim(step)
        with desk.database.write() as tx:
            tx.execute(sa.update(steps).where(steps.c.id == step.id).values(started_at=began, name=f"{step.name}-0-01"))
    assert at() == ("b", 100.0)
