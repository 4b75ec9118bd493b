"""What a comparison of two Visual DNA found, as it is stored and shown."""

from __future__ import annotations

from audit.analyses.base import Result
from audit.report import Picture


class LayerDistance(Result):
    """One layer, in standard deviations of the reference; means over its living neurons."""

    layer: str
    n_neurons: int
    n_dead: int
    distance: float
    floor: float
    corrected: float
    ratio: float | None
    median: float
    share_above: float
    """Share of neurons whose distance is at least 1.5 times their floor."""


class ShownNeuron(Result):
    """One neuron's two histograms: share of positions in 42 equal parts of its range."""

    layer: str
    neuron: int
    corrected: float
    p_value: float | None
    """Family-wise over all neurons; None where single neurons cannot be judged."""
    low: float
    high: float
    reference: tuple[float, ...]
    candidate: tuple[float, ...]
    seen: tuple[tuple[Picture, ...], tuple[Picture, ...]] = ((), ())
    """The pictures of the reference and of the candidate that it answers to most."""


class ClassDistance(Result):
    """Both datasets within one class: image means, in standard deviations of the reference's."""

    label: str
    n_images: tuple[int, int]
    distance: float
    floor: float
    """Mean distance when the class's pictures are exchanged between the datasets."""
    corrected: float
    p_value: float


class DnaResult(Result):
    """What the section is written from; distances are None when a side has fewer than two images.

    Units and meanings are those of :class:`audit.dna.comparing.Totals`.
    """

    names: tuple[str, str]
    n_images: tuple[int, int]
    distance: float | None
    floor: float | None
    corrected: float | None
    ratio: float | None
    low: float | None
    high: float | None
    level: float
    cramer: float | None
    p_value: float | None
    p_mean: float | None
    p_max: float | None
    p_value_note: str
    null_high: float | None
    n_needed: int | None
    n_different: int | None
    """Neurons with a family-wise p-value of at most 0.05; None where single neurons cannot be judged."""
    n_neurons: int
    """Living neurons, or those of them that the weights listen to."""
    n_buckets: int
    n_bursts: tuple[int, int] | None
    design_effect: tuple[float, float] | None
    weights: str
    """Name of the neuron weights that the total listens with; "" for every layer alike."""
    weights_fingerprint: str
    plain_bins: float | None
    layers: tuple[LayerDistance, ...]
    neurons: tuple[ShownNeuron, ...]
    classes: tuple[ClassDistance, ...]
    unlike: tuple[Picture, ...]
    """The candidate's pictures that look least like the reference."""
    share_unlike: float | None
    """Share of the candidate's pictures that are less like the reference than 99 % of its own."""
    usual_unlike: float | None
    """That share in another sample of the reference's source, on average: 1 % where the reference is large."""
    strangest: float | None
    """Share of the reference's own pictures that are less strange to it than the first of ``unlike``."""
    calibration: str
