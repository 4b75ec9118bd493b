"""How many batches a device computes at once: found by trying, remembered, and fewer when memory runs out.

A batch stays what it is, the same 32 pictures in one call, whatever else is on the device: larger batches would make a
device choose other kernels, and so other bits, by how much memory happened to be free. See docs/adr/0014.
"""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import TypeVar

from audit.extractors import _cards
from audit.fingerprint import fingerprint

LEVELS = (1, 2, 4, 8, 16)
GAIN = 1.05
"""Twice as many batches at once are kept if they are at least so many times as fast."""
ROUNDS = 6
"""Batches a lane computes in a trial."""

T = TypeVar("T")


def find(rate: Callable[[int], float], full: type[Exception]) -> int:
    """The number of batches at once beyond which a device gets no faster: doubled until it does not pay.

    Parameters
    ----------
    rate : callable
        Batches a second with so many at once.
    full : type of exception
        Raised by ``rate`` where memory runs out, which ends the trial.

    Raises
    ------
    Exception
        Of type ``full``, if not even one batch finds room.
    """
    best, fastest = LEVELS[0], rate(LEVELS[0])
    for n in LEVELS[1:]:
        try:
            reached = rate(n)
        except full:
            break
        if reached < GAIN * fastest:
            break
        best, fastest = n, reached
    return best


def rate_of(work: Callable[[], object], clock: Callable[[], float] = time.perf_counter) -> Callable[[int], float]:
    """How many times a second ``work`` is done by n threads at once, after each has done it once."""

    def rate(n: int) -> float:
        with ThreadPoolExecutor(n) as threads:
            for future in [threads.submit(work) for _ in range(n)]:
                future.result()
            started = clock()
            for future in [threads.submit(work) for _ in range(n * ROUNDS)]:
                future.result()
            return n * ROUNDS / max(clock() - started, 1e-9)

    return rate


class Lanes:
    """Lets at most n threads compute at once; halves n when memory runs out, and goes on.

    Parameters
    ----------
    n : int
    full : type of exception
        Raised by work where memory runs out.
    free : callable, optional
        Gives back what the device keeps for later.
    remember : callable, optional
        Told of the new n when it was halved.
    """

    def __init__(
        self,
        n: int,
        full: type[Exception],
        *,
        free: Callable[[], object] = lambda: None,
        remember: Callable[[int], object] = lambda n: None,
    ) -> None:
        self.n = n
        self._full, self._free, self._remember = full, free, remember
        self._at_work = 0
        self._turn = threading.Condition()

    def run(self, work: Callable[[], T]) -> T:
        """Do work when a lane is free, again with fewer lanes if memory runs out.

        Raises
        ------
        Exception
            Of type ``full``, if there is no room for it even alone.
        """
        while True:
            with self._lane() as n:
                try:
                    return work()
                except self._full:
                    if n == 1:
                        raise
            self._halve(n)

    @contextmanager
    def _lane(self) -> Iterator[int]:
        """A lane, and of how many it is one."""
        with self._turn:
            self._turn.wait_for(lambda: self._at_work < self.n)
            self._at_work += 1
            n = self.n
        try:
            yield n
        finally:
            with self._turn:
                self._at_work -= 1
                self._turn.notify_all()

    def _halve(self, n: int) -> None:
        """Half of n lanes, unless another thread has seen to it already."""
        with self._turn:
            if self.n == n:
                self.n = n // 2
                self._remember(self.n)
        self._free()


def remembered(extractor: str, device: str) -> int | None:
    """The number found for an extractor, by its fingerprint, on a device of that name; None if there is none."""
    path = _cards.folder() / _file(extractor, device)
    if not path.exists():
        return None
    n = json.loads(path.read_text("utf-8"))["lanes"]
    return n if n in LEVELS else None


def remember(extractor: str, device: str, n: int) -> None:
    """Keep a number beside the cards of extractors."""
    _cards.put(_file(extractor, device), json.dumps({"device": device, "extractor": extractor, "lanes": n}).encode())


def _file(extractor: str, device: str) -> str:
    return f"{fingerprint('extractor-lanes', {'extractor': extractor, 'device': device})}.json"
