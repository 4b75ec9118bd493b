"""Sections of a sample audit: every kind of block, every severity, a failed analysis, a suppressed number."""

from __future__ import annotations

import math

import numpy as np

from audit.report import (
    ChartBlock,
    Column,
    Finding,
    ImagesBlock,
    Metric,
    MetricBlock,
    Section,
    Severity,
    TableBlock,
    TextBlock,
    TreemapBlock,
    TreemapItem,
)
from tests.sample_pictures import HOSTILE, LONG, OVERRIDE, RIGHT_TO_LEFT, hash_of, picture, share


def quality() -> Section:
    dark = tuple(picture(f"dark-{i}", caption=f"mean luminance {0.02 + i / 200:.3f}") for i in range(6))
    blurred = tuple(picture(f"blur-{i}", caption=f"sharpness {3.1 + i / 3:.1f}") for i in range(4))
    bins = [
        {"luminance": round(x, 3), "pictures": round(1900 * math.exp(-(((x - 0.47) / 0.16) ** 2))) + 6}
        for x in np.linspace(0.02, 0.98, 33)
    ]
    return Section(
        id="quality",
        title="Picture quality",
        question="Which pictures are too poor to learn from?",
        summary=(
            "Every usable picture was measured on luminance, contrast, sharpness and size; limits "
            "follow from the dataset's own distribution."
        ),
        analysis="quality",
        version=1,
        findings=(
            Finding(
                id="dark",
                severity=Severity.ATTENTION,
                sentence="214 pictures (1.7%) are nearly black.",
                metric=share("Dark pictures", 214, 12_438),
                pictures=dark,
                action=(
                    "Look at the list and drop what shows nothing; if night pictures are wanted, keep "
                    "them and say so in the dataset's description."
                ),
                table="quality",
                weight=0.0172,
            ),
            Finding(
                id="blur",
                severity=Severity.ATTENTION,
                sentence="96 pictures (0.8%) are blurred beyond use.",
                metric=share("Blurred pictures", 96, 12_438),
                pictures=blurred,
                action="Drop them, or move them to a set for robustness tests.",
                table="quality",
                weight=0.0077,
            ),
            Finding(
                id="size",
                severity=Severity.OK,
                sentence="No picture is of an odd size or shape.",
                metric=share("Odd sizes", 0, 12_438),
                action="",
            ),
        ),
        headline=(share("Poor pictures", 310, 12_438),),
        blocks=(
            ChartBlock(
                title="Luminance of all pictures",
                description=(
                    "Most pictures lie between 0.3 and 0.6; a small separate group lies below 0.08, "
                    "where nothing can be seen."
                ),
                vega_lite={
                    "height": 200,
                    "data": {"values": bins},
                    "layer": [
                        {
                            "mark": "bar",
                            "encoding": {
                                "x": {
                                    "field": "luminance",
                                    "bin": {"binned": True, "step": 0.03},
                                    "title": "Mean luminance",
                                },
                                "y": {"field": "pictures", "type": "quantitative", "title": "Pictures"},
                            },
                        },
                        {
                            "data": {"values": [{"limit": 0.08}]},
                            "mark": {"type": "rule", "strokeDash": [4, 4]},
                            "encoding": {"x": {"field": "limit", "type": "quantitative"}},
                        },
                    ],
                },
            ),
        ),
        method=(
            "Luminance is the mean of Y' (Rec. 709) over the picture reduced to 256 pixels. The limit "
            "is the lower fence Q1 − 3·IQR, at least 0.05.\n\nSharpness is the variance of the "
            "Laplacian after normalising contrast."
        ),
    )


