"""Affine alignment of many small picture pairs at once, tolerant of a covered part.

Coordinates are normalised: x and y run from -1 to 1 across a picture, whatever its side. A warp is float32 (2, 3),
rows x and y, columns constant, x, y: the point (x, y) of the template is looked up at ``warp @ (1, x, y)``.

Source: S. Baker and I. Matthews, "Lucas-Kanade 20 Years On: A Unifying Framework", IJCV 56(3), 2004 (inverse
compositional algorithm, section 3.2; with robust weights, part 2, section 4); S. Geman and D. McClure,
"Statistical methods for tomographic image reconstruction", 1987 (the weight function).
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Float32 = npt.NDArray[np.float32]

IDENTITY: Float32 = np.array([[0, 1, 0], [0, 0, 1]], dtype=np.float32)
"""The warp that moves nothing."""

MAX_WARP = 0.35
"""Largest departure of any warp entry from the identity: beyond it two pictures are no near-copies."""

_MAX_STEP = 0.2
_DAMPING = 0.02
_MIN_SPREAD = np.float32(1e-3)


def identity(n: int) -> Float32:
    """The identity warp, n times: float32 (n, 2, 3)."""
    return np.repeat(IDENTITY[None], n, axis=0)


def sample(pictures: Float32, warps: Float32) -> tuple[Float32, npt.NDArray[np.bool_]]:
    """Look up every picture through its warp, bilinearly.

    Parameters
    ----------
    pictures : float32 (n, s, s), s at least 2
    warps : float32 (n, 2, 3)

    Returns
    -------
    values : float32 (n, s*s)
        Positions outside take the nearest edge's value.
    inside : bool (n, s*s)
        Whether the position lies within the picture.
    """
    n, side, _ = pictures.shape
    where = (warps @ _grid(side) + np.float32(1)) * np.float32(side / 2) - np.float32(0.5)
    inside = ((where > -0.5) & (where < side - 0.5)).all(axis=1)
    np.clip(where, 0, np.float32(side - 1.001), out=where)
    corner = where.astype(np.int32)
    where -= corner
    start = corner[:, 1] * np.int32(side) + corner[:, 0]
    start += (np.arange(n, dtype=np.int32) * np.int32(side * side))[:, None]
    flat = pictures.reshape(-1)
    upper, lower = flat[start], flat[start + side]
    upper += (flat[start + 1] - upper) * where[:, 0]
    lower += (flat[start + side + 1] - lower) * where[:, 0]
    upper += (lower - upper) * where[:, 1]
    return upper, inside


def standardise(values: Float32, weights: Float32) -> Float32:
    """Shift and scale each row to weighted mean 0 and weighted variance 1.

    Parameters
    ----------
    values, weights : float32 (n, p), weights >= 0

    Returns
    -------
    float32 (n, p)
        A row whose spread is below 0.001 stays near 0.
    """
    total = np.maximum(weights.sum(axis=1, keepdims=True), np.float32(1e-6))
    centred = values - np.einsum("np,np->n", values, weights)[:, None] / total
    variance = np.einsum("np,np,np->n", centred, centred, weights)[:, None] / total
    scaled: Float32 = (centred / np.maximum(np.sqrt(variance), _MIN_SPREAD)).astype(np.float32)
    return scaled


def refine(templates: Float32, targets: Float32, warps: Float32, *, n_steps: int, floor: float = 0.2) -> Float32:
    """Improve warps so that ``sample(targets, warp)`` looks like the templates, up to brightness and contrast.

    Minimises the sum of w (T(x) - I(W(x)))^2 over standardised values by Gauss-Newton steps, with weights
    w = 1 / (1 + (r/s)^2)^2 of the residuals r of the step before and s = max(floor, 1.9 * mean absolute r): a box
    drawn over one of the two loses its say.

    Parameters
    ----------
    templates, targets : float32 (n, s, s)
    warps : float32 (n, 2, 3)
        Where to start.
    n_steps : int
    floor : float, in standard deviations of the picture
        Residuals below it count in full.

    Returns
    -------
    float32 (n, 2, 3)
        No entry further than MAX_WARP from the identity.
    """
    n, side, _ = templates.shape
    descent, flat = _steepest_descent(templates)
    weights = np.ones((n, side * side), dtype=np.float32)
    for _ in range(n_steps):
        values, inside = sample(targets, warps)
        weights *= inside
        residual = standardise(values, weights) - standardise(flat, weights)
        scale = np.maximum(1.9 * np.abs(residual).mean(axis=1, keepdims=True), floor).astype(np.float32)
        weights = inside / np.square(1 + np.square(residual / scale))
        warps = _compose(warps, _step(descent, weights, residual))
    return warps


def _steepest_descent(templates: Float32) -> tuple[Float32, Float32]:
    """Change of the standardised template with each warp entry, (n, 6, p), and the template itself, (n, p)."""
    n, side = templates.shape[:2]
    ones = np.ones((n, side * side), dtype=np.float32)
    flat = standardise(templates.reshape(n, side * side), ones)
    slopes = [np.gradient(flat.reshape(n, side, side), np.float32(2 / side), axis=axis) for axis in (2, 1)]
    grid = _grid(side)[None]
    parts = [np.asarray(slope).reshape(n, 1, side * side) * grid for slope in slopes]
    return np.concatenate(parts, axis=1).astype(np.float32), flat


def _step(descent: Float32, weights: Float32, residual: Float32) -> Float32:
    weighted = descent * weights[:, None]
    hessian = weighted @ descent.transpose(0, 2, 1)
    damping = _DAMPING * np.trace(hessian, axis1=1, axis2=2) / 6 + 1e-3
    hessian += damping[:, None, None].astype(np.float32) * np.eye(6, dtype=np.float32)
    right = weighted @ residual[..., None]
    step: Float32 = np.clip(np.linalg.solve(hessian, right)[..., 0], -_MAX_STEP, _MAX_STEP).astype(np.float32)
    return step


def _compose(warps: Float32, steps: Float32) -> Float32:
    """W after the inverse of (identity + step), held within MAX_WARP."""
    moved = _square(IDENTITY[None] + steps.reshape(-1, 2, 3))
    composed = (_square(warps) @ np.linalg.inv(moved))[:, 1:]
    held: Float32 = IDENTITY + np.clip(composed - IDENTITY, -MAX_WARP, MAX_WARP)
    return held.astype(np.float32)


def _square(warps: Float32) -> Float32:
    full = np.zeros((len(warps), 3, 3), dtype=np.float32)
    full[:, 0, 0] = 1
    full[:, 1:] = warps
    return full


def _grid(side: int) -> Float32:
    """Pixel centres as float32 (3, s*s): ones, x, y."""
    centres = ((np.arange(side) + 0.5) * 2 / side - 1).astype(np.float32)
    y, x = np.meshgrid(centres, centres, indexing="ij")
    return np.stack([np.ones(side * side, dtype=np.float32), x.ravel(), y.ravel()])
