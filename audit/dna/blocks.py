"""Tables and charts of a comparison of two Visual DNA."""

from __future__ import annotations

from audit.dna.comparing import RATIO
from audit.dna.results import DnaResult
from audit.report import ChartBlock, Column, ImagesBlock, TableBlock

SHOWN_BINS = 42


def layer_table(result: DnaResult) -> TableBlock:
    """Distance, floor and share of different neurons of every layer."""
    names = {"distance": "Distance (SD)", "floor": "Floor (SD)", "corrected": "Beyond sampling (SD)"}
    names |= {"ratio": "Times the floor", "median": "Median neuron (SD)"}
    return TableBlock(
        title="Distance by layer",
        columns=(
            Column(name="layer", title="Layer"),
            Column(name="n_neurons", title="Neurons", align="right", format="integer"),
            *(Column(name=name, title=title, align="right", format="number") for name, title in names.items()),
            Column(name="share_above", title=f"Neurons ≥ {RATIO} × floor", align="right", format="percent"),
        ),
        rows=tuple(
            (v.layer, v.n_neurons, v.distance, v.floor, v.corrected, v.ratio, v.median, v.share_above)
            for v in result.layers
        ),
        note="Standard deviations of the reference; dead neurons left out. Each neuron: tables/dna_neurons.parquet.",
    )


def layer_chart(result: DnaResult) -> ChartBlock:
    """Bars of the distance of every layer, with a tick at its floor."""
    values = [{"layer": v.layer, "distance": round(v.distance, 6), "floor": round(v.floor, 6)} for v in result.layers]
    y = {"field": "layer", "type": "nominal", "sort": None, "title": None}
    bars = {
        "mark": {"type": "bar"},
        "encoding": {"y": y, "x": {"field": "distance", "type": "quantitative", "title": "distance (SD)"}},
    }
    ticks = {
        "mark": {"type": "tick", "thickness": 3, "size": 18},
        "encoding": {"y": y, "x": {"field": "floor", "type": "quantitative"}},
    }
    return ChartBlock(
        title="Distance of each layer, and what sampling alone gives",
        description=f"Bars of the distance of {len(values)} layers, a tick at the floor of each.",
        vega_lite={"data": {"values": values}, "layer": [bars, ticks], "width": 480},
    )


def neuron_chart(result: DnaResult) -> ChartBlock:
    """Overlaid histograms of the neurons that differ most."""
    values = []
    for shown in result.neurons:
        step = (shown.high - shown.low) / SHOWN_BINS
        title = f"{shown.layer}, neuron {shown.neuron}: {shown.corrected:.2f} SD"
        sides = zip(("reference", "candidate"), result.names, (shown.reference, shown.candidate), strict=True)
        for role, name, shares in sides:
            values += [
                {
                    "neuron": title,
                    "dataset": f"{name} ({role})",
                    "at": round(shown.low + (i + 0.5) * step, 6),
                    "share": s,
                }
                for i, s in enumerate(shares)
            ]
    titles = list(dict.fromkeys(str(value["neuron"]) for value in values))
    lines = {
        "mark": {"type": "line", "interpolate": "step"},
        "width": 250,
        "height": 120,
        "encoding": {
            "x": {"field": "at", "type": "quantitative", "title": "activation", "scale": {"zero": False}},
            "y": {"field": "share", "type": "quantitative", "title": "share of positions"},
            "color": {"field": "dataset", "type": "nominal", "sort": None, "title": None},
            "strokeDash": {"field": "dataset", "type": "nominal", "sort": None, "title": None},
        },
    }
    return ChartBlock(
        title="The neurons that differ most",
        description=f"Two overlaid histograms for each of the {len(result.neurons)} most different neurons.",
        vega_lite={
            "data": {"values": values},
            "facet": {"field": "neuron", "type": "nominal", "sort": titles, "title": None},
            "columns": 2,
            "spec": lines,
            "resolve": {"scale": {"x": "independent", "y": "independent"}},
        },
    )


def seen_block(result: DnaResult) -> ImagesBlock | None:
    """What the neurons that differ most answer to, in the reference and in the candidate; None without pictures."""
    groups, captions = [], []
    for neuron in result.neurons:
        for name, pictures in zip(result.names, neuron.seen, strict=True):
            if pictures:
                groups.append(pictures)
                captions.append(f"{neuron.layer}, neuron {neuron.neuron}: strongest in {name}")
    if not groups:
        return None
    ring = any(one.place is not None for group in groups for one in group)
    return ImagesBlock(
        title="What the most different of these neurons see",
        groups=tuple(groups),
        captions=tuple(captions),
        note="The pictures that each of the most different neurons answers to most; below each, how strongly, in parts "
        "of the neuron's range (1 is its top). "
        + ("The ring is where on the picture the neuron answers most. " if ring else "")
        + "Neurons that answer to a whole picture, or to its border, are shown by their average over it. Where "
        "pictures are of clearly different kinds, each kind is shown.",
    )


def class_table(result: DnaResult) -> TableBlock:
    """Both datasets within each class that they share."""
    names = {"distance": "Distance (SD)", "floor": "By chance (SD)", "corrected": "Beyond chance (SD)", "p": "p"}
    return TableBlock(
        title="Within each class",
        columns=(
            Column(name="label", title="Class"),
            *(Column(name=f"n{i}", title=name, align="right", format="integer") for i, name in enumerate(result.names)),
            *(Column(name=name, title=title, align="right", format="number") for name, title in names.items()),
        ),
        rows=tuple((v.label, *v.n_images, v.distance, v.floor, v.corrected, v.p_value) for v in result.classes),
        note="Exact distance of the images' means, with whole groups exchanged between the datasets 99 times; class "
        "shares play no part. At most 200 pictures of a class from each side.",
    )