def duplicates() -> Section:
    groups = tuple(
        tuple(
            picture(
                f"dup-{g}~{i}",
                path=f"{('train', 'test')[i % 2]}/tern/DSC_0{g}{i}4{i}.jpg",
                caption=("the original" if i == 0 else ("same bytes", "resized", "brightness +6%")[i % 3]),
                marked=i == 0,
            )
            for i in range(size)
        )
        for g, size in enumerate((2, 3, 2, 4, 2, 14))
    )
    return Section(
        id="duplicates",
        title="Near-duplicates",
        question="Which pictures are copies of each other?",
        summary=(
            "Copies were looked for in three ways: the same bytes, the same pixels, and the same "
            "picture after re-encoding, resizing or small edits."
        ),
        analysis="duplicates",
        version=1,
        findings=(
            Finding(
                id="copies",
                severity=Severity.PROBLEM,
                sentence="1,032 pictures (8.3%) are copies of another picture, in 417 groups.",
                metric=share("Copies", 1_032, 12_438),
                pictures=groups[1] + groups[3],
                action="Keep one picture of each group; duplicates.parquet marks which one is the largest.",
                table="duplicates",
                weight=0.083,
            ),
            Finding(
                id="bursts",
                severity=Severity.INFO,
                sentence="2,210 pictures come from 318 bursts: series taken within seconds of each other.",
                metric=Metric(
                    name="Pictures in bursts", value=2_210, unit="pictures", n=12_438, note="counted, not estimated"
                ),
                action="Keep bursts together when splitting: split by group, not by picture.",
                weight=0.18,
            ),
        ),
        headline=(share("Copies", 1_032, 12_438), Metric(name="Groups of copies", value=417, unit="groups", n=12_438)),
        blocks=(
            ImagesBlock(
                title="Groups of copies, largest first",
                groups=groups,
                captions=tuple(
                    f"Group {i}: {len(g)} pictures, distance {0.004 * i:.3f} – {0.02 + 0.01 * i:.3f}"
                    for i, g in enumerate(groups)
                ),
                note="All 417 groups are in tables/duplicates.parquet.",
            ),
            TableBlock(
                title="Copies by kind",
                columns=(
                    Column(name="kind", title="Kind"),
                    Column(name="pairs", title="Pairs", align="right", format="integer"),
                    Column(name="share", title="Of all pictures", align="right", format="percent"),
                    Column(name="e", title="Expected by chance", align="right", format="scientific"),
                    Column(name="bytes", title="Could be freed", align="right", format="bytes"),
                ),
                rows=(
                    ("exact", 611, 0.049, 0.0, 412_000_000),
                    ("pixel", 88, 0.0071, 2.1e-9, 61_400_000),
                    ("near", 1204, 0.027, 0.00031, 233_100_000),
                ),
                source="duplicates",
            ),
        ),
        method="Pairs closer than the distance at which one pair is expected by chance (E = 1) are near-duplicates.",
    )


def leakage() -> Section:
    pairs = tuple(
        (
            picture(f"leak-{i}~a", path=f"train/plover/P{i}88.png", caption="train", marked=True),
            picture(f"leak-{i}~b", path=f"test/plover/P{i}91.png", caption="test"),
        )
        for i in range(5)
    )
    return Section(
        id="leakage",
        title="Leakage",
        question="Are test pictures also in the training set?",
        summary="Copies that lie in different splits make a test look better than it is.",
        analysis="leakage",
        version=1,
        findings=(
            Finding(
                id="train-test",
                severity=Severity.PROBLEM,
                sentence="63 of 1,254 test pictures (5.0%) are also in the training set.",
                metric=share("Test pictures seen in training", 63, 1_254),
                pictures=tuple(p for pair in pairs[:3] for p in pair),
                action=(
                    "Remove these 63 pictures from the training set, not from the test set, so that "
                    "earlier test results stay comparable."
                ),
                table="leakage",
                weight=0.05,
            ),
        ),
        headline=(share("Leaked test pictures", 63, 1_254),),
        blocks=(ImagesBlock(title="Pairs across splits", groups=pairs),),
    )


def labels() -> Section:
    disputed = (
        picture("label-1", caption="labelled tern, looks like gull (0.94)"),
        picture("label-2", path=HOSTILE, caption="labelled <b>plover</b>, looks like tern (0.91)"),
        picture("label-3", path=RIGHT_TO_LEFT, caption="labelled خرشنة, looks like gull (0.90)"),
        picture("label-4", path=LONG, caption="labelled oystercatcher, looks like plover (0.88)"),
        picture("label-5", path=OVERRIDE, caption="labelled gull, looks like tern (0.87)"),
        picture("missing", path="train/gull/gone.jpg", caption="no thumbnail"),
    )
    rows = tuple((p.path, "tern", "gull", 0.94 - 0.013 * i, i + 1) for i, p in enumerate(disputed * 11))
    return Section(
        id="labels",
        title="Label errors",
        question="Which labels are probably wrong?",
        summary="A label is disputed when the pictures most like it, left out of training, carry another one.",
        analysis="labels",
        version=1,
        findings=(
            Finding(
                id="wrong",
                severity=Severity.ATTENTION,
                sentence="An estimated 2.4% of labels are wrong: 299 pictures, most often tern given for gull.",
                metric=share("Wrong labels", 299, 12_438, note="cross-fitted estimate"),
                pictures=disputed,
                action="Check the 300 highest-ranked pictures by hand; half an hour of work.",
                table="labels",
                weight=0.024,
            ),
            Finding(
                id="rare",
                severity=Severity.INFO,
                sentence="For 2 classes nothing can be said.",
                metric=Metric(
                    name="Wrong labels in rare classes",
                    value=None,
                    unit="share",
                    note="fewer than 30 pictures in each of skua and phalarope",
                ),
                action="Collect at least 30 pictures of each class before relying on its labels.",
            ),
        ),
        headline=(share("Wrong labels (estimate)", 299, 12_438),),
        blocks=(
            TableBlock(
                title="Disputed labels",
                columns=(
                    Column(name="path", title="Picture"),
                    Column(name="label", title="Label"),
                    Column(name="suggested", title="Suggested"),
                    Column(name="score", title="Score", align="right", format="number"),
                    Column(name="rank", title="Rank", align="right", format="integer"),
                ),
                rows=rows,
                source="labels",
            ),
        ),
        method="Confident learning (Northcutt et al. 2021) on cross-fitted logistic probes.",
    )


