"""What a comparison of two Visual DNA says: different or not, how much, where, and how sure that is."""

from __future__ import annotations

import math

from audit.dna import blocks
from audit.dna.comparing import MIN_BURSTS, RATIO
from audit.dna.results import DnaResult
from audit.report import Block, Finding, Metric, MetricBlock, Severity, TextBlock
from audit.shown import counted

NOTABLE, LARGE = 0.2, 0.5
"""Small and medium effect after Cohen (1988): a pure shift of the mean by δ SD has W1 = δ SD."""
ALPHA = 0.05


def differs(result: DnaResult) -> bool:
    """Whether a difference is called one: p at most 0.05, or 1.5 times the floor where there is no p-value.

    Of fewer than 8 bursts a side nothing is said: what they have in common may be one camera.
    """
    if not result.corrected or few_bursts(result):
        return False
    if result.p_value is not None:
        return result.p_value <= ALPHA
    return result.ratio is None or result.ratio >= RATIO


def hang_together(result: DnaResult) -> bool:
    """Whether any picture is known to be a copy of another or to share a group with it."""
    return result.n_bursts is not None and result.n_bursts != result.n_images


def few_bursts(result: DnaResult) -> bool:
    """Whether a side has too few bursts to say what chance gives."""
    return hang_together(result) and min(result.n_bursts or (0,)) < MIN_BURSTS


def distance_metric(result: DnaResult) -> Metric:
    """The distance beyond sampling with its interval."""
    name, n = "Visual DNA distance", sum(result.n_images)
    if result.corrected is None:
        return Metric(name=name, value=None, unit="SD", n=n, note=result.p_value_note)
    note = f"measured {result.distance:.3f}, of which sampling alone gives {result.floor:.3f}"
    note += "; no interval, " + result.p_value_note if result.low is None else f"; {chance(result)}"
    return Metric(
        name=name,
        value=result.corrected,
        low=result.low,
        high=result.high,
        level=result.level,
        unit="SD",
        n=n,
        note=note,
    )


def chance(result: DnaResult) -> str:
    """The p-value in words."""
    if result.p_value is None:
        return result.p_value_note
    moved = ", copies and groups counted once" if hang_together(result) else ""
    return f"p = {result.p_value:.3f}: how often two samples of one source are that far apart{moved}"


def summary(result: DnaResult) -> str:
    """One or two sentences: different or not, how much, where."""
    if result.corrected is None:
        return _single(result)
    if not differs(result):
        return _not_different(result)
    p = "" if result.p_value is None else f"p = {result.p_value:.3f}, "
    apart = f"{result.corrected:.2f} SD apart beyond sampling ({p}{_size(result)} difference)"
    if result.weights:
        return f"The two datasets look different to the neurons of {result.weights!r}: {apart}."
    widest = max(result.layers, key=lambda layer: layer.corrected)
    where = f"most of all in the layer {widest.layer} ({widest.corrected:.2f} SD)"
    return f"The two datasets look different to the network: {apart}, {where}."


def _single(result: DnaResult) -> str:
    """Of datasets that have no distance: how strange single pictures are to the reference."""
    said = f"No distance: {result.p_value_note}."
    if result.strangest is None:
        return said
    reference, candidate = result.names
    which = f"The picture of {candidate}" if result.n_images[1] == 1 else f"The strangest picture of {candidate}"
    return f"{said} {which} is stranger to the network than {result.strangest:.0%} of the pictures of {reference}."


def _not_different(result: DnaResult) -> str:
    if not result.distance:
        return "The two datasets are the same to the network: no neuron answers to them differently."
    times = "" if result.ratio is None else f", {result.ratio:.1f} times what sampling alone gives"
    if few_bursts(result):
        n, m = result.n_bursts or (0, 0)
        return (
            f"Too few independent pictures or sequences to tell a difference from chance ({n:,} against {m:,}, copies "
            f"and groups counted once): the distance is {result.distance:.3f} SD{times}."
        )
    if result.p_value is None:
        return (
            f"Too few pictures to tell a difference from chance ({result.n_images[0]:,} against "
            f"{result.n_images[1]:,}): the distance is {result.distance:.3f} SD{times}."
        )
    high = result.high or 0.0
    bound = f"; a true difference of up to {math.ceil(100 * high) / 100:.2f} SD may be hidden" if high else ""
    p = f"p = {result.p_value:.3f}, "
    heard = f"The neurons of {result.weights!r} see" if result.weights else "The network sees"
    return f"{heard} no difference beyond sampling ({p}distance {result.distance:.3f} SD{times}{bound})."


def _size(result: DnaResult) -> str:
    corrected = result.corrected or 0.0
    return "a large" if corrected >= LARGE else "a notable" if corrected >= NOTABLE else "a small"


def severity(result: DnaResult) -> Severity:
    """How much it matters, by the size of the difference and how sure it is."""
    if not differs(result):
        return Severity.INFO if result.p_value is None and result.distance else Severity.OK
    if result.low is not None and result.low >= LARGE:
        return Severity.PROBLEM
    return Severity.ATTENTION if result.low is not None and (result.corrected or 0) >= NOTABLE else Severity.INFO


def findings(result: DnaResult) -> tuple[Finding, ...]:
    """The one finding, unless there is nothing to compare."""
    if result.corrected is None:
        return () if result.strangest is None else (_strange(result),)
    found = severity(result)
    return (
        Finding(
            id="visual_dna.distance",
            severity=found,
            sentence=summary(result),
            metric=distance_metric(result),
            pictures=() if found is Severity.OK else result.unlike,
            action=_action(result),
            table="dna_neurons" if result.share_unlike is None else "dna_unlike",
            weight=min(1.0, result.corrected),
        ),
    )


