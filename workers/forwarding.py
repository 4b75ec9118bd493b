"""Batches worked on by several threads at once, their results in the order of the batches."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Executor, Future
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from workers.decoders import DecodedBatch

T = TypeVar("T")


def forwarded(
    batches: Iterable[DecodedBatch], work: Callable[[DecodedBatch], T], threads: Executor, in_flight: int
) -> Iterator[tuple[DecodedBatch, T | None]]:
    """Do the work of every batch, several at once; None for a batch without pictures.

    Parameters
    ----------
    work : callable
        Safe to call from several threads.
    in_flight : int
        Batches that are held at once, at most.
    """
    pending: deque[tuple[DecodedBatch, Future[T] | None]] = deque()

    def first() -> tuple[DecodedBatch, T | None]:
        batch, future = pending.popleft()
        return batch, None if future is None else future.result()

    try:
        for batch in batches:
            pending.append((batch, threads.submit(work, batch) if batch.positions else None))
            while pending and (len(pending) > in_flight or _is_done(pending[0][1])):
                yield first()
        while pending:
            yield first()
    finally:
        for _, future in pending:
            if future is not None:
                future.cancel()


def _is_done(future: Future[T] | None) -> bool:
    return future is None or future.done()
