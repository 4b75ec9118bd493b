"""End to end against decoding alone and against the extractor alone, on real pictures, in one run.

Where both parts run on the same cores, each alone has all of them, and together they reach the harmonic sum of their
rates at best: 1 / (1 / decode + 1 / forward). The embed step is timed as a worker that runs for long sees it: the
extractor is loaded and the decoders are up before the clock starts. ``--extractor vit`` is a ViT-B/32 with random
weights. Beside pictures a second there is the processor time of a picture, decoding processes included: on a machine
that others use too, its ratios still hold.

``PYTHONPATH=. python -m tests.bench.bench_pipeline [--pictures 5000] [--extractor classical] [--repeats 3]``
"""

from __future__ import annotations

import argparse
import os
import statistics
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from multiprocessing import active_children
from pathlib import Path

import numpy as np

from audit.dna import DnaCounter
from audit.extractors import load_extractor
from audit.extractors.base import Features
from storage.records import Audit, AuditRequest, Status
from storage.settings import Settings
from storage.sources import SourceLimits, SourceSpec, open_source
from tests.bench.random_weights import VIT, random_timm
from tests.bench.real_pictures import natural_manifest, shared_data
from workers.allocator import keep_freed_activations
from workers.decoders import DecodedBatch, DecoderPool
from workers.forwarding import forwarded
from workers.service import Service
from workers.steps.embed import BATCH

FORWARD_PICTURES = 2048
POLL_S = 0.25
"""Asking how far an audit is costs milliseconds, and fifty times a second it showed in the figures."""


@dataclass(frozen=True)
class Cost:
    """What some pictures took: ``rate`` in pictures/s, ``processor`` in seconds of processor time a picture."""

    rate: float
    processor: float


def main() -> None:
    """Run the three in turn, several times, and print medians and ratios."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pictures", type=int, default=5000)
    parser.add_argument("--extractor", default="classical")
    parser.add_argument("--repeats", type=int, default=3)
    arguments = parser.parse_args()
    runs: list[dict[str, Cost]] = []
    with tempfile.TemporaryDirectory() as folder:
        extractor = _named(arguments.extractor, Path(folder))
        spec = SourceSpec(uri=str(natural_manifest(Path(folder), arguments.pictures)), images_root=str(shared_data()))
        for repeat in range(arguments.repeats):
            homes = [Path(folder) / f"{repeat}-{part}" for part in ("decode", "forward", "end")]
            for home in homes:
                home.mkdir()
            alone = {"decode only": _decode_only(spec, extractor, homes[0])}
            alone["forward only"] = _forward_only(spec, extractor, homes[1])
            runs.append({**alone, **_end_to_end(spec, extractor, homes[2])})
    print(f"{arguments.pictures} pictures, {arguments.extractor}, medians of {arguments.repeats}")
    _tell(runs)


def _tell(runs: list[dict[str, Cost]]) -> None:
    for name in runs[0]:
        rates = [run[name].rate for run in runs]
        spent = statistics.median(run[name].processor for run in runs)
        spread = f"{min(rates):.1f} to {max(rates):.1f}"
        print(f"  {name:<30} {statistics.median(rates):8.1f} pictures/s ({spread}), {spent * 1e3:7.2f} ms of processor")

    def share(part: Callable[[dict[str, Cost]], float]) -> str:
        return f"{statistics.median(part(run) for run in runs):.1%}"

    shared = share(lambda run: run["embed step"].rate * (1 / run["decode only"].rate + 1 / run["forward only"].rate))
    print(f"  embed step / forward only, pictures/s:          {share(_by('rate'))}")
    print(f"  forward only / embed step, processor time:      {share(_by('processor'))}")
    print(f"  embed step / (decode + forward on the same cores), pictures/s: {shared}")


def _by(measure: str) -> Callable[[dict[str, Cost]], float]:
    """The forward pass's share of the embed step: 1 if everything else were free."""
    if measure == "rate":
        return lambda run: run["embed step"].rate / run["forward only"].rate
    return lambda run: run["forward only"].processor / run["embed step"].processor


def _named(extractor: str, folder: Path) -> str:
    """The name of the extractor; the large one is made, with a cache of its own, and calibrated."""
    if extractor != "vit":
        return extractor
    os.environ["ASSAY_CACHE"] = str(folder)
    keep_freed_activations()
    name = random_timm(VIT, folder)
    load_extractor(name)
    return name


