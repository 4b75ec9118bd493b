"""The stored second looks of a dataset, unpacked, and the frequency descriptors that propose candidates."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from audit.pictures.hashes import CHROMA_SIDE, LUMA_SIDE

Float32 = npt.NDArray[np.float32]
UInt8 = npt.NDArray[np.uint8]
Int64 = npt.NDArray[np.int64]

AS_IS, MIRRORED, HALF_TURN, FLIPPED, QUARTER_TURN, TRANSPOSED, ANTITRANSPOSED, QUARTER_BACK = range(8)
"""Orientation codes: how the second picture must be laid to fit the first."""

TURNED = (HALF_TURN, FLIPPED, QUARTER_TURN, TRANSPOSED, ANTITRANSPOSED, QUARTER_BACK)
"""The orientations that leave the picture on its side or on its head."""

SIDEWAYS = (QUARTER_TURN, TRANSPOSED, ANTITRANSPOSED, QUARTER_BACK)
"""The orientations that exchange width and height."""

MIRROR_WINDOW = {
    "upper left": "upper right",
    "upper right": "upper left",
    "lower left": "lower right",
    "lower right": "lower left",
}
"""Where a corner window lies after mirroring."""

_ODD = {
    AS_IS: (False, False),
    MIRRORED: (True, False),
    HALF_TURN: (True, True),
    FLIPPED: (False, True),
    QUARTER_TURN: (False, True),
    TRANSPOSED: (False, False),
    ANTITRANSPOSED: (True, True),
    QUARTER_BACK: (True, False),
}
"""Whether odd frequencies across and down change their sign (after the exchange of axes)."""

WINDOWS: dict[str, tuple[int, int, int, int]] = {
    "whole": (0, 0, LUMA_SIDE, 8),
    "centre": (0, 0, LUMA_SIDE, 8),
    "upper left": (3, 3, 24, 6),
    "upper right": (3, 21, 24, 6),
    "lower left": (21, 3, 24, 6),
    "lower right": (21, 21, 24, 6),
}
"""Where candidates are looked for: top, left, side in thumbnail pixels, and number of frequencies.

