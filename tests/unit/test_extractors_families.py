"""Every family of networks loads through timm under its name, and its layers are where timm says its features are.

Weights are random: what is tested is which layers there are and what shapes they have. Input sizes are the smallest
that the model takes.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from audit.extractors._taps import Taps
from audit.extractors._torch import TorchRun
from audit.extractors.timm import FeatureTaps, _timm, tapped

MAPS: dict[str, tuple[str, int, dict[str, Any], dict[str, tuple[int, int]]]] = {
    "VGG": (
        "vgg11",
        64,
        {},
        {"features.9": (256, 256), "features.14": (64, 512), "features.19": (16, 512), "features.20": (4, 512)},
    ),
    "ResNet": (
        "resnet10t",
        64,
        {},
        {"layer1": (256, 64), "layer2": (64, 128), "layer3": (16, 256), "layer4": (4, 512)},
    ),
    "DenseNet": (
        "densenet121",
        64,
        {},
        {
            "features.denseblock1": (256, 256),
            "features.denseblock2": (64, 512),
            "features.denseblock3": (16, 1024),
            "features.norm5": (4, 1024),
        },
    ),
    "ResNeSt": (
        "resnest14d",
        64,
        {},
        {"layer1": (256, 256), "layer2": (64, 512), "layer3": (16, 1024), "layer4": (4, 2048)},
    ),
    "Res2Net": (
        "res2net50_14w_8s",
        64,
        {},
        {"layer1": (256, 256), "layer2": (64, 512), "layer3": (16, 1024), "layer4": (4, 2048)},
    ),
    "MobileNetV3": (
        "mobilenetv3_small_050",
        64,
        {},
        {"blocks.0": (256, 8), "blocks.1": (64, 16), "blocks.3": (16, 24), "blocks.5": (4, 288)},
    ),
    "EfficientNet": (
        "test_efficientnet",
        64,
        {},
        {"blocks.1": (256, 24), "blocks.2": (64, 32), "blocks.3": (16, 48), "blocks.4": (4, 64)},
    ),
    "ConvNeXt": (
        "convnext_atto",
        64,
        {},
        {"stages.0": (256, 40), "stages.1": (64, 80), "stages.2": (16, 160), "stages.3": (4, 320)},
    ),
    "LeViT": ("levit_128s", 224, {}, {"stages.0": (196, 128), "stages.1": (49, 256), "stages.2": (16, 384)}),
    "channel and spatial attention (CBAM)": (
        "resnet10t",
        64,
        {"block_args": {"attn_layer": "cbam"}},
        {"layer1": (256, 64), "layer2": (64, 128), "layer3": (16, 256), "layer4": (4, 512)},
    ),
    "Swin (channels last inside)": (
        "swin_tiny_patch4_window7_224",
        64,
        {"img_size": 64, "window_size": 2, "embed_dim": 24},
        {"layers.0": (256, 24), "layers.1": (64, 48), "layers.2": (16, 96), "layers.3": (4, 192)},
    ),
    "convolution and attention (CoAtNet)": (
        "test_coatnet",
        160,
        {},
        {"stages.0": (1600, 32), "stages.1": (400, 64), "stages.2": (100, 96), "stages.3": (25, 128)},
    ),
    "state space (EfficientViM)": (
        "efficientvim_m1",
        64,
        {},
        {"stages.0": (16, 128), "stages.1": (4, 192), "stages.2": (1, 320)},
    ),
    "MambaOut": (
        "test_mambaout",
        64,
        {},
        {"stages.0": (256, 16), "stages.1": (64, 32), "stages.2": (16, 48), "stages.3": (4, 64)},
    ),
}


def made(name: str, **options: Any) -> Any:
    """A model with random weights, the same at every call."""
    import torch

    torch.manual_seed(0)
    return _timm().create_model(name, pretrained=False, num_classes=0, **options)


def pixels(size: int, n: int = 2) -> np.ndarray:
    return np.random.default_rng(0).normal(size=(n, 3, size, size)).astype(np.float32)


def shapes(layers: Any) -> dict[str, tuple[int, int]]:
    return {name: layer.shape[1:] for name, layer in layers.items()}


@pytest.mark.parametrize("family", MAPS)
def test_a_family_of_feature_maps_gives_its_last_stages_as_layers(family: str) -> None:
    name, size, options, expected = MAPS[family]
    run = TorchRun(tapped(name, made(name, **options), size), "cpu")
    embedding, layers = run(pixels(size))
    assert shapes(layers) == expected
    assert embedding.shape[0] == 2
    assert np.isfinite(embedding).all()


def test_a_transformer_with_registers_has_them_as_a_layer_of_their_own() -> None:
    model = made("test_vit3", reg_tokens=4, class_token=True, global_pool="token", no_embed_class=True)
    _, layers = TorchRun(tapped("test_vit3", model, 160), "cpu")(pixels(160))
    assert list(layers) == [
        f"blocks.{block}.{part}" for block in (1, 3, 6, 8) for part in ("class", "registers", "patches")
    ]
    assert shapes(layers)["blocks.8.registers"] == (4, 96)
    assert shapes(layers)["blocks.8.patches"] == (100, 96)


def test_a_transformer_whose_only_extra_token_is_a_register_has_no_class_layer() -> None:
    _, layers = TorchRun(tapped("test_vit2", made("test_vit2"), 160), "cpu")(pixels(160))
    assert [name for name in layers if name.endswith("class")] == []
    assert shapes(layers)["blocks.7.registers"] == (1, 64)


def test_a_transformer_of_another_make_has_its_registers_too() -> None:
    model = made("eva02_tiny_patch14_224", img_size=56, depth=4, num_reg_tokens=2)
    _, layers = TorchRun(tapped("eva", model, 56), "cpu")(pixels(56))
    assert shapes(layers)["blocks.3.registers"] == (2, 192)
    assert shapes(layers)["blocks.3.class"] == (1, 192)


def test_a_transformer_without_extra_tokens_has_patches_only() -> None:
    model = made("test_vit_relpos")
    _, layers = TorchRun(tapped("relpos", model, 160), "cpu")(pixels(160))
    assert {name.rpartition(".")[2] for name in layers} == {"patches"}


def test_a_hybrid_of_convolutions_and_a_transformer_has_its_tokens() -> None:
    model = made("vit_tiny_r_s16_p8_224", img_size=64, depth=4)
    _, layers = TorchRun(tapped("hybrid", model, 64), "cpu")(pixels(64))
    assert shapes(layers)["blocks.3.patches"] == (4, 192)


@pytest.mark.parametrize("name", ["test_resnet", "test_vit", "test_convnext", "test_mambaout"])
def test_the_embedding_is_what_the_model_gives_without_its_classifier(name: str) -> None:
    import torch

    model = made(name)
    embedding, _ = TorchRun(tapped(name, model, 160), "cpu")(pixels(160))
    with torch.inference_mode():
        expected = model(torch.from_numpy(pixels(160))).numpy()
    np.testing.assert_allclose(embedding, expected, atol=1e-5)


@pytest.mark.parametrize(("name", "module"), [("test_resnet", "layer3"), ("test_efficientnet", "blocks.2")])
def test_a_layer_is_what_the_module_of_that_name_gives(name: str, module: str) -> None:
    import torch

    model, caught = made(name).eval(), []
    model.get_submodule(module).register_forward_hook(lambda _module, _inputs, output: caught.append(output.clone()))
    with torch.inference_mode():
        model(torch.from_numpy(pixels(160)))
    _, layers = TorchRun(tapped(name, model, 160), "cpu")(pixels(160))
    np.testing.assert_allclose(layers[module], caught[0].flatten(2).transpose(1, 2).numpy(), atol=1e-5)


def test_a_model_without_intermediates_is_tapped_by_hooks() -> None:
    import torch

    class Plain(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.first, self.second = torch.nn.Conv2d(3, 4, 3), torch.nn.Conv2d(4, 5, 3)
            self.feature_info = [{"module": "first", "reduction": 1}, {"module": "second", "reduction": 1}]

        def forward(self, images: torch.Tensor) -> torch.Tensor:
            return self.second(self.first(images)).mean((2, 3))

    embedding, layers = TorchRun(tapped("plain", Plain(), 16), "cpu")(pixels(16))
    assert embedding.shape == (2, 5)
    assert shapes(layers) == {"stage1": (196, 4), "stage2": (144, 5)}


def test_hooks_on_a_tower_with_channels_last_know_which_axis_the_neurons_are() -> None:
    name, size, options, _ = MAPS["Swin (channels last inside)"]
    _, layers = TorchRun(Taps(made(name, **options).eval()), "cpu")(pixels(size))
    assert shapes(layers) == {"stage1": (256, 24), "stage2": (64, 48), "stage3": (16, 96), "stage4": (4, 192)}


def test_maps_of_too_many_positions_are_left_out() -> None:
    taps = tapped("test_resnet", made("test_resnet"), 1024)
    assert isinstance(taps, FeatureTaps)
    assert list(taps.places) == ["layer2", "layer3", "layer4"]


def test_channel_and_spatial_attention_is_really_in_that_network() -> None:
    name, _, options, _ = MAPS["channel and spatial attention (CBAM)"]
    assert "CbamModule" in {type(module).__name__ for module in made(name, **options).modules()}