class _Clock:
    """Wall and processor time from its making on, this process and its living children.

    ``asks``: the thread that makes it only asks how far others are, and its own time does not count.
    """

    def __init__(self, *, asks: bool = False) -> None:
        self._asks = asks
        self._wall, self._processor = time.perf_counter(), self._spent()

    def cost(self, n: int) -> Cost:
        """What ``n`` pictures took so far."""
        return Cost(n / (time.perf_counter() - self._wall), (self._spent() - self._processor) / n)

    def _spent(self) -> float:
        return _processor_s() - (time.thread_time() if self._asks else 0.0)


def _processor_s() -> float:
    """Processor time of this process and of its decoding processes, in seconds."""
    ticks = 0
    for child in active_children():
        fields = Path(f"/proc/{child.pid}/stat").read_text("utf-8").rpartition(")")[2].split()
        ticks += int(fields[11]) + int(fields[12])
    return time.process_time() + ticks / os.sysconf("SC_CLK_TCK")


def _limits(home: Path) -> SourceLimits:
    return SourceLimits(scratch=home)


def _locators(spec: SourceSpec, home: Path) -> list[str]:
    with open_source(spec, limits=_limits(home)) as source:
        return [entry.locator for entry in source.entries()]


def _pool(settings: Settings) -> DecoderPool:
    return DecoderPool(
        settings.decoders,
        settings.max_pixels,
        settings.decode_timeout_s,
        settings.decode_memory_mb,
        limits=_limits(settings.home),
    )


def _decode_only(spec: SourceSpec, extractor: str, home: Path) -> Cost:
    locators = _locators(spec, home)
    wanted = load_extractor(extractor).spec.input
    with _pool(Settings(home=home)) as pool:
        list(pool.run(spec, locators[: 4 * BATCH], wanted, batch=BATCH))
        clock = _Clock()
        return clock.cost(sum(len(batch.positions) for batch in pool.run(spec, locators, wanted, batch=BATCH)))


def _forward_only(spec: SourceSpec, extractor: str, home: Path) -> Cost:
    settings = Settings(home=home)
    model = load_extractor(extractor)
    with _pool(settings) as pool:
        batches = pool.run(spec, _locators(spec, home)[:FORWARD_PICTURES], model.spec.input, batch=BATCH)
        kept = [replace(batch, pixels=np.array(batch.pixels)) for batch in batches]

    def work(batch: DecodedBatch) -> Features:
        return model.features(batch.pixels)

    with ThreadPoolExecutor(settings.threads) as threads:
        list(forwarded(kept[:2], work, threads, 2))
        clock = _Clock()
        return clock.cost(
            sum(len(batch.positions) for batch, _ in forwarded(kept, work, threads, 2 * settings.threads))
        )


def _end_to_end(spec: SourceSpec, extractor: str, home: Path) -> dict[str, Cost]:
    """The embedding stage alone, and everything from submission to the report."""
    from audit.analyses.base import analyses

    skip = tuple(a.name for a in analyses(1))
    with Service.open(Settings(home=home)) as service:
        service.runtime.extractor(extractor)
        _warm(service, spec, extractor)
        whole = _Clock(asks=True)
        dataset = service.submit_dataset(spec)
        audit = service.submit_audit([dataset.id], AuditRequest(extractor=extractor, skip=skip))
        state = _until(service, audit.id, lambda state: state.progress.stage == "embed")
        embed = _Clock(asks=True)
        state = _until(service, audit.id, lambda state: state.progress.stage not in ("embed", "scan"))
        n = service.dataset(dataset.id).n_ok or 0
        embedded = embed.cost(n)
        state = _until(service, audit.id, lambda state: state.status.ended)
        if state.status is not Status.DONE:
            raise RuntimeError(f"the audit ended as {state.status}: {state.error}")
        return {"embed step": embedded, "scan + embed + seal + report": whole.cost(n)}


def _until(service: Service, audit: str, reached: Callable[[Audit], bool]) -> Audit:
    while not (reached(state := service.audit(audit)) or state.status.ended):
        time.sleep(POLL_S)
    return state


def _warm(service: Service, spec: SourceSpec, extractor: str) -> None:
    """Bring up the decoders, and forward and count once, as an earlier shard would have done."""
    model = service.runtime.extractor(extractor)
    locators = _locators(spec, service.settings.home)[: 4 * BATCH]
    batches = list(service.runtime.decoders.run(spec, locators, model.spec.input, batch=BATCH))
    DnaCounter(model.ranges, model.spec.fingerprint).add(model.features(batches[0].pixels).layers)


if __name__ == "__main__":
    main()
