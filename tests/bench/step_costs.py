"""What every step of an audit takes: processor seconds and peak memory, by stage and by analysis.

``PYTHONPATH=. python -m tests.bench.step_costs COSTS.json audit SOURCE …`` runs the command line in this process, one
step at a time (so what the process spends meanwhile is the step's), and writes the costs by name.
"""

from __future__ import annotations

import json
import os
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from multiprocessing import active_children
from pathlib import Path
from typing import Any, cast

from tests.bench.bench_real_sets import anonymous

POLL_S = 0.1


@dataclass
class Cost:
    """Of the steps of one name: how many, seconds on the clock and of processors (children too), peak MB."""

    steps: int = 0
    clock: float = 0.0
    processor: float = 0.0
    peak_mb: float = 0.0
    peak_all_mb: float = 0.0


@dataclass
class Costs:
    """Costs by name; ``between`` is spent while no step is at work, ``own`` by this process in steps."""

    by_name: dict[str, Cost] = field(default_factory=dict)
    own: float = 0.0
    _name: str = "between"

    @contextmanager
    def of(self, name: str) -> Iterator[None]:
        """Add what is spent in the body to a name."""
        self._name = name
        clock, processor, own = time.perf_counter(), processor_s(), time.process_time()
        try:
            yield
        finally:
            cost = self.by_name.setdefault(name, Cost())
            cost.steps += 1
            cost.clock += time.perf_counter() - clock
            cost.processor += processor_s() - processor
            self.own += time.process_time() - own
            self._name = "between"

    def watch(self) -> None:
        """Look at the memory now and then, for the life of the process."""
        while True:
            cost = self.by_name.setdefault(self._name, Cost())
            mine = anonymous(os.getpid())
            everyone = mine + sum(anonymous(child.pid) for child in active_children() if child.pid)
            cost.peak_mb, cost.peak_all_mb = max(cost.peak_mb, mine), max(cost.peak_all_mb, everyone)
            time.sleep(POLL_S)


def processor_s() -> float:
    """Processor time of this process and of its decoding processes, in seconds."""
    ticks = 0
    for child in active_children():
        fields = Path(f"/proc/{child.pid}/stat").read_text("utf-8").rpartition(")")[2].split()
        ticks += int(fields[11]) + int(fields[12])
    return time.process_time() + ticks / os.sysconf("SC_CLK_TCK")


def main() -> None:
    """Run the command with every step watched."""
    from api.cli import main as assay
    from workers import runtime

    out, arguments = Path(sys.argv[1]), sys.argv[2:]
    costs = Costs()

    def watched(work: Callable[[Any], Any]) -> Callable[[Any], Any]:
        def run(context: Any) -> Any:
            step = context.step
            name = step.stage if step.stage in {"scan", "embed", "seal", "report"} else step.name.partition("-")[0]
            with costs.of(name):
                return work(context)

        return run

    steps = cast("dict[str, Callable[[Any], Any]]", runtime.STEPS)
    steps.update({name: watched(work) for name, work in steps.items()})
    threading.Thread(target=costs.watch, daemon=True).start()
    code = 1
    try:
        code = assay(arguments)
    finally:
        costs.by_name.setdefault("between", Cost()).processor = time.process_time() - costs.own
        out.write_text(json.dumps({name: vars(cost) for name, cost in costs.by_name.items()}), encoding="utf-8")
    sys.exit(code)


if __name__ == "__main__":
    main()
