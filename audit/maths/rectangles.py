"""The one rectangle of a square picture that holds the most of something, for many pictures at once.

Source: F. Crow, "Summed-area tables for texture mapping", SIGGRAPH 1984.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Float32 = npt.NDArray[np.float32]

GRID = 8
"""Rectangles have their edges on a GRID x GRID raster."""

MAX_AREA = 0.25
"""Largest share of the picture one rectangle may take."""


def worst_rectangle(residual: Float32, inside: Float32) -> npt.NDArray[np.bool_]:
    """The rectangle whose residual most exceeds what its area would hold at the picture's mean.

    Parameters
    ----------
    residual : float32 (n, s*s), >= 0, s a multiple of GRID
        Zero where ``inside`` is.
    inside : float32 (n, s*s), 0 or 1
        Pixels that count.

    Returns
    -------
    bool (n, s*s)
        True within the rectangle; at most MAX_AREA of the raster.
    """
    n, cell = len(residual), round(residual.shape[1] ** 0.5) // GRID
    energy, area = (x.reshape(n, GRID, cell, GRID, cell).sum(axis=(2, 4)) for x in (residual, inside))
    mean = energy.sum(axis=(1, 2)) / np.maximum(area.sum(axis=(1, 2)), 1)
    table = np.zeros((n, GRID + 1, GRID + 1), dtype=np.float32)
    table[:, 1:, 1:] = (energy - mean[:, None, None] * area).cumsum(axis=1).cumsum(axis=2)
    flat = table.reshape(n, (GRID + 1) ** 2)
    sums = flat[:, _CORNERS[0]] - flat[:, _CORNERS[1]] - flat[:, _CORNERS[2]] + flat[:, _CORNERS[3]]
    cells = _CELLS[sums.argmax(axis=1)]
    covered: npt.NDArray[np.bool_] = cells.repeat(cell, axis=1).repeat(cell, axis=2).reshape(n, (GRID * cell) ** 2)
    return covered


def _rectangles() -> tuple[npt.NDArray[np.intp], npt.NDArray[np.bool_]]:
    """Corner positions in the summed-area table, (4, m), and the cells of every rectangle, (m, GRID, GRID)."""
    edges = [(a, b) for a in range(GRID) for b in range(a + 1, GRID + 1)]
    limit = MAX_AREA * GRID**2
    found = [(t, b, x0, x1) for t, b in edges for x0, x1 in edges if (b - t) * (x1 - x0) <= limit]
    cells = np.zeros((len(found), GRID, GRID), dtype=np.bool_)
    corners = np.zeros((4, len(found)), dtype=np.intp)
    for number, (t, b, x0, x1) in enumerate(found):
        cells[number, t:b, x0:x1] = True
        corners[:, number] = [y * (GRID + 1) + x for y, x in ((b, x1), (t, x1), (b, x0), (t, x0))]
    return corners, cells


_CORNERS, _CELLS = _rectangles()
