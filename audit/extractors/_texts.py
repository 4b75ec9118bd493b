"""Texts without their padding: what stands behind the end of a text decides nothing where a tower only looks back."""

from __future__ import annotations

from copy import copy
from typing import Any

_STEP = 8
"""Texts are cut to a multiple of so many tokens."""


def length(model: Any, tokens: Any) -> int:
    """How many tokens decide the vectors of a batch: where texts only look back, none after the last end of a text."""
    whole = int(tokens.shape[1])
    if getattr(model, "attn_mask", None) is None or getattr(model, "text_pool_type", "") != "argmax":
        return whole
    last = int(tokens.argmax(dim=1).max()) + 1
    return min(whole, -(-last // _STEP) * _STEP)


def shortened(model: Any, length: int) -> Any:
    """The same model for texts of that many tokens: it shares all weights, so that other threads are not disturbed."""
    import torch

    if getattr(model, "attn_mask", None) is None or length == len(model.attn_mask):
        return model
    short = copy(model)
    short._parameters, short._buffers = dict(model._parameters), dict(model._buffers)
    short.positional_embedding = torch.nn.Parameter(model.positional_embedding[:length], requires_grad=False)
    short.attn_mask = model.attn_mask[:length, :length]
    return short
