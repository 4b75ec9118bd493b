"""``#size=N``: a model at another input size, which is part of what it is."""

from __future__ import annotations

import numpy as np
import pytest

from audit.errors import UnknownExtractorError
from audit.extractors import load_extractor, resolve_spec
from audit.extractors._names import size_of, split_options
from audit.extractors.timm import preprocessing_of
from tests.extractor_models import Models


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Models:
    return Models(tmp_path_factory.mktemp("models"))


@pytest.fixture(autouse=True)
def cache(models: Models, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ASSAY_CACHE", str(models.folder / "cache"))


def pictures(size: int) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (2, size, size, 3), dtype=np.uint8)


@pytest.mark.parametrize(
    ("name", "size", "layer", "positions"),
    [
        ("timm:test_vit/PATH#size=96", 96, "blocks.5.patches", 36),  # patches of 16 pixels
        ("timm:test_resnet/PATH#size=96", 96, "layer4", 9),  # a 32nd of the side
        ("openclip:tiny-vit/PATH#size=48", 48, "block4.patches", 36),  # patches of 8 pixels
    ],
)
def test_a_model_runs_at_the_size_it_is_asked_for(
    models: Models, name: str, size: int, layer: str, positions: int
) -> None:
    extractor = load_extractor(models.named(name))
    features = extractor.features(pictures(size))
    assert extractor.spec.input.size == size
    assert features.layers[layer].shape[1] == positions
    assert np.isfinite(features.embedding).all()


def test_the_size_is_part_of_what_an_extractor_is(models: Models) -> None:
    name = models.named("timm:test_vit/PATH")
    own, other = resolve_spec(name), resolve_spec(f"{name}#size=96")
    assert other.fingerprint != own.fingerprint
    assert other.name.endswith("#size=96")
    assert other.dimension == own.dimension


def test_positions_of_a_transformer_are_resampled_and_all_else_is_the_same(models: Models) -> None:
    import torch
    from safetensors.torch import load_file
    from timm.layers import resample_abs_pos_embed

    from audit.extractors.timm import _loaded, find

    model = _loaded(find(models.named("timm:test_vit/PATH#size=96").removeprefix("timm:")))
    state = load_file(models.folder / "test_vit.safetensors")
    expected = resample_abs_pos_embed(state["pos_embed"], new_size=[6, 6], num_prefix_tokens=1)
    torch.testing.assert_close(model.pos_embed, expected)
    torch.testing.assert_close(model.blocks[0].attn.qkv.weight, state["blocks.0.attn.qkv.weight"])


def test_the_share_of_the_centre_stays_the_model_s_own() -> None:
    from audit.extractors.timm import _timm

    model = _timm().create_model("test_resnet")
    model.pretrained_cfg |= {"crop_pct": 0.875, "input_size": (3, 224, 224)}
    found = preprocessing_of("x", model, 448).input
    assert (found.size, found.crop) == (448, 0.875)


def test_size_is_read_from_the_end_of_a_name() -> None:
    base, options = split_options("timm:m#size=256,bf16", "m#size=256,bf16", ["bf16", "size=N"])
    assert (base, size_of(options)) == ("m", 256)
    assert size_of(frozenset({"bf16"})) is None


@pytest.mark.parametrize("tail", ["size=", "size=big", "size=N", "size=64,size=96", "sizes=64"])
def test_a_size_that_is_no_number_or_given_twice_is_refused(tail: str) -> None:
    with pytest.raises(UnknownExtractorError, match="there are: #bf16, #size=N"):
        split_options(f"timm:m#{tail}", f"m#{tail}", ["bf16", "size=N"])


@pytest.mark.parametrize("size", [8, 4096])
def test_a_size_out_of_range_is_refused(size: int) -> None:
    with pytest.raises(UnknownExtractorError, match="give 16 to 2048"):
        split_options(f"timm:m#size={size}", f"m#size={size}", ["bf16", "size=N"])
