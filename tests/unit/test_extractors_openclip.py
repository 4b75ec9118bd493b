"""OpenCLIP towers: taps, preprocessing from the model, safe loading, clear refusals."""

import json
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

from audit.errors import ConfigError, ExtractorError, UnknownExtractorError, WeightsUnavailableError
from audit.extractors import TextEncoder, load_extractor, resolve_spec, temperature_of
from audit.extractors._taps import quarters
from audit.extractors._texts import length, shortened
from audit.extractors.openclip import _open_clip

VIT = {"image_size": 32, "layers": 4, "width": 32, "patch_size": 8, "head_width": 16}
RESNET = {"image_size": 32, "layers": [1, 1, 1, 1], "width": 8, "patch_size": None}
TRUNK = {"timm_model_pretrained": False, "timm_pool": "", "timm_proj": "linear", "image_size": 160}
REGISTERS = {**TRUNK, "timm_model_name": "test_vit2"}
VISIONS = {"tiny-vit": VIT, "tiny-resnet": RESNET, "tiny-registers": REGISTERS}
TEXT = {"context_length": 8, "vocab_size": 49408, "width": 16, "heads": 2, "layers": 1}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Weights of tiny networks, and their configurations registered with OpenCLIP."""
    import torch
    from safetensors.torch import save_file

    folder = tmp_path_factory.mktemp("openclip")
    open_clip = _open_clip()
    for name, vision in VISIONS.items():
        config = {"embed_dim": 16, "vision_cfg": vision, "text_cfg": TEXT}
        (folder / f"{name}.json").write_text(json.dumps(config))
    open_clip.add_model_config(folder)
    for name in VISIONS:
        torch.manual_seed(0)
        save_file(open_clip.create_model(name).state_dict(), folder / f"{name}.safetensors")
    return folder


@pytest.fixture(autouse=True)
def cache(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ASSAY_CACHE", str(folder / "cache"))


def batch(n: int) -> np.ndarray:
    return np.random.default_rng(1).integers(0, 256, (n, 32, 32, 3), dtype=np.uint8)


def test_a_transformer_has_class_and_patch_layers_of_its_blocks(folder: Path) -> None:
    extractor = load_extractor(f"openclip:tiny-vit/{folder}/tiny-vit.safetensors")
    features = extractor.features(batch(3))
    shapes = {name: layer.shape for name, layer in features.layers.items()}
    assert features.embedding.shape == (3, 16)
    assert shapes["block1.class"] == (3, 1, 32)
    assert shapes["block4.patches"] == (3, 16, 32)
    assert list(shapes) == [layer.name for layer in extractor.spec.layers]


@pytest.mark.parametrize(
    ("n", "places"), [(1, [0]), (2, [0, 1]), (3, [0, 1, 2]), (4, [0, 1, 2, 3]), (12, [2, 5, 8, 11])]
)
def test_the_last_block_of_each_quarter_is_a_layer_and_of_few_blocks_every_one(n: int, places: list[int]) -> None:
    assert quarters(n) == places


def test_a_resnet_has_its_stages_as_layers(folder: Path) -> None:
    features = load_extractor(f"openclip:tiny-resnet/{folder}/tiny-resnet.safetensors").features(batch(2))
    shapes = {name: layer.shape for name, layer in features.layers.items()}
    assert shapes == {"stage1": (2, 64, 32), "stage2": (2, 16, 64), "stage3": (2, 4, 128), "stage4": (2, 1, 256)}


def test_a_timm_trunk_has_its_registers_as_a_layer(folder: Path) -> None:
    spec = resolve_spec(f"openclip:tiny-registers/{folder}/tiny-registers.safetensors")
    assert {layer.name.rpartition(".")[2] for layer in spec.layers} == {"registers", "patches"}


def test_a_timm_trunk_can_be_asked_for_features_before_the_projection(folder: Path) -> None:
    spec = resolve_spec(f"openclip:tiny-registers/{folder}/tiny-registers.safetensors#pre")
    assert spec.dimension == 64


def test_a_tapped_layer_is_what_the_block_gave(folder: Path) -> None:
    import torch

    extractor = load_extractor(f"openclip:tiny-vit/{folder}/tiny-vit.safetensors")
    model = _open_clip().create_model("tiny-vit", pretrained=str(folder / "tiny-vit.safetensors")).eval()
    mean, std = (torch.tensor(model.visual.preprocess_cfg[key]) for key in ("mean", "std"))
    pixels = ((torch.from_numpy(batch(2)) / 255 - mean) / std).permute(0, 3, 1, 2)
    with torch.inference_mode():
        expected = model.encode_image(pixels).numpy()
        last = model.visual.forward_intermediates(pixels, indices=[3], output_fmt="NLC")["image_intermediates"][0]
    features = extractor.features(batch(2))
    np.testing.assert_allclose(features.embedding, expected, atol=1e-5)
    np.testing.assert_allclose(features.layers["block4.patches"], last.numpy(), atol=1e-5)


def test_threads_at_once_get_their_own_layers_and_equal_bytes(folder: Path) -> None:
    extractor = load_extractor(f"openclip:tiny-vit/{folder}/tiny-vit.safetensors")
    pictures = batch(32)
    alone = [extractor.features(pictures[i : i + 4]) for i in range(0, 32, 4)]
    with ThreadPoolExecutor(4) as pool:
        together = list(pool.map(lambda i: extractor.features(pictures[i : i + 4]), range(0, 32, 4)))
    for one, other in zip(alone, together, strict=True):
        assert one.embedding.tobytes() == other.embedding.tobytes()
        assert all(one.layers[name].tobytes() == other.layers[name].tobytes() for name in one.layers)


def test_preprocessing_is_read_from_the_model(folder: Path) -> None:
    spec = resolve_spec(f"openclip:tiny-vit/{folder}/tiny-vit.safetensors").input
    assert (spec.size, spec.fit, spec.resample) == (32, "crop", "bicubic")


def test_the_resolved_spec_is_that_of_the_loaded_extractor(folder: Path) -> None:
    name = f"openclip:tiny-vit/{folder}/tiny-vit.safetensors"
    loaded = load_extractor(name)
    assert resolve_spec(name) == loaded.spec
    assert loaded.ranges.sha256 == loaded.spec.ranges_sha256


def test_where_a_weights_file_lies_does_not_change_the_fingerprint(folder: Path, tmp_path: Path) -> None:
    copy = tmp_path / "elsewhere.safetensors"
    copy.write_bytes((folder / "tiny-vit.safetensors").read_bytes())
    name = f"openclip:tiny-vit/{folder}/tiny-vit.safetensors"
    assert resolve_spec(f"openclip:tiny-vit/{copy}").fingerprint == resolve_spec(name).fingerprint


def test_a_pickle_that_runs_code_is_refused(tmp_path: Path) -> None:
    evil = tmp_path / "evil.pt"
    marker = tmp_path / "marker"
    evil.write_bytes(b"cposix\nsystem\n(S'touch " + str(marker).encode() + b"'\ntR.")
    with pytest.raises(ExtractorError, match="read safely"):
        load_extractor(f"openclip:tiny-vit/{evil}")
    assert not marker.exists()


def test_a_file_of_another_model_is_refused(folder: Path) -> None:
    with pytest.raises(ExtractorError, match="does not hold a tiny-vit"):
        load_extractor(f"openclip:tiny-vit/{folder}/tiny-resnet.safetensors")


def test_a_path_without_a_file_says_so(folder: Path) -> None:
    with pytest.raises(WeightsUnavailableError, match="no weights file"):
        resolve_spec("openclip:tiny-vit/absent.safetensors")


def test_an_unknown_tag_lists_those_there_are(folder: Path) -> None:
    with pytest.raises(UnknownExtractorError, match="laion2b_s34b_b79k"):
        resolve_spec("openclip:ViT-B-32/nonsense")


def test_an_unknown_model_is_named(folder: Path) -> None:
    with pytest.raises(UnknownExtractorError, match="no model 'nonsense'"):
        resolve_spec("openclip:nonsense/openai")


def test_without_a_network_it_says_what_to_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import huggingface_hub.constants

    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", True)
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_CACHE", str(tmp_path))
    with pytest.raises(WeightsUnavailableError, match=r"copy the \.safetensors file here"):
        resolve_spec("openclip:ViT-B-32/laion2b_s34b_b79k")


def test_features_before_the_projection_can_be_asked_for(folder: Path) -> None:
    extractor = load_extractor(f"openclip:tiny-vit/{folder}/tiny-vit.safetensors#pre")
    projection = _open_clip().create_model("tiny-vit", pretrained=str(folder / "tiny-vit.safetensors")).visual.proj
    after = load_extractor(f"openclip:tiny-vit/{folder}/tiny-vit.safetensors").features(batch(2)).embedding
    before = extractor.features(batch(2)).embedding
    assert extractor.spec.dimension == 32
    np.testing.assert_allclose(before @ projection.detach().numpy(), after, atol=1e-5)


def test_an_option_is_part_of_the_name_and_the_fingerprint(folder: Path) -> None:
    name = f"openclip:tiny-vit/{folder}/tiny-vit.safetensors"
    plain, before, mixed = (resolve_spec(f"{name}{option}") for option in ("", "#pre", "#bf16"))
    assert (before.name, mixed.name, mixed.dtype) == ("openclip:tiny-vit#pre", "openclip:tiny-vit#bf16", "bfloat16")
    assert len({plain.fingerprint, before.fingerprint, mixed.fingerprint}) == 3


def test_bfloat16_is_near_float32(folder: Path) -> None:
    name = f"openclip:tiny-vit/{folder}/tiny-vit.safetensors"
    exact, mixed = (load_extractor(f"{name}{option}").features(batch(2)) for option in ("", "#bf16"))
    assert exact.embedding.tobytes() != mixed.embedding.tobytes()
    np.testing.assert_allclose(mixed.embedding, exact.embedding, atol=0.05)


def test_a_tower_without_a_projection_says_so(folder: Path) -> None:
    with pytest.raises(ExtractorError, match="no projection that could be left out"):
        load_extractor(f"openclip:tiny-resnet/{folder}/tiny-resnet.safetensors#pre")


def test_an_unknown_option_lists_those_there_are(folder: Path) -> None:
    with pytest.raises(UnknownExtractorError, match="#bf16, #pre"):
        resolve_spec(f"openclip:tiny-vit/{folder}/tiny-vit.safetensors#fast")


def test_texts_lie_in_the_space_of_the_pictures(folder: Path) -> None:
    extractor = load_extractor(f"openclip:tiny-vit/{folder}/tiny-vit.safetensors")
    assert isinstance(extractor, TextEncoder)
    open_clip = _open_clip()
    model = open_clip.create_model("tiny-vit", pretrained=str(folder / "tiny-vit.safetensors")).eval()
    expected = model.encode_text(open_clip.get_tokenizer("tiny-vit")(["a photo of a dog"])).detach().numpy()
    embedded = extractor.embed_text(["a photo of a dog", "a photo of the sea"])
    assert (embedded.shape, embedded.dtype) == ((2, 16), np.float32)
    np.testing.assert_allclose(embedded[:1], expected, atol=1e-5)


def test_texts_cut_to_their_length_have_the_vectors_of_the_whole_context(folder: Path) -> None:
    import torch

    config = {"embed_dim": 16, "vision_cfg": VIT, "text_cfg": {**TEXT, "context_length": 77, "layers": 3}}
    (folder / "tiny-long.json").write_text(json.dumps(config))
    open_clip = _open_clip()
    open_clip.add_model_config(folder / "tiny-long.json")
    torch.manual_seed(0)
    model = open_clip.create_model("tiny-long").eval()
    tokens = open_clip.get_tokenizer("tiny-long")(["a dog", "a photo of a greater swiss mountain dog in the rain"])
    n_tokens = length(model, tokens)
    assert n_tokens == 16
    with torch.inference_mode():
        cut = shortened(model, n_tokens).encode_text(tokens[:, :n_tokens])
        np.testing.assert_allclose(cut.numpy(), model.encode_text(tokens).numpy(), atol=1e-5)
    assert len(model.positional_embedding) == 77


def test_texts_that_look_ahead_are_not_cut(folder: Path) -> None:
    class Ahead:
        attn_mask = None
        text_pool_type = "argmax"

    tokens = _open_clip().get_tokenizer("ViT-B-32")(["a dog"])
    model = Ahead()
    assert length(model, tokens) == 77
    assert shortened(model, 77) is model


def test_a_model_of_ones_own_has_its_configuration_beside_its_weights(folder: Path, tmp_path: Path) -> None:
    own = tmp_path / "weights.safetensors"
    own.write_bytes((folder / "tiny-vit.safetensors").read_bytes())
    with pytest.raises(UnknownExtractorError, match=r"beside its weights as of-mine\.json"):
        resolve_spec(f"openclip:of-mine/{own}")
    config = {"embed_dim": 16, "vision_cfg": VIT, "text_cfg": TEXT}
    (tmp_path / "of-mine.json").write_text(json.dumps(config))
    first = resolve_spec(f"openclip:of-mine/{own}")
    (tmp_path / "of-mine.json").write_text(json.dumps({**config, "quick_gelu": True}))
    second = resolve_spec(f"openclip:of-mine/{own}")
    assert first.name == second.name == "openclip:of-mine"
    assert first.fingerprint != second.fingerprint
    assert (load_extractor(f"openclip:of-mine/{own}").features(batch(2)).embedding != 0).any()


@pytest.mark.parametrize(("text", "said"), [("{", "is no JSON"), ('{"embed_dim": 16}', "lacks vision_cfg, text_cfg")])
def test_a_configuration_that_is_none_says_what_it_lacks(folder: Path, tmp_path: Path, text: str, said: str) -> None:
    own = tmp_path / "weights.safetensors"
    own.write_bytes((folder / "tiny-vit.safetensors").read_bytes())
    (tmp_path / "of-nobody.json").write_text(text)
    with pytest.raises(ExtractorError, match=said):
        resolve_spec(f"openclip:of-nobody/{own}")


def test_an_architecture_that_openclip_ships_is_not_replaced(folder: Path, tmp_path: Path) -> None:
    own = tmp_path / "weights.safetensors"
    own.write_bytes((folder / "tiny-vit.safetensors").read_bytes())
    (tmp_path / "ViT-B-32.json").write_text(json.dumps({"embed_dim": 16, "vision_cfg": VIT, "text_cfg": TEXT}))
    with pytest.raises(ExtractorError, match="does not hold a ViT-B-32"):
        resolve_spec(f"openclip:ViT-B-32/{own}")


def test_the_temperature_is_that_of_the_weights(folder: Path, tmp_path: Path) -> None:
    import torch
    from safetensors.torch import load_file, save_file

    state = load_file(folder / "tiny-vit.safetensors")
    save_file({**state, "logit_scale": torch.tensor(np.log(25.0))}, tmp_path / "warm.safetensors")
    extractor = load_extractor(f"openclip:tiny-vit/{tmp_path}/warm.safetensors")
    assert isinstance(extractor, TextEncoder)
    assert temperature_of(extractor) == pytest.approx(25.0)


def test_an_encoder_that_has_no_temperature_has_that_of_clip() -> None:
    class Silent:
        def embed_text(self, prompts: list[str]) -> np.ndarray:
            return np.zeros((len(prompts), 2), np.float32)

    assert temperature_of(Silent()) == 100.0


def test_no_texts_are_no_rows(folder: Path) -> None:
    extractor = load_extractor(f"openclip:tiny-vit/{folder}/tiny-vit.safetensors")
    assert isinstance(extractor, TextEncoder)
    assert extractor.embed_text([]).shape == (0, 16)


def test_texts_have_no_place_before_the_projection(folder: Path) -> None:
    extractor = load_extractor(f"openclip:tiny-vit/{folder}/tiny-vit.safetensors#pre")
    assert isinstance(extractor, TextEncoder)
    with pytest.raises(ExtractorError, match="leave #pre out"):
        extractor.embed_text(["a dog"])


def test_a_device_that_is_not_there_is_refused(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ASSAY_DEVICE", "abacus")
    with pytest.raises(ConfigError, match="there are: cpu"):
        load_extractor(f"openclip:tiny-vit/{folder}/tiny-vit.safetensors")


def test_a_host_that_is_not_known_is_not_tried_again_and_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    import socket

    import huggingface_hub.constants

    def unknown(*_: object, **__: object) -> None:
        asked.append(time.monotonic())
        raise socket.gaierror(-2, "Name or service not known")

    asked: list[float] = []
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_CACHE", str(tmp_path))
    monkeypatch.setattr(socket, "getaddrinfo", unknown)
    for name in ("http_proxy", "https_proxy", "all_proxy", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)
    with pytest.raises(WeightsUnavailableError, match=r"copy the \.safetensors file here"):
        resolve_spec("openclip:ViT-B-32/laion2b_s34b_b79k")
    assert len(asked) == 1
    assert caplog.records == []
    assert not huggingface_hub.constants.HF_HUB_OFFLINE
