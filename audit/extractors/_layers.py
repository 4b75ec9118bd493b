"""How the inner outputs of a network become layers of (pictures, positions, channels).

Source for outlier tokens: Darcet, Oquab, Mairal, Bojanowski, "Vision Transformers Need Registers", ICLR 2024: some
patch tokens of large transformers carry the whole picture instead of their place, and show by their norm.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt

N_MADS = 5.0
"""A patch token is an outlier beyond this many median absolute deviations above the median norm of its picture."""
LEAST_MAD = 0.1
"""The deviation counts as at least this share of the median, so that nearly equal norms are never outliers."""

Floats = npt.NDArray[np.float32]


@dataclass(frozen=True)
class Form:
    """What an inner output is made of.

    Attributes
    ----------
    kind : str
        ``map`` is (b, c, h, w), ``map_last`` (b, h, w, c), ``tokens`` (b, tokens, c), ``vector`` (b, c).
    n_class, n_register : int
        Of tokens: how many come first, class tokens before registers; the rest are patches.
    """

    kind: Literal["map", "map_last", "tokens", "vector"] = "map"
    n_class: int = 0
    n_register: int = 0


MAP = Form()
_AXES = {"map": 4, "map_last": 4, "tokens": 3, "vector": 2}


def cut(name: str, value: Floats, form: Form) -> dict[str, Floats]:
    """Cut an inner output into layers.

    Parameters
    ----------
    name : str
        A map or vector keeps it; of tokens, ``name.class``, ``name.registers`` and ``name.patches`` are made.
    value : float32, of the shape that ``form`` says
    form : Form

    Returns
    -------
    dict of str to float32 (b, positions, c)
        Copies: what the network does to its output later changes nothing.

    Raises
    ------
    ValueError
        If the output has another number of axes, or fewer tokens than the form says.
    """
    if value.ndim != _AXES[form.kind]:
        raise ValueError(f"the output {name!r} of shape {value.shape} is no {form.kind}: see its form")
    if form.kind == "tokens":
        return _tokens(name, value, form)
    if form.kind == "map":
        value = value.transpose(0, 2, 3, 1)
    return {name: np.array(value.reshape(len(value), -1, value.shape[-1]), np.float32, order="C")}


def _tokens(name: str, value: Floats, form: Form) -> dict[str, Floats]:
    first = form.n_class + form.n_register
    if value.shape[1] <= first:
        raise ValueError(f"the output {name!r} has {value.shape[1]} tokens, of which {first} come before the patches")
    parts = {
        "class": value[:, : form.n_class],
        "registers": value[:, form.n_class : first],
        "patches": value[:, first:],
    }
    layers = {f"{name}.{part}": np.array(tokens, order="C") for part, tokens in parts.items() if tokens.shape[1]}
    return {**layers, f"{name}.patches": without_outliers(layers[f"{name}.patches"])}


def without_outliers(patches: Floats) -> Floats:
    """Patch tokens float32 (b, n, c), those with an outlying norm replaced by NaN, which Visual DNA counts apart.

    An outlier's norm is more than 5 median absolute deviations above the median over its picture's tokens.

    Source: Darcet et al., "Vision Transformers Need Registers", ICLR 2024, section 2; why so: docs/adr/0012.
    """
    norms = np.sqrt(np.einsum("bnc,bnc->bn", patches, patches, dtype=np.float64))
    with np.errstate(invalid="ignore"):  # infinities are for whoever looks at the embedding
        middle = np.median(norms, axis=1, keepdims=True)
        deviation = np.median(np.abs(norms - middle), axis=1, keepdims=True)
        is_outlier = norms > middle + N_MADS * np.maximum(deviation, LEAST_MAD * middle)
    if not is_outlier.any():
        return patches
    return np.where(is_outlier[:, :, None], np.float32(np.nan), patches)
