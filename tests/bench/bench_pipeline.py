"""End to end against decoding alone and against the extractor alone, on real pictures, in one run.

Where both parts run on the same cores, each alone has all of them, and together they reach the harmonic sum of their
rates at best: 1 / (1 / decode + 1 / forward).

``PYTHONPATH=. python -m tests.bench.bench_pipeline [--pictures 5000] [--extractor classical] [--repeats 3]``
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np

from audit.extractors import load_extractor
from storage.records import AuditRequest, Status
from storage.settings import Settings
from storage.sources import SourceLimits, SourceSpec, open_source
from tests.bench.real_pictures import natural_manifest, shared_data
from workers.decoders import DecoderPool
from workers.service import Service
from workers.steps.embed import BATCH, forwarded

FORWARD_PICTURES = 2048


def main() -> None:
    """Run the three in turn, several times, and print medians and ratios."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pictures", type=int, default=5000)
    parser.add_argument("--extractor", default="classical")
    parser.add_argument("--repeats", type=int, default=3)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        spec = SourceSpec(uri=str(natural_manifest(Path(folder), arguments.pictures)), images_root=str(shared_data()))
        measures: dict[str, Callable[[Path], float]] = {
            "decode only": lambda home: _decode_only(spec, arguments.extractor, home),
            "forward only": lambda home: _forward_only(spec, arguments.extractor, home),
            "embed step": lambda home: _end_to_end(spec, arguments.extractor, home)[0],
            "scan + embed + seal + report": lambda home: _end_to_end(spec, arguments.extractor, home)[1],
        }
        rates: dict[str, list[float]] = {name: [] for name in measures}
        for repeat in range(arguments.repeats):
            for name, measure in measures.items():
                home = Path(folder) / f"{repeat}-{name.split()[0]}"
                home.mkdir()
                rates[name].append(measure(home))
    medians = {name: statistics.median(found) for name, found in rates.items()}
    slower = min(medians["decode only"], medians["forward only"])
    shared = 1 / (1 / medians["decode only"] + 1 / medians["forward only"])
    print(f"{arguments.pictures} pictures, {arguments.extractor}, medians of {arguments.repeats}")
    for name, median in medians.items():
        spread = f"{min(rates[name]):.0f}–{max(rates[name]):.0f}"
        print(f"  {name:<30} {median:8.0f} pictures/s ({spread})  {median / slower:6.1%} of the slower part")
    share = medians["embed step"] / shared
    print(f"  decoding and forwarding on the same cores can reach {shared:.0f}; the embed step has {share:.1%} of it")


def _limits(home: Path) -> SourceLimits:
    return SourceLimits(scratch=home)


def _decode_only(spec: SourceSpec, extractor: str, home: Path) -> float:
    settings = Settings(home=home)
    with open_source(spec, limits=_limits(home)) as source:
        locators = [entry.locator for entry in source.entries()]
    pool = DecoderPool(
        settings.decoders,
        settings.max_pixels,
        settings.decode_timeout_s,
        settings.decode_memory_mb,
        limits=_limits(home),
    )
    try:
        wanted = load_extractor(extractor).spec.input
        list(pool.run(spec, locators[:BATCH], wanted, batch=BATCH))
        started = time.perf_counter()
        n = sum(len(batch.positions) for batch in pool.run(spec, locators, wanted, batch=BATCH))
        return n / (time.perf_counter() - started)
    finally:
        pool.close()


def _forward_only(spec: SourceSpec, extractor: str, home: Path) -> float:
    settings = Settings(home=home)
    model = load_extractor(extractor)
    pool = DecoderPool(
        settings.decoders,
        settings.max_pixels,
        settings.decode_timeout_s,
        settings.decode_memory_mb,
        limits=_limits(home),
    )
    try:
        with open_source(spec, limits=_limits(home)) as source:
            locators = [entry.locator for entry in source.entries()][:FORWARD_PICTURES]
        batches = list(pool.run(spec, locators, model.spec.input, batch=BATCH))
        kept = [type(b)(**{**b.__dict__, "pixels": np.array(b.pixels)}) for b in batches]
    finally:
        pool.close()
    with ThreadPoolExecutor(settings.threads) as threads:
        list(forwarded(kept[:4], model.features, threads, 4))
        started = time.perf_counter()
        n = sum(len(batch.positions) for batch, _ in forwarded(kept, model.features, threads, 2 * settings.threads))
        return n / (time.perf_counter() - started)


def _end_to_end(spec: SourceSpec, extractor: str, home: Path) -> tuple[float, float]:
    """Pictures/s of the embedding stage alone, and of everything from submission to the report."""
    from audit.analyses.base import analyses

    skip = tuple(a.name for a in analyses(1))
    with Service.open(Settings(home=home)) as service:
        started = time.perf_counter()
        dataset = service.submit_dataset(spec)
        audit = service.submit_audit([dataset.id], AuditRequest(extractor=extractor, skip=skip))
        embedding = [0.0, 0.0]
        while True:
            state = service.audit(audit.id)
            now = time.perf_counter()
            if state.progress.stage == "embed":
                embedding[0] = embedding[0] or now
                embedding[1] = now
            if state.status.ended:
                break
            time.sleep(0.02)
        if state.status is not Status.DONE:
            raise RuntimeError(f"the audit ended as {state.status}: {state.error}")
        n = service.dataset(dataset.id).n_ok or 0
    return n / (embedding[1] - embedding[0]), n / (time.perf_counter() - started)


if __name__ == "__main__":
    main()