def outliers() -> Section:
    rows = tuple(
        (
            picture(f"out-{i}", caption=f"score {9.4 - i:.1f}", marked=True),
            *(picture(f"out-{i}-near-{j}", caption=f"neighbour {j + 1}") for j in range(4)),
        )
        for i in range(3)
    )
    return Section(
        id="outliers",
        title="Outliers",
        question="Which pictures do not belong here?",
        summary="",
        analysis="outliers",
        version=1,
        findings=(
            Finding(
                id="few",
                severity=Severity.INFO,
                sentence="31 pictures stand apart from everything else.",
                metric=share("Outliers", 31, 12_438),
                pictures=tuple(row[0] for row in rows),
                action="Look at them once; most are rare, not wrong.",
                table="outliers",
                weight=0.0025,
            ),
        ),
        headline=(share("Outliers", 31, 12_438),),
        blocks=(
            ImagesBlock(
                title="The strangest pictures, each with its nearest neighbours",
                groups=rows,
                captions=tuple(f"Nothing within {0.7 - i / 10:.1f}; its class is usually within 0.2" for i in range(3)),
            ),
            MetricBlock(
                metric=Metric(
                    name="Median distance to the tenth neighbour",
                    value=0.2134,
                    low=0.2101,
                    high=0.2167,
                    unit="",
                    n=12_438,
                )
            ),
            TextBlock(
                title="How to read the score",
                text=(
                    "The score is the distance to the tenth neighbour, in units of the median.\n\nA "
                    "score of 1 is ordinary; above 3 a picture is further away than 999 of 1,000."
                ),
            ),
        ),
    )


def balance() -> Section:
    names = (
        "gull",
        "tern",
        "plover",
        "oystercatcher",
        "sandpiper",
        "curlew",
        "redshank",
        "godwit",
        "turnstone",
        "dunlin",
        "knot",
        "avocet",
        "skua",
        "phalarope",
    )
    sizes = [3_120, 2_418, 1_760, 1_204, 980, 811, 640, 512, 388, 260, 171, 121, 29, 24]
    cells = [
        {"label": a, "suggested": b, "share": 0.9 if a == b else (hash_of(a + b) % 100) / 1500}
        for a in names[:6]
        for b in names[:6]
    ]
    return Section(
        id="balance",
        title="Class balance",
        question="Does every class have enough pictures?",
        summary="The largest class has 130 times as many pictures as the smallest.",
        analysis="balance",
        version=1,
        findings=(
            Finding(
                id="rare",
                severity=Severity.ATTENTION,
                sentence="2 of 14 classes have fewer than 30 pictures: skua and phalarope.",
                metric=Metric(name="Smallest class", value=24, unit="pictures", n=12_438),
                action="Collect more, or leave these classes out of what is claimed.",
                weight=0.004,
            ),
        ),
        headline=(Metric(name="Smallest class", value=24, unit="pictures", n=12_438, note="phalarope"),),
        blocks=(
            TreemapBlock(
                title="Pictures by class",
                description=(
                    "Three classes, gull, tern and plover, hold 59% of all pictures; shade shows the "
                    "share of disputed labels."
                ),
                items=tuple(
                    TreemapItem(label=name, size=size, value=(hash_of(name) % 80) / 1000)
                    for name, size in zip(names, sizes, strict=True)
                ),
            ),
            ChartBlock(
                title="Labels against what pictures look like",
                description="Most disagreement is between tern and gull.",
                vega_lite={
                    "height": 260,
                    "data": {"values": cells},
                    "mark": "rect",
                    "encoding": {
                        "x": {"field": "suggested", "type": "nominal", "title": "Looks like"},
                        "y": {"field": "label", "type": "nominal", "title": "Labelled"},
                        "color": {"field": "share", "type": "quantitative", "title": "Share"},
                    },
                },
            ),
        ),
    )


def failed() -> Section:
    return Section(
        id="spurious",
        title="Shortcuts",
        question="Does a background give a class away?",
        summary="",
        analysis="spurious",
        version=1,
        error=(
            "It ran out of memory at 12.0 GB while comparing 12,438 pictures. Run it again with "
            "ASSAY_MEMORY_MB above 16000, or leave it out with --skip spurious."
        ),
    )
