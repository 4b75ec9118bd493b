"""What every network shares: normalisation, ranges that are given or calibrated, refusals."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from audit.dna import LayerRanges, NeuronRanges
from audit.errors import ExtractorError
from audit.extractors._network import Network, Preprocessing, carded, identity
from audit.extractors.base import ExtractorSpec, InputSpec, Layer

PREPROCESSING = Preprocessing(InputSpec(size=2), (0.5, 0.0, 0.0), (0.25, 1.0, 1.0))


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ASSAY_CACHE", str(tmp_path))


def known() -> tuple[ExtractorSpec, NeuronRanges]:
    ranges = NeuronRanges(
        {"x": LayerRanges(np.zeros(3, np.float32), np.ones(3, np.float32), np.zeros(3, bool))}, "shipped"
    )
    spec = ExtractorSpec(
        name="mine",
        architecture="none",
        weights_sha256="0" * 64,
        input=PREPROCESSING.input,
        dimension=3,
        layers=(Layer(name="x", n_neurons=3),),
        ranges_sha256=ranges.sha256,
    )
    return spec, ranges


def run(pixels: np.ndarray) -> tuple[np.ndarray, dict[str, np.ndarray]]:
    return pixels.mean((2, 3)), {"x": pixels.reshape(len(pixels), 3, -1).transpose(0, 2, 1)}


def test_pixels_are_normalised_channel_by_channel_and_channels_come_first() -> None:
    seen: list[Any] = []

    def looking(pixels: np.ndarray) -> tuple[np.ndarray, dict[str, np.ndarray]]:
        seen.append(pixels)
        return run(pixels)

    picture = np.zeros((1, 2, 2, 3), np.uint8)
    picture[..., 0], picture[..., 1] = 255, 51
    Network(PREPROCESSING, looking, known()).features(picture)
    assert seen[0].shape == (1, 3, 2, 2)
    assert seen[0][0, :, 0, 0].tolist() == pytest.approx([2.0, 0.2, 0.0])


def test_ranges_that_are_given_are_used_without_a_card(tmp_path: Path) -> None:
    spec, ranges = known()
    network = Network(PREPROCESSING, run, (spec, ranges))
    assert (network.spec, network.ranges) == (spec, ranges)
    assert list(tmp_path.iterdir()) == []


def test_ranges_that_are_not_given_are_calibrated_once(monkeypatch: pytest.MonkeyPatch) -> None:
    about = identity("mine", "net", "0" * 64, version=1)
    first, ranges = carded(about, PREPROCESSING, run)

    def never(pixels: np.ndarray) -> Any:
        raise AssertionError("the card was not used")

    second, again = carded(about, PREPROCESSING, never)
    assert first == second
    assert ranges.sha256 == again.sha256 == first.ranges_sha256
    assert first.name == "mine:net"


@pytest.mark.parametrize(
    "change", [{"version": 2}, {"options": frozenset({"bf16"})}, {"tag": "web"}, {"architecture": "other"}]
)
def test_what_changes_numbers_names_another_card(change: dict[str, Any]) -> None:
    plain = identity("mine", "net", "0" * 64, version=1)
    assert identity("mine", "net", "0" * 64, **{"version": 1, **change}).key != plain.key


def test_a_network_that_gives_nan_is_refused_in_words() -> None:
    def broken(pixels: np.ndarray) -> tuple[np.ndarray, dict[str, np.ndarray]]:
        embedding, layers = run(pixels)
        return embedding, {"x": layers["x"] * np.float32(np.nan)}

    with pytest.raises(ExtractorError, match=r"mine:net cannot be calibrated: the layer 'x' gives no finite numbers"):
        carded(identity("mine", "net", "0" * 64, version=1), PREPROCESSING, broken)


def test_a_batch_of_another_size_is_refused() -> None:
    with pytest.raises(ValueError, match=r"takes uint8 \(b, 2, 2, 3\), got uint8 \(1, 3, 3, 3\)"):
        Network(PREPROCESSING, run, known()).features(np.zeros((1, 3, 3, 3), np.uint8))
