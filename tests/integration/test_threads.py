"""The same extractor, vectors and counts of Visual DNA, to the byte, whatever the number of threads."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from threadpoolctl import threadpool_limits

from audit.dna import DnaCounter
from audit.extractors import load_extractor, resolve_spec
from tests.extractor_models import Models

NAMES = ("bundled", "classical", "timm:test_resnet/PATH")


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Models:
    return Models(tmp_path_factory.mktemp("models"))


@pytest.mark.parametrize("model", NAMES)
def test_one_thread_and_two_give_equal_vectors_and_counts(
    model: str, models: Models, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ASSAY_CACHE", str(models.folder / "cache"))
    name = models.named(model)
    extractor, size = load_extractor(name), resolve_spec(name).input.size
    rng = np.random.default_rng(0)
    batches = [rng.integers(0, 256, (n, size, size, 3), dtype=np.uint8) for n in (32, 32, 32, 7)]

    def embedded(n_threads: int) -> tuple[str, bytes, DnaCounter]:
        counter, vectors = DnaCounter(extractor.ranges, extractor.spec.fingerprint), []
        with threadpool_limits(n_threads), ThreadPoolExecutor(n_threads) as threads:
            for features in threads.map(extractor.features, batches):
                vectors.append(features.embedding)
                counter.add(features.layers)
        return resolve_spec(name).fingerprint, np.concatenate(vectors).tobytes(), counter

    (one, vectors_of_one, counted_by_one), (two, vectors_of_two, counted_by_two) = embedded(1), embedded(2)
    assert one == two == extractor.spec.fingerprint
    assert vectors_of_one == vectors_of_two
    assert counted_by_one.dna().same_as(counted_by_two.dna())
