"""timm models: local weights, preprocessing from the model, safe loading, clear refusals."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from audit.errors import ExtractorError, UnknownExtractorError, WeightsUnavailableError
from audit.extractors import load_extractor, resolve_spec
from audit.extractors.timm import _timm, preprocessing_of


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Random weights of a tiny network: as a classifier of 1 000 and of 7 classes, without one, and as a checkpoint."""
    import torch
    from safetensors.torch import save_file

    folder = tmp_path_factory.mktemp("timm")
    for name, n_classes in (("many", 1000), ("seven", 7), ("none", 0)):
        torch.manual_seed(0)
        state = _timm().create_model("test_resnet", num_classes=n_classes).state_dict()
        save_file(state, folder / f"{name}.safetensors")
    torch.save({"state_dict": state, "epoch": 3}, folder / "checkpoint.pth")
    return folder


@pytest.fixture(autouse=True)
def cache(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ASSAY_CACHE", str(folder / "cache"))


@pytest.fixture
def offline(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    import huggingface_hub.constants

    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", True)
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_CACHE", str(tmp_path))


def batch(n: int) -> np.ndarray:
    return np.random.default_rng(1).integers(0, 256, (n, 160, 160, 3), dtype=np.uint8)


def model_with(**config: Any) -> Any:
    model = _timm().create_model("test_resnet")
    model.pretrained_cfg |= config
    return model


def test_a_local_file_gives_embedding_and_layers(folder: Path) -> None:
    extractor = load_extractor(f"timm:test_resnet/{folder}/many.safetensors")
    features = extractor.features(batch(2))
    assert features.embedding.shape == (2, 96) == (2, extractor.spec.dimension)
    assert [(layer.name, layer.n_neurons) for layer in extractor.spec.layers] == [
        ("layer1", 32),
        ("layer2", 48),
        ("layer3", 192),
        ("layer4", 96),
    ]


def test_the_weights_are_those_of_the_file(folder: Path) -> None:
    import torch
    from safetensors.torch import load_file

    model = _timm().create_model("test_resnet", num_classes=0).eval()
    state = load_file(folder / "many.safetensors")
    model.load_state_dict({name: value for name, value in state.items() if not name.startswith("fc.")})
    mean, std = (torch.tensor(model.pretrained_cfg[key]) for key in ("mean", "std"))
    with torch.inference_mode():
        expected = model(((torch.from_numpy(batch(2)) / 255 - mean) / std).permute(0, 3, 1, 2)).numpy()
    embedding = load_extractor(f"timm:test_resnet/{folder}/many.safetensors").features(batch(2)).embedding
    np.testing.assert_allclose(embedding, expected, atol=1e-4)


@pytest.mark.parametrize("file", ["seven.safetensors", "none.safetensors", "checkpoint.pth"])
def test_weights_trained_for_other_classes_fit_too(folder: Path, file: str) -> None:
    assert load_extractor(f"timm:test_resnet/{folder}/{file}").features(batch(1)).embedding.shape == (1, 96)


def test_a_tag_may_follow_the_name_of_the_model(folder: Path) -> None:
    assert resolve_spec(f"timm:test_resnet.r160_in1k/{folder}/many.safetensors").name == "timm:test_resnet.r160_in1k"


def test_where_the_file_lies_does_not_change_the_fingerprint(folder: Path, tmp_path: Path) -> None:
    copy = tmp_path / "elsewhere.safetensors"
    copy.write_bytes((folder / "many.safetensors").read_bytes())
    here, there = (resolve_spec(f"timm:test_resnet/{path}") for path in (folder / "many.safetensors", copy))
    assert here == there


def test_bfloat16_is_another_fingerprint(folder: Path) -> None:
    name = f"timm:test_resnet/{folder}/many.safetensors"
    assert resolve_spec(f"{name}#bf16").dtype == "bfloat16"
    assert resolve_spec(f"{name}#bf16").fingerprint != resolve_spec(name).fingerprint


def test_preprocessing_is_the_model_s_own() -> None:
    found = preprocessing_of(
        "x", model_with(crop_pct=0.875, input_size=(3, 224, 224), interpolation="bilinear", std=(0.25, 0.5, 0.5))
    )
    assert found.input.model_dump() == {"size": 224, "fit": "crop", "resample": "bilinear", "crop": 0.875}
    assert (found.mean, found.std) == ((0.5, 0.5, 0.5), (0.25, 0.5, 0.5))


def test_the_share_of_the_centre_is_that_of_whole_pixels() -> None:
    # 224 / 0.9 is cut to 248 pixels
    assert preprocessing_of("x", model_with(crop_pct=0.9, input_size=(3, 224, 224))).input.crop == 224 / 248


@pytest.mark.parametrize(("mode", "fit"), [("squash", "squash"), ("border", "pad")])
def test_other_ways_to_fit_are_known(mode: str, fit: str) -> None:
    assert preprocessing_of("x", model_with(crop_mode=mode, crop_pct=1.0)).input.fit == fit


def test_an_input_that_is_not_square_is_refused() -> None:
    with pytest.raises(ExtractorError, match="not a square RGB picture"):
        preprocessing_of("x", model_with(input_size=(3, 128, 64)))


def test_a_batch_of_another_size_is_refused(folder: Path) -> None:
    extractor = load_extractor(f"timm:test_resnet/{folder}/many.safetensors")
    with pytest.raises(ValueError, match=r"takes uint8 \(b, 160, 160, 3\)"):
        extractor.features(np.zeros((1, 8, 8, 3), np.uint8))


def _run_code(path: Path, marker: Path) -> None:
    path.write_bytes(b"cposix\nsystem\n(S'touch " + str(marker).encode() + b"'\ntR.")


def _run_code_inside_a_checkpoint(path: Path, marker: Path) -> None:
    import torch

    class Evil:
        def __reduce__(self) -> tuple[Any, ...]:
            return (Path.touch, (marker,))

    torch.save({"state_dict": Evil()}, path)


@pytest.mark.parametrize("make", [_run_code, _run_code_inside_a_checkpoint])
def test_a_pickle_that_runs_code_is_refused(make: Callable[[Path, Path], None], tmp_path: Path) -> None:
    make(tmp_path / "evil.pth", tmp_path / "marker")
    with pytest.raises(ExtractorError, match="read safely"):
        load_extractor(f"timm:test_resnet/{tmp_path}/evil.pth")
    assert not (tmp_path / "marker").exists()


def test_a_file_of_another_model_is_refused(folder: Path) -> None:
    with pytest.raises(ExtractorError, match="does not hold a test_vit"):
        load_extractor(f"timm:test_vit/{folder}/many.safetensors")


def test_a_file_that_lacks_some_weights_is_refused(folder: Path, tmp_path: Path) -> None:
    from safetensors.torch import load_file, save_file

    state = load_file(folder / "none.safetensors")
    del state["layer4.0.conv1.weight"]
    save_file(state, tmp_path / "partial.safetensors")
    with pytest.raises(ExtractorError, match=r"layer4\.0\.conv1\.weight"):
        load_extractor(f"timm:test_resnet/{tmp_path}/partial.safetensors")


@pytest.mark.parametrize("path", ["absent.safetensors", ""])
def test_a_path_without_a_file_says_so(path: str) -> None:
    with pytest.raises(WeightsUnavailableError, match="no weights file"):
        resolve_spec(f"timm:test_resnet/{path}")


def test_an_unknown_model_is_named() -> None:
    with pytest.raises(UnknownExtractorError, match="no model 'nonsense'"):
        resolve_spec("timm:nonsense")


def test_an_unknown_tag_lists_those_there_are() -> None:
    with pytest.raises(UnknownExtractorError, match=r"test_resnet\.r160_in1k"):
        resolve_spec("timm:test_resnet.nonsense")


def test_without_a_network_it_says_what_to_do(offline: None) -> None:
    with pytest.raises(WeightsUnavailableError, match=r"copy the \.safetensors file here and name it: timm:test_vit/"):
        resolve_spec("timm:test_vit")


def test_a_model_without_published_weights_says_what_to_do() -> None:
    with pytest.raises(WeightsUnavailableError, match="no weights of coatnet_0_224: give the path"):
        resolve_spec("timm:coatnet_0_224")


def test_downloaded_weights_are_the_same_as_a_local_file(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from timm.models import _hub

    asked = []

    def download(repository: str, filename: str) -> str:
        asked.append((repository, filename))
        return str(folder / "many.safetensors")

    monkeypatch.setattr(_hub, "download_from_hf", download)
    local = resolve_spec(f"timm:test_resnet.r160_in1k/{folder}/many.safetensors")
    assert resolve_spec("timm:test_resnet.r160_in1k").fingerprint == local.fingerprint
    assert asked == [("timm/test_resnet.r160_in1k", "model.safetensors")]
