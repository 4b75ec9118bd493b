"""Halves of one real set, compared: are p-values uniform, verdicts as rare as they should be, intervals wide enough?

``PYTHONPATH=. python -m tests.bench.bench_comparison_null [--splits 100] [--extractor bundled] [SET ...]``

Pictures are embedded once; a split deals at most 800 of them to two datasets at random. For each measure: the
Kolmogorov-Smirnov p of its p-values against the uniform distribution, and how often it is at most .05. ``verdict`` is
that of the two-sample test at 5 % (twice the smaller of its two p-values). ``held`` is how often the interval holds
what is true of halves: an AUC of one half, a distance of 0.

Recorded on 27 November 2026 with bundled, 100 splits; the Fréchet distance on 30 and 40 of them:

caltech101, 600 against 600 pictures, 199 permutations, and the real half of cifake, 400 against 400, 99 permutations
    auc      median .498 and .503, KS p .91 and .84, <= .05 in .08 and .05, held .92 and .96
    mmd      median .0000 and .0000, KS p .60 and .37, <= .05 in .05 and .05
    verdict  <= .05 in .04 and .06
    kid      median -.0004 and .0002, KS p .68 and .68, <= .05 in .04 and .06, held 1.00 and 1.00
    cmmd     median -.0008 and .0004, KS p .95 and .16, <= .05 in .04 and .04, held 1.00 and 1.00
    frechet  median .090 and .093, below the end of its null band in .97 and .93
    limit    median -.0013 and -.0006, held 1.00 and .97
"""

from __future__ import annotations

import argparse
import csv
import tempfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow.parquet as pq
from scipy.stats import kstest

from audit.analyses import frechet, kernel_distances, two_sample
from audit.analyses.base import analyses
from audit.maths.neighbours import nearest
from audit.model import IMAGES_SCHEMA, DatasetView, Embeddings
from storage.records import AuditRequest
from storage.settings import Settings
from storage.sources import SourceSpec
from tests.bench.real_pictures import shared_data
from workers.service import Service

SETS = ("caltech101", "cifake")
LARGEST = 800
N_FRECHET = 40
"""Splits on which the slower Fréchet distance is taken too."""


def main() -> None:
    """Embed each set, split it many times, and print a row for each measure."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("sets", nargs="*", default=list(SETS))
    parser.add_argument("--extractor", default="bundled")
    parser.add_argument("--splits", type=int, default=100)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder, Service.open(Settings(home=Path(folder) / "home")) as service:
        for name in arguments.sets:
            view = embedded(service, name, arguments.extractor, Path(folder))
            print(f"{name}, {len(view)} pictures, {arguments.extractor}, {arguments.splits} splits")
            print(f"{'measure':<10}{'median':>10}{'KS p':>8}{'<= .05':>8}{'held':>7}")
            rng = np.random.default_rng(0)
            report([compared(*split(view, rng), rng, number) for number in range(arguments.splits)])


def embedded(service: Service, name: str, extractor: str, folder: Path) -> DatasetView:
    """The photographs of a set under an extractor."""
    with (shared_data() / "MANIFEST.csv").open(encoding="utf-8", newline="") as file:
        paths = [
            row["path"]
            for row in csv.DictReader(file)
            if row["path"].startswith(f"images/{name}/") and "kind=fake" not in row["attributes"]
        ]
    manifest = folder / f"{name}.csv"
    manifest.write_text("path\n" + "\n".join(sorted(paths)) + "\n", encoding="utf-8")
    dataset = service.submit_dataset(SourceSpec(uri=str(manifest), images_root=str(shared_data())))
    skip = tuple(one.name for one in analyses(datasets=1))
    audit = service.wait(service.submit_audit([dataset.id], AuditRequest(extractor=extractor, skip=skip)).id)
    service.export(audit.id, folder / name)
    table = pq.read_table(folder / name / "tables" / "embeddings.parquet")
    vectors = np.stack(table.column("embedding").to_numpy()).astype(np.float32)
    ids, blank = table.column("image_id").to_pylist(), [None] * len(vectors)
    columns = {field.name: blank for field in IMAGES_SCHEMA} | {"image_id": ids, "path": ids}
    columns |= {"path_bytes": [one.encode() for one in ids], "locator": ids, "status": ["ok"] * len(ids)}
    images = IMAGES_SCHEMA.empty_table().from_pydict(columns, schema=IMAGES_SCHEMA)
    return DatasetView(name, "", images, images.slice(0, 0), Embeddings(vectors, extractor, extractor))


def split(view: DatasetView, rng: np.random.Generator) -> tuple[DatasetView, DatasetView]:
    """Two datasets of equal size, dealt at random."""
    chosen = rng.permutation(len(view))[:LARGEST]
    half = len(chosen) // 2
    return part(view, chosen[:half], "reference"), part(view, chosen[half : 2 * half], "candidate")


def part(view: DatasetView, rows: npt.NDArray[np.int64], name: str) -> DatasetView:
    """Some rows of a dataset as a dataset."""
    rows = np.sort(rows)
    vectors = np.ascontiguousarray(view.vectors[rows])
    embeddings = Embeddings(vectors, name, "the same")
    return DatasetView(name, name, view.images.take(rows), view.excluded, embeddings, nearest(vectors, 20, threads=1))


def compared(left: DatasetView, right: DatasetView, rng: np.random.Generator, number: int) -> dict[str, list[float]]:
    """Value, p-value and whether the interval holds the truth, of every measure."""
    test = two_sample.compute((left, right), two_sample.TwoSampleConfig(n_permutations=99), rng).result
    found = {
        "auc": [test.auc, test.p_value, test.auc_low <= 0.5 <= test.auc_high],
        "mmd": [test.mmd, test.mmd_p_value, np.nan],
        "verdict": [np.nan, 2 * min(test.p_value, test.mmd_p_value), np.nan],
    }
    config = kernel_distances.KernelDistancesConfig(n_permutations=99, n_resamples=99, n_draws=20)
    kernel = kernel_distances.compute((left, right), config, rng).result
    for name, one in (("kid", kernel.kid), ("cmmd", kernel.cmmd)):
        found[name] = [one.value, one.p_value, one.low <= 0 <= one.high]
    if number < N_FRECHET:
        distance = frechet.compute((left, right), frechet.FrechetConfig(n_draws=5), rng).result
        found["frechet"] = [distance.value, np.nan, distance.value <= distance.null_high]
        found["limit"] = [distance.infinite, np.nan, distance.infinite_low <= 0 <= distance.infinite_high]
    return found


def report(splits: Sequence[dict[str, list[float]]]) -> None:
    """A row for each measure; ``held`` of the Fréchet distance is how often it lies below the end of its null band."""
    for name in splits[0]:
        values = np.array([one[name] for one in splits if name in one], dtype=float)
        value, held = np.median(values[:, 0]), values[:, 2].mean()
        p = values[:, 1]
        uniform = np.nan if name == "verdict" or np.isnan(p).any() else kstest(p, "uniform").pvalue
        rare = np.nan if np.isnan(p).any() else np.mean(p <= 0.05)
        print(f"{name:<10}{value:>10.4f}{uniform:>8.2f}{rare:>8.2f}{held:>7.2f}", flush=True)


if __name__ == "__main__":
    main()
