"""Planted copies of real photographs are found; photographs that are no copies are left alone.

Every threshold here is the promise made to users for 5 000 pictures, on the tenth of them that a test has time for:
``tests/bench/bench_duplicates.py`` runs the whole.
"""

import csv
import hashlib

import numpy as np
import pytest
from PIL import Image, ImageOps

from audit.analyses import duplicates
from audit.duplicates.find import NearConfig, find_within
from audit.duplicates.groups import make_groups
from tests.duplicates_samples import COPIES, dataset, row_of

pytestmark = pytest.mark.data

N, EACH = 420, 20


def opened(path):
    return ImageOps.exif_transpose(Image.open(path)).convert("RGB")


@pytest.fixture(scope="module")
def manifest(shared_data):
    with (shared_data / "MANIFEST.csv").open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


@pytest.fixture(scope="module")
def found(shared_data, manifest):
    rng = np.random.default_rng(5)
    paths = [row["path"] for row in manifest if row["set"] in ("caltech101", "clothing", "cifake", "waterbirds")]
    chosen = [paths[i] for i in rng.permutation(len(paths))[:N]]
    pictures = [opened(shared_data / path) for path in chosen]
    rows = [row_of(image, path) for image, path in zip(pictures, chosen, strict=True)]
    for at, (kind, make) in enumerate(COPIES.items()):
        for k in range(EACH):
            i = at * EACH + k
            rows.append(row_of(make(pictures[i], k), f"{chosen[i]}#{kind}"))
    view = dataset(rows)
    pairs = find_within(view, NearConfig())
    groups = make_groups(view.images, pairs, NearConfig().threshold)
    return [[view.column("path")[row] for row in group.rows] for group in groups]


@pytest.mark.parametrize(
    ("kind", "least"),
    [
        ("requantised", 19),
        ("resized", 19),
        ("brightness", 20),
        ("cropped", 19),
        ("mirrored", 20),
        ("rotated", 16),
        ("covered", 16),
    ],
)
def test_planted_copies_of_photographs_are_grouped_with_their_originals(found, kind, least):
    together = [g for g in found if any(p.endswith(f"#{kind}") for p in g)]
    hits = sum(p.removesuffix(f"#{kind}") in g for g in together for p in g if p.endswith(f"#{kind}"))
    assert hits >= least


def test_hardly_any_photographs_are_called_copies_that_nobody_planted(found):
    originals = [{p.split("#")[0] for p in group} for group in found]
    assert sum(len(group) - 1 for group in originals) <= 5


def test_the_eleven_pairs_of_equal_weather_files_are_exact(shared_data, manifest):
    paths = [row["path"] for row in manifest if row["set"] == "weather"]
    by_hash = {}
    for path in paths:
        by_hash.setdefault(hashlib.sha256((shared_data / path).read_bytes()).hexdigest(), []).append(path)
    equal = [same for same in by_hash.values() if len(same) > 1]
    rows = []
    for digest, same in by_hash.items():
        if len(same) > 1:
            image = opened(shared_data / same[0])
            rows += [row_of(image, path, content_hash=digest) for path in same]
    table = duplicates.compute([dataset(rows)], NearConfig(), np.random.default_rng(0)).tables["duplicates"]
    extra = [row["kind"] for row in table.to_pylist() if not row["keep"]]
    assert len(equal) == 11
    assert extra.count("exact") == sum(len(same) - 1 for same in equal)
