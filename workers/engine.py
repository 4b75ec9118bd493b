"""The engine: moves subjects through their stages by rows and leases; messages only wake it.

::

    advance(subject)   rings for the open steps of its stage; when there are none, plans the next stage or ends it
    claim → renew … → finish | fail | release          one step under a lease and a fencing number
    sweep              gives lost steps away again and advances everything that is open

Every function may be called at any time, any number of times, by any number of processes: what is true is in the
database, and each change names the state it leaves. Rings are sent after commit and carry a step's id only.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Protocol

import sqlalchemy as sa
import structlog
from sqlalchemy.exc import DBAPIError

from audit.errors import AuditError
from storage import queries
from storage.database import Database
from storage.errors import DatabaseBusyError, StorageError
from storage.records import Outcome, Status, Step, StepDraft, Subject, SubjectKind
from workers.errors import WorkersError

log = structlog.get_logger()

Ring = Callable[[Sequence[Step]], None]


@dataclass(frozen=True)
class Stages:
    """The stages of a kind of subject, in order.

    Attributes
    ----------
    names : tuple of str
        The last one has a single step; its outcome becomes the subject's.
    optional : frozenset of str
        Stages whose failed steps do not fail the subject.
    """

    names: tuple[str, ...]
    optional: frozenset[str] = frozenset()


@dataclass(frozen=True)
class Waiting:
    """A stage that cannot be planned before other subjects are done."""

    on: tuple[Subject, ...]


class Planner(Protocol):
    """Knows which stages there are and what steps a stage has."""

    def stages(self, kind: SubjectKind) -> Stages:
        """The stages of a kind of subject."""
        ...

    def plan(self, subject: Subject, stage: str) -> Sequence[StepDraft] | Waiting:
        """The steps of a stage whose predecessor is done. Has no effect on the subject itself, and may be repeated.

        Raises
        ------
        Exception
            If it can never be planned: the subject fails with the error's message.
        """
        ...


@dataclass(frozen=True)
class Leases:
    """How long a worker may be silent, how often a step may be lost, and how rings are paced.

    Attributes
    ----------
    lease_s : float
    max_attempts : int
        After so many lost attempts a step fails.
    again_s : float
        A queued step is rung for again after this long, in case the message was lost.
    window : int
        Most steps of a subject that are rung for or running at once.
    """

    lease_s: float = 30.0
    max_attempts: int = 3
    again_s: float = 15.0
    window: int = 64


class Engine:
    """See the module."""

    def __init__(self, database: Database, planner: Planner, ring: Ring, leases: Leases | None = None) -> None:
        self.database = database
        self.planner = planner
        self.ring = ring
        self.leases = leases or Leases()

    # subjects --------------------------------------------------------------------------------------------------------

    def advance(self, subject: Subject) -> None:
        """Do what the state of a subject calls for, and go on with whoever waits for it."""
        waiting = [subject]
        while waiting:
            waiting.extend(self._advance_once(waiting.pop()))

    def _advance_once(self, subject: Subject) -> Iterable[Subject]:
        """Make one move. Returns the subjects to advance next."""
        with self.database.write() as tx:
            move = self._move(tx, subject)
            next_ones = queries.dependants(tx, subject) if move.ended else []
        if move.rings:
            self._send(move.rings)
        if move.ended:
            log.info("subject.ended", kind=subject.kind.value, id=subject.id, status=move.ended.value)
        return next_ones if move.plan is None else self._plan(subject, move.plan)

    def _move(self, tx: sa.Connection, subject: Subject) -> _Move:
        """Decide, and write, what the state of a subject calls for."""
        row = queries.get_subject(tx, subject, lock=True)
        if row is None or Status(row.status).ended:
            return _Move()
        counts = queries.stage_counts(tx, subject, row.stage)
        if any(counts.get(status) for status in queries.OPEN):
            again_s, window = self.leases.again_s, self.leases.window
            return _Move(rings=queries.take_rings(tx, subject, row.stage, again_s=again_s, window=window))
        stages = self.planner.stages(subject.kind)
        if row.stage >= 0 and counts.get(Status.FAILED) and stages.names[row.stage] not in stages.optional:
            queries.end_subject(tx, subject, Status.FAILED, error=queries.stage_error(tx, subject, row.stage))
            return _Move(ended=Status.FAILED)
        if row.stage < len(stages.names) - 1:
            return _Move(plan=row.stage + 1)
        (last,) = queries.stage_steps(tx, subject, row.stage)
        queries.complete_subject(tx, subject, row.stage, Outcome.model_validate(last.outcome))
        return _Move(ended=Status.DONE)

    def _plan(self, subject: Subject, stage: int) -> Iterable[Subject]:
        """Plan a stage outside any transaction, then add its steps if nobody else has."""
        name = self.planner.stages(subject.kind).names[stage]
        try:
            planned = self.planner.plan(subject, name)
        except (DatabaseBusyError, DBAPIError):
            raise
        except Exception as error:
            log.warning("stage.refused", kind=subject.kind.value, id=subject.id, stage=name, error=str(error))
            return self._fail_subject(subject, describe(error))
        if isinstance(planned, Waiting):
            return self._await(subject, planned.on)
        with self.database.write() as tx:
            added = queries.add_stage(tx, subject, stage, name, planned)
        return (subject,) if added else ()

    def _await(self, subject: Subject, on: Sequence[Subject]) -> Iterable[Subject]:
        """Wait for other subjects: wake those that are open, give up if one failed, plan again if all are done."""
        with self.database.read() as tx:
            rows = {one: queries.get_subject(tx, one) for one in on}
        for one, row in rows.items():
            if row is None or Status(row.status) in (Status.FAILED, Status.CANCELLED):
                what = one.kind.value.replace("_", " ")
                reason = "was deleted" if row is None else row.error or f"was {row.status}"
                return self._fail_subject(subject, f"the {what} it needs cannot be had: {reason}")
        waiting = [one for one, row in rows.items() if row is not None and row.status != Status.DONE]
        return waiting or (subject,)

    def _fail_subject(self, subject: Subject, error: str) -> Iterable[Subject]:
        with self.database.write() as tx:
            ended = queries.end_subject(tx, subject, Status.FAILED, error=error)
            return queries.dependants(tx, subject) if ended else ()

    def cancel(self, subject: Subject) -> bool:
        """End a subject as cancelled; steps at work notice at their next sign of life. False if it had ended."""
        with self.database.write() as tx:
            cancelled = queries.cancel_subject(tx, subject)
        if cancelled:
            log.info("subject.cancelled", kind=subject.kind.value, id=subject.id)
        return cancelled

    def _send(self, rings: Sequence[Step]) -> None:
        """Ring; a bell that does not answer is tried again by a later sweep."""
        try:
            self.ring(rings)
        except Exception as error:
            log.warning("ring.failed", n_steps=len(rings), error=describe(error))

    # steps -----------------------------------------------------------------------------------------------------------

    def claim(self, step_id: str, worker: str) -> Step | None:
        """Take a step under a lease; None if it is not to be had."""
        lease_s, max_attempts = self.leases.lease_s, self.leases.max_attempts
        with self.database.write() as tx:
            return queries.claim_step(tx, step_id, worker, lease_s=lease_s, max_attempts=max_attempts)

    def renew(self, step: Step, done: int, total: int) -> bool:
        """Keep the lease and record progress. False if the step was cancelled or given to another worker."""
        with self.database.write() as tx:
            return queries.renew_step(tx, step, lease_s=self.leases.lease_s, done=done, total=total)

    def finish(self, step: Step, outcome: Outcome) -> bool:
        """Record what a step left and advance its subject. False, and nothing happens, if it is no longer held."""
        with self.database.write() as tx:
            held = queries.finish_step(tx, step, outcome)
        if held:
            self.advance(step.subject)
        return held

    def fail(self, step: Step, error: str, *, retry: bool) -> bool:
        """Record an error: the step is tried again if that may help and attempts are left, else it fails."""
        with self.database.write() as tx:
            if retry and step.attempts < self.leases.max_attempts:
                held = queries.requeue_step(tx, step, error)
            else:
                held = queries.fail_step(tx, step, error)
        if held:
            self.advance(step.subject)
        return held

    def release(self, step: Step) -> bool:
        """Put a step back unfinished, without counting the attempt."""
        with self.database.write() as tx:
            return queries.requeue_step(tx, step, step.error, counted=False)

    def sweep(self, dead: Iterable[str] = ()) -> int:
        """Give lost steps away again and advance everything open.

        Parameters
        ----------
        dead : iterable of str
            Workers known to be gone, whose leases need not be waited for.

        Returns
        -------
        int
            How many steps had been lost.
        """
        with self.database.write() as tx:
            lost = queries.lost_steps(tx, dead)
            for step, worker in lost:
                self._give_away(tx, step, worker)
        with self.database.read() as tx:
            subjects = queries.active_subjects(tx)
        for subject in subjects:
            self.advance(subject)
        return len(lost)

    def _give_away(self, tx: sa.Connection, step: Step, worker: str) -> None:
        error = step.error or "the process that worked on it was killed or stopped answering"
        log.warning("step.lost", step=step.id, stage=step.stage, name=step.name, worker=worker, attempts=step.attempts)
        if step.attempts < self.leases.max_attempts:
            queries.requeue_step(tx, step, error)
        else:
            queries.fail_step(tx, step, f"given up after {step.attempts} attempts; the last one: {error}")


@dataclass(frozen=True)
class _Move:
    """What was decided about a subject: steps to ring for, its end, or the stage to plan."""

    rings: Sequence[Step] = ()
    ended: Status | None = None
    plan: int | None = None


def describe(error: BaseException) -> str:
    """An error in one line, for people: its message, led by its class when that is not one of ours."""
    text = " ".join(str(error).split()) or "no message"
    ours = isinstance(error, AuditError | StorageError | WorkersError)
    return (text if ours else f"{type(error).__name__}: {text}")[:2000]
