"""The stored second looks of a dataset, unpacked, and the frequency descriptors that propose candidates."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from audit.pictures.hashes import CHROMA_SIDE, LUMA_SIDE, look_bytes

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
    """The second looks of n pictures: which rows of the stored thumbnails they are, and nothing copied.

    Attributes
    ----------
    stored : tuple of (uint8 (m, 2304), uint8 (m, 128))
        Luma and chroma of every image of each dataset, usually memory maps.
    rows : int64 (n,)
        Row of each picture, counted through all datasets.
    short : float32 (n,)
        Shorter side of the picture itself, in pixels.
    """

    stored: tuple[tuple[UInt8, UInt8], ...]
    rows: Int64
    short: Float32

    def __len__(self) -> int:
        return len(self.rows)

    def luma(self, which: Int64 | slice) -> UInt8:
        """Luma of some of the pictures, uint8 (k, 48, 48)."""
        return self._read(0, which).reshape(-1, LUMA_SIDE, LUMA_SIDE)

    def chroma(self, which: Int64 | slice) -> UInt8:
        """Chroma of some of the pictures, uint8 (k, 2, 8, 8)."""
        return self._read(1, which).reshape(-1, 2, CHROMA_SIDE, CHROMA_SIDE)

    def mean_luma(self) -> npt.NDArray[np.float64]:
        """Mean luma of every picture, float64 (n,), 0..255."""
        blocks = (self._read(0, block).mean(axis=1) for block in self.blocks())
        return np.concatenate([np.zeros(0), *blocks])

    def blocks(self) -> Iterator[slice]:
        """Consecutive slices of the pictures, of a size that memory does not notice."""
        return (slice(start, start + _BLOCK) for start in range(0, len(self), _BLOCK))

    def take(self, which: Int64) -> Looks:
        """The looks of some of the pictures, in that order."""
        return Looks(self.stored, self.rows[which], self.short[which])

    def _read(self, kind: int, which: Int64 | slice) -> UInt8:
        rows = self.rows[which]
        found = np.empty((len(rows), self.stored[0][kind].shape[1]), dtype=np.uint8)
        start = 0
        for part in self.stored:
            here = (rows >= start) & (rows < start + len(part[kind]))
            found[here] = part[kind][rows[here] - start]
            start += len(part[kind])
        return found


def read_looks(*images: pa.Table) -> Looks:
    """The looks of one or more datasets after each other, from tables with the columns of
    :data:`audit.pictures.hashes.HASH_SCHEMA`."""
    short = [
        np.minimum(*(np.asarray(one.column(side), dtype=np.float32) for side in ("width", "height"))) for one in images
    ]
    return Looks(
        stored=tuple((look_bytes(one.column("look_luma")), look_bytes(one.column("look_chroma"))) for one in images),
        rows=np.arange(sum(one.num_rows for one in images)),
        short=np.concatenate(short),
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


def frequencies(looks: Looks, window: str) -> Float32:
    """Low frequencies of one window of every thumbnail.

    The entries c(u, v), 0 < u + v <= m, of the orthonormal DCT-II of the window, each times sqrt(u + v) so that the
    1/f fall of natural pictures does not leave the decision to one coefficient, divided by their norm. Brightness
    and contrast drop out.

    Parameters
    ----------
    looks : Looks, of n pictures
    window : str
        A key of :data:`WINDOWS`.

    Returns
    -------
    float32 (n, d), of norm 1, entries in the order of :func:`places`
        Zero where a picture has next to no contrast.

    Source: C. Zauner, "Implementation and Benchmarking of Perceptual Image Hash Functions", 2010 (DCT hash, here
    without its quantisation).
    """
    top, left, side, m = WINDOWS[window]
    u, v = places(m)
    weight = np.sqrt(u + v).astype(np.float32)
    bell = _bell(side) if window == "centre" else None
    found = np.empty((len(looks), len(u)), dtype=np.float32)
    basis = _cosines(side, m)
    for block in looks.blocks():
        patch = looks.luma(block)[:, top : top + side, left : left + side].astype(np.float32)
        if bell is not None:
            patch = (patch - (patch * bell).sum(axis=(1, 2), keepdims=True) / bell.sum()) * bell
        entries = (basis @ patch @ basis.T)[:, u, v] * weight
        length = np.sqrt(np.square(entries).sum(axis=1, keepdims=True))
        found[block] = np.where(length > side / 10, entries / np.maximum(length, 1e-6), 0)
    return found


def places(m: int) -> tuple[Int64, Int64]:
    """Frequencies down and across, int64 (d,) each, 0 < u + v <= m, rows down then across."""
    total = np.add.outer(np.arange(m), np.arange(m))
    down, across = np.nonzero((total > 0) & (total <= m))
    return down, across


def orient_frequencies(entries: Float32, orientation: int) -> Float32:
    """The frequencies of pictures laid another way, from those as they are: float32 (n, d)."""
    m = next(m for _, _, _, m in WINDOWS.values() if len(places(m)[0]) == entries.shape[1])
    down, across = places(m)
    odd_across, odd_down = _ODD[orientation]
    sign = np.where(odd_across & (across % 2 == 1), -1, 1) * np.where(odd_down & (down % 2 == 1), -1, 1)
    source = np.lexsort((down, across)) if orientation in SIDEWAYS else np.arange(len(down))
    laid: Float32 = entries[:, source] * sign.astype(np.float32)
    return laid


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