def _strange(result: DnaResult) -> Finding:
    """Single pictures against the reference."""
    strange = result.share_unlike is not None and result.share_unlike > 0
    name = f"Pictures of {result.names[0]} that are less strange"
    return Finding(
        id="visual_dna.single",
        severity=Severity.INFO if strange else Severity.OK,
        sentence=_single(result),
        metric=Metric(name=name, value=result.strangest, unit="share", n=result.n_images[0], note="no interval"),
        pictures=result.unlike,
        action="Look at it beside pictures of the reference." if strange else "Nothing to do.",
        table="dna_unlike",
        weight=0.0,
    )


def _action(result: DnaResult) -> str:
    if differs(result):
        return "Look at the neurons and pictures that differ before training on one and testing on the other."
    if few_bursts(result):
        return f"Add pictures of other scenes, cameras or patients: {MIN_BURSTS} on each side have a p-value."
    if severity(result) is Severity.INFO:
        return "Add pictures to the smaller dataset: about a hundred on each side say whether the two differ."
    return "Nothing: as far as these neurons see, the two may come from one source."


def evidence(result: DnaResult) -> tuple[Block, ...]:
    """Everything behind the finding."""
    if result.corrected is None:
        return ()
    peer = Metric(
        name="Plain mean over neurons",
        value=result.plain_bins,
        unit="bins of 1 000",
        n=sum(result.n_images),
        note="as the paper aggregates it, floor not taken off; no interval",
    )
    charts = (blocks.layer_chart(result), *((blocks.neuron_chart(result),) if result.neurons else ()))
    seen = blocks.seen_block(result)
    classes = (blocks.class_table(result),) if result.classes else ()
    pictures = () if seen is None else (seen,)
    return (_sureness(result), blocks.layer_table(result), *charts, *pictures, *classes, MetricBlock(metric=peer))


def _sureness(result: DnaResult) -> TextBlock:
    said = [chance(result)[:1].upper() + chance(result)[1:] + ".", *_bursts(result)]
    if result.weights:
        said.append(
            f"The total listens to {counted(result.n_neurons, 'neuron')} by the weights {result.weights!r} "
            f"({result.weights_fingerprint[:12]}); layers count every neuron alike."
        )
    if result.null_high is not None:
        said.append(
            f"Of pairs of samples of one source, of these sizes, 95 % are less than {result.null_high:.3f} SD apart."
        )
    if result.n_different is not None:
        said.append(
            f"{counted(result.n_different, 'neuron')} of {result.n_neurons:,} differ beyond chance, all looked at "
            "together (family-wise level 0.05)."
        )
    if result.n_needed is not None:
        said.append(
            f"A difference of this size is {RATIO} times what sampling gives from {result.n_needed:,} images a side."
        )
    if result.share_unlike is not None:
        said.append(
            f"{result.share_unlike:.1%} of the pictures of {result.names[1]} are stranger to {result.names[0]} than "
            f"99 % of its own; {result.usual_unlike or 0.01:.0%} is usual."
        )
    return TextBlock(title="How sure is that?", text=" ".join(said))


def _bursts(result: DnaResult) -> list[str]:
    """How many bursts there are and what they cost; nothing where images are independent."""
    if not hang_together(result) or result.n_bursts is None or result.design_effect is None:
        return []
    sides = zip(result.names, result.n_images, result.n_bursts, result.design_effect, strict=True)
    return [
        "Copies, near copies and pictures of one group hang together: "
        + "; ".join(
            f"the {n:,} pictures of {name} are {counted(bursts, 'burst')} and say as much as about {n / effect:,.0f} "
            "independent ones"
            for name, n, bursts, effect in sides
        )
        + ". Floor, interval and p-value count with that."
    ]


def _independence(result: DnaResult) -> str:
    """How the p-value and the interval were had, and what was taken as the sample."""
    buckets = (
        f"The p-value exchanges {result.n_buckets} buckets of images a side between the datasets and looks at all "
        "neurons together, by their mean and by the most extreme; the interval draws buckets again with replacement. "
    )
    if result.n_bursts is None:
        return buckets + "Images are taken as independent: with sequences and near-copies both are too sure."
    if not hang_together(result):
        return (
            buckets + "No copies or groups were found, so images are taken as independent; name sequences, cameras or "
            "patients in a group column."
        )
    return (
        "Copies, near copies and pictures of one group are one burst. The variance is widened by the design effect, "
        "measured of every neuron on the means of images (cluster-robust; Kish 1965, Liang and Zeger 1986), in the "
        "floor and in the interval, which draws buckets of images again with replacement. The p-value moves whole "
        "bursts between the datasets, each image with its mean, and looks at all neurons together."
    )


def method(result: DnaResult, source: str) -> str:
    """How it was computed."""
    mean = "mean over the neurons of a layer, then over layers"
    if result.weights:
        mean = f"mean over neurons by the saved weights {result.weights!r} ({result.weights_fingerprint[:12]})"
    return (
        "For every neuron the distance is the area between the two cumulative distributions of its activations "
        f"(1-D Wasserstein), in standard deviations of the reference; {mean}. Two samples of one source also differ: "
        "the floor is what sampling alone gives on average, from the variance between images, and it is taken off in "
        f"squares. {_independence(result)} A difference is called one at p of at most {ALPHA}, or without a "
        f"p-value from {RATIO} times the floor, notable from {NOTABLE} and large from {LARGE} SD (small and medium "
        f"effect, Cohen 1988). Neuron ranges: {result.calibration}. {source}"
    )
