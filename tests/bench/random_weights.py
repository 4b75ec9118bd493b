"""Weights of known architectures filled with random numbers: as fast as trained ones, and nothing to download."""

from __future__ import annotations

from pathlib import Path

VIT = "vit_base_patch32_224"
"""ViT-B/32: 88 million weights, 4.4 thousand million multiplications a picture."""


def random_timm(model: str, folder: Path) -> str:
    """Write random weights of a timm model into a folder; returns the extractor's name."""
    import torch
    from safetensors.torch import save_file

    from audit.extractors.timm import _timm

    torch.manual_seed(0)
    path = folder.resolve() / f"{model}.safetensors"
    save_file(_timm().create_model(model, num_classes=0).state_dict(), path)
    return f"timm:{model}/{path}"
