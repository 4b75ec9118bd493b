"""Small pieces of sections that several analyses need: pictures of rows, histograms as charts, words for numbers."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from audit.model import DatasetView
from audit.report import ChartBlock, Picture


def picture(view: DatasetView, row: int, caption: str = "", *, marked: bool = False) -> Picture:
    """The image of one row, to be shown."""
    images = view.images
    return Picture(
        dataset=view.name,
        image_id=images.column("image_id")[row].as_py(),
        path=images.column("path")[row].as_py(),
        caption=caption,
        marked=marked,
    )


def histogram(values: npt.NDArray[np.float64], n_bins: int = 40) -> tuple[tuple[float, float, int], ...]:
    """Bins (from, to, count) over the finite values; empty without any."""
    finite = values[np.isfinite(values)]
    if not len(finite):
        return ()
    low, high = float(finite.min()), float(finite.max())
    if high - low <= 1e-9 * max(abs(low), abs(high), 1.0):
        return ((round(low, 6), round(low + 1e-6, 6), len(finite)),)
    counts, edges = np.histogram(finite, bins=n_bins)
    return tuple(
        (round(float(a), 6), round(float(b), 6), int(c)) for a, b, c in zip(edges, edges[1:], counts, strict=False)
    )


def histogram_chart(
    title: str, description: str, bins: Sequence[tuple[float, float, int]], *, axis: str, rule: float | None = None
) -> ChartBlock:
    """Bars of a histogram, with a vertical line at ``rule`` if given."""
    bars = {
        "mark": {"type": "bar"},
        "data": {"values": [{"from": a, "to": b, "images": c} for a, b, c in bins]},
        "encoding": {
            "x": {"field": "from", "type": "quantitative", "bin": {"binned": True}, "title": axis},
            "x2": {"field": "to"},
            "y": {"field": "images", "type": "quantitative", "title": "images"},
        },
    }
    line = {
        "mark": {"type": "rule", "strokeDash": [4, 3]},
        "data": {"values": [{"at": rule}]},
        "encoding": {"x": {"field": "at", "type": "quantitative"}},
    }
    return ChartBlock(
        title=title,
        description=description,
        vega_lite={"layer": [bars] if rule is None else [bars, line], "width": 560, "height": 180},
    )


def two_histograms(
    reference: npt.NDArray[np.float64], candidate: npt.NDArray[np.float64], n_bins: int = 40
) -> tuple[tuple[float, float, int, int], ...]:
    """Bins (from, to, count of the reference, count of the candidate) over the finite values of both."""
    both = histogram(np.concatenate([reference, candidate]), n_bins)
    if len(both) < 2:
        n, m = (int(np.isfinite(one).sum()) for one in (reference, candidate))
        return tuple((low, high, n, m) for low, high, _ in both)
    edges = [low for low, _, _ in both] + [both[-1][1]]
    edges[0], edges[-1] = -np.inf, np.inf
    left, right = (np.histogram(one[np.isfinite(one)], bins=edges)[0].tolist() for one in (reference, candidate))
    return tuple((low, high, a, b) for (low, high, _), a, b in zip(both, left, right, strict=True))


def two_histograms_chart(
    title: str,
    description: str,
    bins: Sequence[tuple[float, float, int, int]],
    names: tuple[str, str],
    *,
    axis: str,
    rule: float,
) -> ChartBlock:
    """Outlines of both histograms, each as a share of its own dataset, the candidate's dashed; a line at ``rule``."""
    totals = [max(sum(one[i] for one in bins), 1) for i in (2, 3)]
    values = [
        {
            "dataset": f"{name} ({role})",
            "at": round((one[0] + one[1]) / 2, 6),
            "share": round(one[i + 2] / totals[i], 6),
        }
        for i, (name, role) in enumerate(zip(names, ("reference", "candidate"), strict=True))
        for one in bins
    ]
    by = {"field": "dataset", "type": "nominal", "sort": None, "title": None}
    place = {
        "x": {"field": "at", "type": "quantitative", "title": axis, "scale": {"zero": False}},
        "y": {
            "field": "share",
            "type": "quantitative",
            "title": "share of images",
            "stack": None,
            "axis": {"format": "%"},
        },
    }
    line = {"mark": {"type": "line", "interpolate": "step"}, "encoding": {**place, "color": by, "strokeDash": by}}
    mark = {
        "mark": {"type": "rule", "strokeDash": [4, 3]},
        "data": {"values": [{"at": rule}]},
        "encoding": {"x": {"field": "at", "type": "quantitative"}},
    }
    spec = {"data": {"values": values}, "layer": [line, mark], "width": 560, "height": 180}
    return ChartBlock(title=title, description=description, vega_lite=spec)


def counted(n: int, noun: str, plural: str = "") -> str:
    """``1 image``, ``3 images``, ``1,200 images``."""
    return f"{n:,} {noun if n == 1 else plural or noun + 's'}"


def points(share: float) -> str:
    """A difference of shares in percentage points with its sign: ``+20.4``, ``−21.6``."""
    return f"{100 * share:+.1f}".replace("-", "−")


def auc_words(auc: float) -> str:
    """An area under the curve with two decimals; ``above 0.99`` rather than a 1.00 that it is not."""
    return "above 0.99" if 0.995 <= auc < 1 else f"{auc:.2f}"


def have(n: int) -> str:
    """``has`` of one, ``have`` of several."""
    return "has" if n == 1 else "have"


def looks(n: int) -> str:
    """``looks`` of one, ``look`` of several."""
    return "looks" if n == 1 else "look"
