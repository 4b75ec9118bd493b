"""The bundled extractor: small, quick to know, stable."""

import subprocess
import sys

import numpy as np

from audit.extractors import load_extractor, resolve_spec
from audit.extractors.bundled import WEIGHTS, range_tensors, read_ranges


def test_the_weights_fit_the_package() -> None:
    assert WEIGHTS.stat().st_size < 10_000_000


def test_its_specification_is_known_without_torch() -> None:
    code = (
        "import sys; from audit.extractors import resolve_spec; "
        "resolve_spec('bundled'); assert 'torch' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_it_has_as_many_neurons_as_visual_dna_wants() -> None:
    spec = resolve_spec("bundled")
    assert 4 <= len(spec.layers) <= 6
    assert 1000 <= sum(layer.n_neurons for layer in spec.layers) <= 4000
    assert 256 <= spec.dimension <= 512


def test_ranges_survive_their_tensors() -> None:
    ranges = read_ranges()
    stored = range_tensors(ranges)
    for name, layer in ranges.layers.items():
        np.testing.assert_array_equal(stored[f"ranges.{name}.low"], layer.low)
        np.testing.assert_array_equal(stored[f"ranges.{name}.dead"].astype(bool), layer.dead)


def test_a_picture_is_nearer_to_its_darker_self_than_to_another() -> None:
    from audit.scenes import calibration_pictures

    extractor = load_extractor("bundled")
    one, other = calibration_pictures(2, extractor.spec.input.size)
    darker = (one * 0.8).astype(np.uint8)
    vectors = extractor.features(np.stack([one, darker, other])).embedding
    unit = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    assert unit[0] @ unit[1] > unit[0] @ unit[2]
