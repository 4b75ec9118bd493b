"""Stored datasets are compared with the copies that their audits searched for."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageEnhance

from audit.analyses.base import analyses
from audit.dna.bursts import by_image
from audit.dna.weights import of_layers
from audit.errors import FingerprintMismatchError
from storage.records import Audit, AuditRequest, Status
from storage.settings import Settings
from storage.sources import SourceSpec
from workers.service import Service

N, TIMES = 12, 3
SKIPPED = tuple(one.name for one in analyses(datasets=2) if one.name != "visual_dna")


def drawn(folder: Path, seed: int) -> Path:
    """Twelve pictures of coarse noise, each of them three times, once brighter and once darker."""
    folder.mkdir()
    rng = np.random.default_rng(seed)
    for i in range(N):
        blocks = Image.fromarray(rng.integers(0, 256, (8, 8, 3), dtype=np.uint8))
        picture = blocks.resize((96, 96), Image.Resampling.BICUBIC)
        for k, light in enumerate((1.0, 0.95, 1.05)):
            ImageEnhance.Brightness(picture).enhance(light).save(folder / f"{i:02d}-{k}.png")
    return folder


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    with Service.open(Settings(home=tmp_path_factory.mktemp("home"))) as service:
        yield service


@pytest.fixture(scope="module")
def done(service: Service, tmp_path_factory: pytest.TempPathFactory) -> Audit:
    root = tmp_path_factory.mktemp("pictures")
    sources = [SourceSpec(uri=str(drawn(root / name, seed))) for seed, name in enumerate(("left", "right"))]
    datasets = [service.submit_dataset(source) for source in sources]
    request = AuditRequest(extractor="classical", skip=SKIPPED)
    return service.wait(service.submit_audit([one.id for one in datasets], request).id)


def test_a_comparison_counts_copies_once(service: Service, done: Audit) -> None:
    assert done.status is Status.DONE
    (section,) = [one for one in service.report_json(done.id).sections if one.analysis == "visual_dna"]
    (text,) = [block.text for block in section.blocks if block.kind == "text"]
    assert f"the {N * TIMES} pictures of left are {N} bursts" in text


def test_the_copies_of_a_stored_dataset_come_with_its_visual_dna(service: Service, done: Audit) -> None:
    views = [service.dna(done.id, name) for name in ("left", "right")]
    assert all(view.copies is not None for view in views)
    images = by_image(views)
    assert images is not None
    assert [side.n_bursts for side in images] == [N, N]


def test_weights_of_another_extractor_are_refused_before_anything_is_done(service: Service, done: Audit) -> None:
    view = service.dna(done.id, "left")
    assert view.dna is not None
    weights = of_layers(view.dna.ranges, "other", [next(iter(view.dna.ranges.layers))])
    request = AuditRequest(extractor="classical", analyses={"visual_dna": {"weights": weights.plain()}})
    datasets = [one.id for one in service.datasets()]
    with pytest.raises(FingerprintMismatchError, match="of the comparison"):
        service.submit_audit(datasets, request)
