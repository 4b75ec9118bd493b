"""What every extractor must keep."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from audit.dna import DnaCounter
from audit.extractors import Extractor, ExtractorSpec, load_extractor, resolve_spec
from tests.extractor_models import Models

NAMES = (
    "bundled",
    "classical",
    "openclip:tiny-vit/PATH",
    "timm:test_resnet/PATH",
    "timm:test_vit/PATH#bf16",
    "torch:PATH",
    "onnx:PATH",
)


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Models]:
    """Small networks with random weights, and a cache of their own."""
    folder = tmp_path_factory.mktemp("models")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("ASSAY_CACHE", str(folder / "cache"))
        yield Models(folder)


@pytest.fixture(scope="module", params=NAMES)
def name(request: pytest.FixtureRequest, models: Models) -> str:
    return models.named(request.param)


@pytest.fixture(scope="module")
def extractor(name: str) -> Extractor:
    return load_extractor(name)


def pictures(extractor: Extractor, n: int, seed: int = 0) -> np.ndarray:
    size = extractor.spec.input.size
    return np.random.default_rng(seed).integers(0, 256, (n, size, size, 3), dtype=np.uint8)


def test_features_have_the_shapes_of_the_specification(extractor: Extractor) -> None:
    features = extractor.features(pictures(extractor, 3))
    assert features.embedding.shape == (3, extractor.spec.dimension)
    assert features.embedding.dtype == np.float32
    assert [(name, v.shape[0], v.shape[2]) for name, v in features.layers.items()] == [
        (layer.name, 3, layer.n_neurons) for layer in extractor.spec.layers
    ]
    assert {v.dtype for v in features.layers.values()} == {np.dtype(np.float32)}


def test_features_are_finite_with_a_direction(extractor: Extractor) -> None:
    size = extractor.spec.input.size
    blank = np.stack([np.full((size, size, 3), level, np.uint8) for level in (0, 128, 255)])
    features = extractor.features(np.concatenate([blank, pictures(extractor, 2)]))
    assert np.isfinite(features.embedding).all()
    assert (np.linalg.norm(features.embedding, axis=1) > 0).all()


def test_threads_at_once_give_equal_bytes(extractor: Extractor) -> None:
    batches = [pictures(extractor, 8, seed) for seed in range(6)]
    alone = [extractor.features(batch).embedding.tobytes() for batch in batches]
    with ThreadPoolExecutor(4) as pool:
        together = list(pool.map(lambda batch: extractor.features(batch).embedding.tobytes(), batches))
    assert together == alone


def test_ranges_belong_to_the_layers_and_the_fingerprint(extractor: Extractor) -> None:
    assert list(extractor.ranges.layers) == [layer.name for layer in extractor.spec.layers]
    assert [len(v.low) for v in extractor.ranges.layers.values()] == [v.n_neurons for v in extractor.spec.layers]
    assert extractor.ranges.sha256 == extractor.spec.ranges_sha256
    assert extractor.ranges.calibration


def test_visual_dna_counts_its_layers(extractor: Extractor) -> None:
    counter = DnaCounter(extractor.ranges, extractor.spec.fingerprint)
    counter.add(extractor.features(pictures(extractor, 3)).layers)
    assert counter.dna().size == 3


def test_resolving_gives_the_specification_without_running(extractor: Extractor, name: str) -> None:
    assert resolve_spec(name) == extractor.spec


def test_the_specification_survives_json(extractor: Extractor) -> None:
    assert ExtractorSpec.model_validate_json(extractor.spec.model_dump_json()).fingerprint == extractor.spec.fingerprint
