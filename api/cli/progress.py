"""How a running audit is shown: a bar on a terminal, a line every few seconds elsewhere, always on stderr."""

from __future__ import annotations

import math
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import IO, Protocol

from api.durations import duration

LINE_EVERY_S = 5.0
STILL_EVERY_S = 30.0


class Progress(Protocol):
    """Where a job stands, as the service tells it."""

    @property
    def stage(self) -> str:
        """Name of the stage."""
        ...

    @property
    def done(self) -> int:
        """Units done in the stage."""
        ...

    @property
    def total(self) -> int | None:
        """Units in the stage; None or 0 while it is not known."""
        ...

    @property
    def images_per_s(self) -> float | None:
        """Pictures a second, lately; None where it says nothing."""
        ...

    @property
    def eta_s(self) -> float | None:
        """Seconds left in the stage; None while it is not known."""
        ...

    @property
    def at(self) -> str:
        """What is at work, where steps are counted."""
        ...

    @property
    def at_since(self) -> float | None:
        """When that was begun, in seconds since 1970."""
        ...


Show = Callable[[Progress], None]


def line(progress: Progress) -> str:
    """One line of plain text: stage, count, speed and time left, or what is at work and for how long."""
    count = f"{progress.done:,} of {progress.total:,}" if progress.total else f"{progress.done:,}"
    parts = ([count] if progress.total or progress.done else ["begins"]) + _speed(progress)
    return f"{progress.stage}: {', '.join(parts)}"


def _speed(progress: Progress) -> list[str]:
    parts = []
    if progress.images_per_s:
        parts.append(f"{progress.images_per_s:,.0f} images/s")
    if progress.eta_s is not None:
        parts.append(f"{duration(progress.eta_s)} left")
    if progress.at_since is not None:
        parts.append(f"{progress.at} for {duration(time.time() - progress.at_since)}")
    return parts


@contextmanager
def shown(*, quiet: bool, stream: IO[str] | None = None) -> Iterator[Show]:
    """Give a function that shows progress, fit for where stderr goes.

    Parameters
    ----------
    quiet : bool
        Show nothing.
    stream : text file, optional
        Standard error by default.
    """
    stream = stream or sys.stderr
    if quiet:
        yield lambda progress: None
    elif stream.isatty():
        with _bar(stream) as show:
            yield show
    else:
        yield plain_lines(stream)


def plain_lines(stream: IO[str], *, every_s: float = LINE_EVERY_S, clock: Callable[[], float] = time.monotonic) -> Show:
    """Write a line when a stage begins, and at most one every ``every_s`` seconds within it.

    While nothing changes but the time, a line every half minute says what is at work.
    """
    told, written = ("", -1, ""), -math.inf

    def show(progress: Progress) -> None:
        nonlocal told, written
        now, news = clock(), (progress.stage, progress.done, progress.at)
        wait = 0.0 if news[0] != told[0] else every_s if news != told else STILL_EVERY_S
        if now < written + wait:
            return
        told, written = news, now
        stream.write(line(progress) + "\n")
        stream.flush()

    return show


@contextmanager
def _bar(stream: IO[str]) -> Iterator[Show]:
    from rich import progress as bars
    from rich.console import Console

    columns = (
        bars.TextColumn("{task.description:<10}"),
        bars.BarColumn(bar_width=None),
        bars.MofNCompleteColumn(),
        bars.TextColumn("{task.fields[speed]}", style="dim"),
    )
    with bars.Progress(*columns, console=Console(file=stream), transient=True, expand=True) as bar:
        task = bar.add_task("starting", total=None, speed="")

        def show(progress: Progress) -> None:
            bar.update(
                task,
                description=progress.stage,
                completed=progress.done,
                total=progress.total or None,
                speed=" · ".join(_speed(progress)),
            )

        yield show