A drawn box spoils some windows and leaves others; a rotation moves the corners of the whole and hardly its centre,
which is the whole under a bell-shaped weight.
"""

_BLOCK = 4096


@dataclass(frozen=True)
class Looks:
    """The second looks of n pictures.

    Attributes
    ----------
    luma : uint8 (n, 48, 48)
    chroma : uint8 (n, 2, 8, 8)
    short : float32 (n,)
        Shorter side of the picture itself, in pixels.
    """

    luma: UInt8
    chroma: UInt8
    short: Float32

    def __len__(self) -> int:
        return len(self.luma)

    def take(self, rows: Int64) -> Looks:
        """The looks of some rows, in that order."""
        return Looks(self.luma[rows], self.chroma[rows], self.short[rows])


def read_looks(images: pa.Table) -> Looks:
    """Unpack the columns of :data:`audit.pictures.hashes.HASH_SCHEMA` of an images table."""
    width, height = (np.asarray(images.column(name), dtype=np.float32) for name in ("width", "height"))
    return Looks(
        luma=_unpack(images, "look_luma", LUMA_SIDE**2).reshape(-1, LUMA_SIDE, LUMA_SIDE),
        chroma=_unpack(images, "look_chroma", 2 * CHROMA_SIDE**2).reshape(-1, 2, CHROMA_SIDE, CHROMA_SIDE),
        short=np.minimum(width, height),
    )


def join_looks(first: Looks, second: Looks) -> Looks:
    """The looks of one dataset followed by those of another."""
    return Looks(
        np.concatenate([first.luma, second.luma]),
        np.concatenate([first.chroma, second.chroma]),
        np.concatenate([first.short, second.short]),
    )


def orient(pictures: npt.NDArray[np.generic], orientation: int) -> npt.NDArray[np.generic]:
    """Lay pictures (..., s, s) another way: one of the eight symmetries of the square."""
    turns = {HALF_TURN: 2, QUARTER_TURN: 1, QUARTER_BACK: 3}
    if orientation in turns:
        return np.rot90(pictures, turns[orientation], axes=(-2, -1))
    if orientation == MIRRORED:
        return pictures[..., ::-1]
    if orientation == FLIPPED:
        return pictures[..., ::-1, :]
    if orientation == TRANSPOSED:
        return np.swapaxes(pictures, -2, -1)
    if orientation == ANTITRANSPOSED:
        return np.swapaxes(pictures, -2, -1)[..., ::-1, ::-1]
    return pictures


def frequencies(luma: UInt8, window: str) -> Float32:
    """Low frequencies of one window of every thumbnail.

    The entries c(u, v), 0 < u + v <= m, of the orthonormal DCT-II of the window, each times sqrt(u + v) so that the
    1/f fall of natural pictures does not leave the decision to one coefficient, divided by their norm. Brightness
    and contrast drop out.

    Parameters
    ----------
    luma : uint8 (n, 48, 48)
    window : str
        A key of :data:`WINDOWS`.

    Returns
    -------
    float32 (n, m, m), rows down then across, of norm 1
        Zero where a picture has next to no contrast.

    Source: C. Zauner, "Implementation and Benchmarking of Perceptual Image Hash Functions", 2010 (DCT hash, here
    without its quantisation).
    """
    top, left, side, m = WINDOWS[window]
    u = np.add.outer(np.arange(m), np.arange(m))
    weight = np.where(u <= m, np.sqrt(u), 0).astype(np.float32)
    bell = _bell(side) if window == "centre" else None
    grid = np.empty((len(luma), m, m), dtype=np.float32)
    basis = _cosines(side, m)
    for start in range(0, len(luma), _BLOCK):
        patch = luma[start : start + _BLOCK, top : top + side, left : left + side].astype(np.float32)
        if bell is not None:
            patch = (patch - (patch * bell).sum(axis=(1, 2), keepdims=True) / bell.sum()) * bell
        grid[start : start + _BLOCK] = basis @ patch @ basis.T * weight
    length = np.sqrt(np.square(grid).sum(axis=(1, 2), keepdims=True))
    unit: Float32 = np.where(length > side / 10, grid / np.maximum(length, 1e-6), 0).astype(np.float32)
    return unit


def orient_frequencies(grid: Float32, orientation: int) -> Float32:
    """The frequencies of pictures laid another way, from those as they are: float32 (n, m, m)."""
    across, down = _ODD[orientation]
    sign = np.where(np.arange(grid.shape[-1]) % 2, -1, 1).astype(np.float32)
    laid = np.swapaxes(grid, 1, 2) if orientation in SIDEWAYS else grid
    if across:
        laid = laid * sign
    if down:
        laid = laid * sign[:, None]
    return np.asarray(laid, dtype=np.float32)


def flat(grid: Float32) -> Float32:
    """Frequencies (n, m, m) as rows (n, d) of those in use."""
    m = grid.shape[-1]
    u = np.add.outer(np.arange(m), np.arange(m))
    return np.ascontiguousarray(grid[:, (u > 0) & (u <= m)])


def _cosines(side: int, m: int) -> Float32:
    """The first m rows of the orthonormal DCT-II matrix of size ``side``."""
    k, x = np.arange(m)[:, None], np.arange(side)[None]
    rows = np.sqrt(2 / side) * np.cos(np.pi * (2 * x + 1) * k / (2 * side))
    rows[0] /= np.sqrt(2)
    return np.asarray(rows, dtype=np.float32)


def _bell(side: int) -> Float32:
    hann = np.hanning(side + 2)[1:-1]
    bell: Float32 = (np.outer(hann, hann) ** 0.7).astype(np.float32)
    return bell


def _unpack(images: pa.Table, name: str, width: int) -> UInt8:
    chunks = [
        np.frombuffer(chunk.buffers()[1], dtype=np.uint8)[chunk.offset * width : (chunk.offset + len(chunk)) * width]
        for chunk in images.column(name).chunks
        if len(chunk)
    ]
    return np.concatenate(chunks).reshape(-1, width) if chunks else np.empty((0, width), dtype=np.uint8)
