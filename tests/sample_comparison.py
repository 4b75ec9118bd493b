"""Sections of a sample comparison, with charts of two series."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from audit.report import ChartBlock, Finding, ImagesBlock, Metric, Section, Severity
from tests.sample_pictures import CANDIDATE, REFERENCE, picture, share


def _series(kind: str) -> dict[str, Any]:
    """Histograms of both datasets as a step chart."""
    values = [
        {"x": round(x, 2), "share": round(math.exp(-(((x - centre) / 0.13) ** 2)) * 0.11, 4), "dataset": name}
        for name, centre in ((CANDIDATE, 0.22), (REFERENCE, 0.55))
        for x in np.linspace(0, 1, 41)
    ]
    return {
        "height": 210,
        "data": {"values": values},
        "mark": {"type": kind, "interpolate": "monotone", **({"opacity": 0.35} if kind == "area" else {})},
        "encoding": {
            "x": {"field": "x", "type": "quantitative", "title": "Mean luminance"},
            "y": {
                "field": "share",
                "type": "quantitative",
                "title": "Share of pictures",
                "axis": {"format": "%"},
                "stack": None,
            },
            "color": {"field": "dataset", "type": "nominal", "title": None},
        },
    }


def distance() -> Section:
    layers = [
        {"layer": layer, "distance": distance, "floor": 0.06}
        for layer, distance in (("colour", 0.41), ("gradients", 0.18), ("texture", 0.12))
    ]
    return Section(
        id="visual_dna",
        title="Visual DNA",
        question="How different are the two datasets?",
        summary="Every neuron's histogram over one dataset was compared with its histogram over the other.",
        analysis="visual_dna",
        version=1,
        findings=(
            Finding(
                id="differ",
                severity=Severity.PROBLEM,
                sentence="The datasets differ 4.1 times as much as two random halves of the reference do.",
                metric=Metric(name="Distance over its floor", value=4.1, low=3.8, high=4.4, unit="×", n=9_212),
                pictures=tuple(
                    picture(f"side-{i}", dataset=(REFERENCE, CANDIDATE)[i % 2], caption=("typical", "typical")[i % 2])
                    for i in range(6)
                ),
                action="Do not evaluate a model trained on the reference with the candidate without adapting it.",
                weight=0.8,
            ),
        ),
        headline=(
            Metric(name="Distance over its floor", value=4.1, low=3.8, high=4.4, unit="×", n=9_212),
            Metric(name="Fréchet distance", value=0.0873, low=0.081, high=0.094, n=9_212),
        ),
        blocks=(
            ChartBlock(
                title="Distance by layer",
                description=(
                    "Colour differs most, texture least; the floor is the distance between halves of the reference."
                ),
                vega_lite={
                    "height": 130,
                    "data": {"values": layers},
                    "layer": [
                        {
                            "mark": "bar",
                            "encoding": {
                                "y": {"field": "layer", "type": "nominal", "title": None, "sort": None},
                                "x": {"field": "distance", "type": "quantitative", "title": "Distance"},
                            },
                        },
                        {
                            "mark": "tick",
                            "encoding": {
                                "y": {"field": "layer", "type": "nominal", "sort": None},
                                "x": {"field": "floor", "type": "quantitative"},
                            },
                        },
                    ],
                },
            ),
            ChartBlock(
                title="Luminance of both",
                description="The candidate is darker: its mode is at 0.22 instead of 0.55.",
                vega_lite=_series("area"),
            ),
        ),
        method="Earth mover's distance per neuron, averaged by layer.",
    )


def differences() -> Section:
    groups = tuple(
        tuple(
            picture(
                f"diff-{g}-{i}", dataset=(REFERENCE, CANDIDATE)[i // 3], caption=f"{(-1) ** (i // 3) * 2.1:+.1f} SD"
            )
            for i in range(6)
        )
        for g in range(2)
    )
    return Section(
        id="differences",
        title="What differs",
        question="Where are the differences?",
        summary="Directions in which the datasets lie furthest apart, with the pictures at their ends.",
        analysis="differences",
        version=1,
        findings=(
            Finding(
                id="light",
                severity=Severity.ATTENTION,
                sentence="The candidate is darker: 71% of its pictures are darker than 95% of the reference.",
                metric=share("Pictures darker than the reference", 2_706, 3_812),
                pictures=groups[0],
                action="Add day pictures to the candidate, or night pictures to the training set.",
                weight=0.7,
            ),
        ),
        headline=(share("Darker than the reference", 2_706, 3_812),),
        blocks=(
            ImagesBlock(
                title="Ends of the two largest differences",
                groups=groups,
                captions=("Brightness", "Sky in the upper half"),
            ),
        ),
    )


def coverage() -> Section:
    return Section(
        id="coverage",
        title="Coverage",
        question="Does each dataset contain what the other shows?",
        summary=(
            "A picture is covered when a picture of the other dataset lies within the distance of its "
            "own tenth neighbour."
        ),
        analysis="coverage",
        version=1,
        findings=(
            Finding(
                id="covered",
                severity=Severity.INFO,
                sentence="The candidate covers 34% of the reference.",
                metric=share("Coverage", 1_836, 5_400),
                action="",
                weight=0.34,
            ),
        ),
        headline=(share("Reference covered", 1_836, 5_400), share("Candidate covered", 3_100, 3_812)),
        blocks=(
            ChartBlock(
                title="Luminance as lines", description="The same two series as lines.", vega_lite=_series("line")
            ),
        ),
    )
