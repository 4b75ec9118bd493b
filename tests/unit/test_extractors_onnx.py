"""ONNX graphs: the same numbers as the network they were made from, weights in other files, clear refusals."""

from __future__ import annotations

import builtins
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml

from audit.errors import ExtractorError, UnknownExtractorError, WeightsUnavailableError
from audit.extractors import load_extractor, resolve_spec
from tests.extractor_models import DESCRIPTION, small_graph, small_network


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("graphs")
    described(small_graph(folder / "small.onnx"))
    return folder


@pytest.fixture(autouse=True)
def cache(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ASSAY_CACHE", str(folder / "cache"))


def described(path: Path, **changes: Any) -> Path:
    path.with_suffix(".yaml").write_text(yaml.safe_dump({**DESCRIPTION, **changes}))
    return path


def batch(n: int) -> np.ndarray:
    return np.random.default_rng(1).integers(0, 256, (n, 32, 32, 3), dtype=np.uint8)


def expected(pictures: np.ndarray) -> dict[str, Any]:
    import torch

    mean, std = (torch.tensor(DESCRIPTION[key]) for key in ("mean", "std"))
    found: dict[str, Any] = small_network()(((torch.from_numpy(pictures) / 255 - mean) / std).permute(0, 3, 1, 2))
    return found


def test_a_graph_gives_the_numbers_of_its_network(folder: Path) -> None:
    features = load_extractor(f"onnx:{folder}/small.onnx").features(batch(3))
    np.testing.assert_allclose(features.embedding, expected(batch(3))["embedding"].numpy(), atol=1e-5)
    np.testing.assert_allclose(features.layers["stage1"], expected(batch(3))["stage1"].flatten(2).mT.numpy(), atol=1e-5)


def test_the_specification_says_what_the_description_says(folder: Path) -> None:
    spec = resolve_spec(f"onnx:{folder}/small.onnx")
    assert (spec.name, spec.input.size, spec.dimension) == ("onnx:small", 32, 16)
    assert [(layer.name, layer.n_neurons) for layer in spec.layers] == [("stage1", 8), ("stage2", 16)]


def test_a_graph_of_one_picture_at_a_time_takes_batches(tmp_path: Path) -> None:
    path = described(small_graph(tmp_path / "one.onnx", n_pictures=1))
    embedding = load_extractor(f"onnx:{path}").features(batch(3)).embedding
    np.testing.assert_allclose(embedding, expected(batch(3))["embedding"].numpy(), atol=1e-5)


def test_weights_in_a_file_of_their_own_are_read(tmp_path: Path) -> None:
    path = described(small_graph(tmp_path / "two.onnx", beside=True))
    embedding = load_extractor(f"onnx:{path}").features(batch(3)).embedding
    np.testing.assert_allclose(embedding, expected(batch(3))["embedding"].numpy(), atol=1e-5)


def test_other_weights_in_a_file_of_their_own_are_another_fingerprint(tmp_path: Path) -> None:
    path = described(small_graph(tmp_path / "two.onnx", beside=True))
    before = resolve_spec(f"onnx:{path}")
    weights = tmp_path / "two.onnx.data"
    weights.write_bytes((2 * np.frombuffer(weights.read_bytes(), "<f4")).tobytes())
    changed = resolve_spec(f"onnx:{path}")
    assert changed.weights_sha256 != before.weights_sha256


def test_a_graph_of_another_size_is_refused(tmp_path: Path) -> None:
    path = described(small_graph(tmp_path / "large.onnx", side=64))
    with pytest.raises(ExtractorError, match=r"must take one float input \(b, 3, 32, 32\).*64, 64"):
        load_extractor(f"onnx:{path}")


def test_a_graph_of_any_size_is_taken(tmp_path: Path) -> None:
    path = described(small_graph(tmp_path / "free.onnx", side="s"))
    assert resolve_spec(f"onnx:{path}").dimension == 16


def test_an_output_that_is_not_there_lists_those_that_are(tmp_path: Path) -> None:
    path = described(small_graph(tmp_path / "small.onnx"), embedding="vector")
    with pytest.raises(ExtractorError, match="no output 'vector'; it has: embedding, stage1, stage2"):
        load_extractor(f"onnx:{path}")


def test_a_file_that_is_no_graph_is_refused(tmp_path: Path) -> None:
    path = described(tmp_path / "broken.onnx")
    path.write_bytes(b"no graph")
    with pytest.raises(ExtractorError, match="does not hold a graph"):
        load_extractor(f"onnx:{path}")


def test_a_missing_graph_says_so(tmp_path: Path) -> None:
    with pytest.raises(WeightsUnavailableError, match="there is no model"):
        resolve_spec(f"onnx:{tmp_path}/absent.onnx")


def test_a_graph_takes_no_options(folder: Path) -> None:
    with pytest.raises(UnknownExtractorError, match="unknown option; there are none"):
        resolve_spec(f"onnx:{folder}/small.onnx#bf16")


def test_without_its_runtime_it_says_how_to_install_it(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real = builtins.__import__

    def importing(name: str, *rest: Any, **options: Any) -> Any:
        if name.startswith("onnxruntime"):
            raise ImportError(name)
        return real(name, *rest, **options)

    monkeypatch.setattr(builtins, "__import__", importing)
    with pytest.raises(ExtractorError, match=r"pip install 'assay-datasets\[onnx\]'"):
        resolve_spec(f"onnx:{folder}/small.onnx")
