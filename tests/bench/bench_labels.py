"""Planted wrong labels: average precision of the audit's ranking beside cleanlab's on the same embeddings.

``PYTHONPATH=. python -m tests.bench.bench_labels [--extractor classical] [--share 0.05] [--seeds 3] [SET ...]``

cleanlab gets out-of-fold probabilities of a logistic regression on the standardised embeddings (5 folds) and ranks by
its self-confidence, its default. Labels of whole bursts of copies are not treated alike by it; here they are.
"""

from __future__ import annotations

import argparse
import csv
import statistics
import tempfile
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
from cleanlab.rank import get_label_quality_scores
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import average_precision_score
from sklearn.model_selection import StratifiedKFold, cross_val_predict
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from storage.records import AuditRequest
from storage.settings import Settings
from storage.sources import SourceSpec
from tests.bench.real_pictures import shared_data
from workers.service import Service

SETS = ("caltech101", "clothing", "weather", "pacs", "cifake")


def main() -> None:
    """Plant, audit, rank, and print a row for each set."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("sets", nargs="*", default=list(SETS))
    parser.add_argument("--extractor", default="classical")
    parser.add_argument("--share", type=float, default=0.05)
    parser.add_argument("--seeds", type=int, default=3)
    arguments = parser.parse_args()
    print(f"{arguments.share:.0%} wrong labels, {arguments.extractor}, medians of {arguments.seeds} draws")
    print(f"{'set':<14}{'n':>6}{'wrong':>7}{'audit':>8}{'cleanlab':>10}{'by chance':>11}")
    with tempfile.TemporaryDirectory() as folder, Service.open(Settings(home=Path(folder) / "home")) as service:
        for name in arguments.sets:
            runs = []
            for seed in range(arguments.seeds):
                manifest, wrong = plant(name, arguments.share, seed, Path(folder))
                tables = audited(service, manifest, arguments.extractor, Path(folder) / f"{name}-{seed}")
                runs.append((*precisions(tables, wrong, seed), len(wrong)))
            ours, theirs, n = (statistics.median(run[i] for run in runs) for i in (0, 1, 2))
            n_wrong = runs[0][3]
            print(f"{name:<14}{n:>6.0f}{n_wrong:>7}{ours:>8.3f}{theirs:>10.3f}{n_wrong / n:>11.3f}", flush=True)


def plant(name: str, share: float, seed: int, folder: Path) -> tuple[Path, set[str]]:
    """A manifest of a set's photographs in which a share of the labels is another class; the paths of those."""
    with (shared_data() / "MANIFEST.csv").open(encoding="utf-8", newline="") as file:
        rows = [row for row in csv.DictReader(file) if row["set"] == name and _is_real(row["attributes"])]
    rng = np.random.default_rng(seed)
    classes = sorted({row["label"] for row in rows})
    chosen = set(rng.permutation(len(rows))[: round(share * len(rows))].tolist())
    path = folder / f"{name}-{seed}.csv"
    wrong = set()
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(("path", "label"))
        for number, row in enumerate(rows):
            label = row["label"]
            if number in chosen:
                label = str(rng.choice([other for other in classes if other != label]))
                wrong.add(row["path"])
            writer.writerow((row["path"], label))
    return path, wrong


def _is_real(attributes: str) -> bool:
    return not any(text in attributes for text in ("kind=fake", "domain=art", "domain=cartoon", "domain=sketch"))


def audited(service: Service, manifest: Path, extractor: str, out: Path) -> Path:
    """Audit the manifest; the folder of its tables."""
    dataset = service.submit_dataset(SourceSpec(uri=str(manifest), images_root=str(shared_data())))
    audit = service.submit_audit([dataset.id], AuditRequest(extractor=extractor))
    service.wait(audit.id)
    service.export(audit.id, out)
    return out / "tables"


def precisions(tables: Path, wrong: set[str], seed: int) -> tuple[float, float, int]:
    """Average precision of the audit and of cleanlab over the pictures that both judge, and how many these are."""
    ranking = pq.read_table(tables / "labels.parquet").to_pandas().set_index("path")
    embeddings = pq.read_table(tables / "embeddings.parquet").to_pandas().set_index("path")
    vectors = np.stack(embeddings.loc[ranking.index, "embedding"].to_numpy())
    classes = np.unique(ranking["label"], return_inverse=True)[1]
    truth = ranking.index.isin(wrong)
    probe = make_pipeline(StandardScaler(), LogisticRegression(C=0.01, max_iter=500))
    folds = StratifiedKFold(5, shuffle=True, random_state=seed)
    believed = cross_val_predict(probe, vectors, classes, cv=folds, method="predict_proba")
    theirs = -get_label_quality_scores(classes, believed)
    return (
        float(average_precision_score(truth, ranking["score"])),
        float(average_precision_score(truth, theirs)),
        len(ranking),
    )


if __name__ == "__main__":
    main()
