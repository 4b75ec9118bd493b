"""The settings analysis in words: findings first, then how it was computed; the evidence is in ``blocks``."""

from __future__ import annotations

from audit.report import Finding, Metric, Severity
from audit.settings.blocks import blocks
from audit.settings.results import Contexts, SettingsResult, Tie
from audit.shown import counted, points

__all__ = ["blocks", "findings", "method", "summary"]

LOOK_FIRST = (
    "Look at the pictures first: where objects reach the edge of the picture, a context can be the object itself."
)

SAME = 0.999
"""Adjusted mutual information from which a column may be another name of the class."""


def findings(result: SettingsResult) -> tuple[Finding, ...]:
    """What a reader must know, in the order of the analysis."""
    found = [_dominance_finding(result, tie, i) for i, tie in enumerate(result.dominant)]
    if result.leaning:
        found.append(_leaning_finding(result))
    if any(gap.gap is not None for gap in result.gaps[:1]):
        found.append(_gap_finding(result))
    if result.n_uncommon_images:
        found.append(_uncommon_finding(result))
    return tuple(found)


def summary(result: SettingsResult) -> str:
    """The section in a sentence or two."""
    if not result.attributes:
        return f"No metadata column describes a setting, and {_no_contexts(result.contexts)}."
    names = ", ".join(about.name for about in result.attributes if about.is_measured)
    if not names:
        guessed = ", ".join(about.name for about in result.attributes)
        return f"Settings were read by text only ({guessed}) and nobody checked them: nothing is concluded from them."
    if result.dominant:
        tied = ", ".join(f"{tie.label} to {_place(tie)}" for tie in result.dominant[:3])
        n = len({tie.label for tie in result.dominant})
        more = f" Besides, {_leaning(result)}." if result.leaning else ""
        return f"{counted(n, 'class', 'classes')} {'is' if n == 1 else 'are'} tied to one setting: {tied}.{more}"
    null = f"No class is almost always in one setting ({names})"
    if result.leaning:
        return f"{null}, but {_leaning(result)}."
    if result.top:
        return f"{null}; some classes and settings go together more weakly."
    return f"{null}, and no class and setting go together beyond chance."


def method(result: SettingsResult) -> str:
    """How it was computed, and where the settings come from."""
    config = result.config
    return (
        "Shares are of the images whose setting is known. The interval beside them is the 95 % credible interval of a "
        "smoothed share, the posterior mean of a Beta distribution (p, low and high of tables/settings.parquet); its "
        f"prior is the setting's overall share with the weight of {config.prior:g} images; copies, and images that "
        "share a group, count as one. A setting is uncommon for a class if the upper bound lies below "
        f"{config.tau:.0%}, common if the lower bound lies above. Whether class and setting go together at all is "
        "tested for all classes, settings and values at once by the largest standardised residual over "
        f"{config.n_permutations} permutations of whole groups. Association is not proof that a model will use it. "
        f"{_context_method(result.contexts)}"
    )


def _no_contexts(contexts: Contexts) -> str:
    return f"none could be read from the pictures ({contexts.reason})"


def _context_method(contexts: Contexts) -> str:
    if contexts.reason:
        return f"No contexts were read from the pictures: {contexts.reason}."
    return (
        "Contexts are groups of pictures whose edges look alike to the extractor (k-means over all classes together in "
        "the leading directions of the border of its last map). Their number, "
        f"{contexts.chosen}, is the one that resamples agree on most (adjusted Rand index {contexts.agreement:.2f}); "
        "groups in which fewer than two classes have enough pictures are left out."
    )


def _leaning(result: SettingsResult) -> str:
    first, n = result.leaning[0], len({tie.label for tie in result.leaning})
    return (
        f"{counted(n, 'class', 'classes')} {'is' if n == 1 else 'are'} shown in one setting far more often than "
        f"the others: {first.share:.0%} of {first.label} {_with(first)}, against {first.elsewhere:.0%} of the other "
        "classes"
    )


def _place(tie: Tie) -> str:
    return f"like surroundings ({tie.value})" if tie.source == "context" else f"{tie.attribute} = {tie.value}"


def _with(tie: Tie) -> str:
    return f"with {_place(tie)}"


def _severity(result: SettingsResult, tie: Tie) -> Severity:
    """Groups that most classes fill alone may be the objects themselves: then it is a hint, no more."""
    if tie.source == "context" and result.contexts.follow_classes:
        return Severity.INFO
    return Severity.ATTENTION


def _first_look(result: SettingsResult, tie: Tie) -> str:
    if tie.source == "context":
        return f"{LOOK_FIRST} "
    is_name = any(about.name == tie.attribute and about.shared > SAME for about in result.attributes)
    return f"If {tie.attribute} only names the class in other words, there is nothing to do. " if is_name else ""


def _share_metric(tie: Tie) -> Metric:
    """The share of images, with the credible interval of the smoothed share where it holds it."""
    inside = tie.low <= tie.share <= tie.high
    smoothed = f"smoothed share {tie.smoothed:.1%}, credible interval {tie.low:.1%} to {tie.high:.1%}"
    said = f"interval: credible, of the smoothed share {tie.smoothed:.1%}" if inside else f"no interval: {smoothed}"
    return Metric(
        name=f"share of {tie.label} with {tie.attribute} = {tie.value}",
        value=tie.share,
        low=tie.low if inside else None,
        high=tie.high if inside else None,
        unit="share",
        n=tie.n,
        note=f"{tie.n_value:,} of {tie.n:,} images; family-wise p = {tie.p_max_t:.3f}; {said}",
    )


def _dominance_finding(result: SettingsResult, tie: Tie, i: int) -> Finding:
    return Finding(
        id=f"settings.dominant.{i}",
        severity=_severity(result, tie),
        sentence=(
            f"{tie.share:.0%} of {tie.label} is shown {_with(tie)}, against {tie.elsewhere:.0%} of the "
            "other classes: a model can name the class without looking at the object."
        ),
        metric=_share_metric(tie),
        pictures=(*tie.pictures, *tie.exceptions),
        action=(
            f"{_first_look(result, tie)}Collect or up-weight pictures of {tie.label} in other settings, and test a "
            "model on those alone."
        ),
        table="settings",
        weight=tie.n / result.n,
    )


def _leaning_finding(result: SettingsResult) -> Finding:
    first = result.leaning[0]
    return Finding(
        id="settings.leaning",
        severity=min((_severity(result, tie) for tie in result.leaning), key=list(Severity).index),
        sentence=f"{_leaning(result)}: a model can guess one from the other.",
        metric=_share_metric(first),
        pictures=(*first.pictures, *first.exceptions),
        action=(
            f"{_first_look(result, first)}Report accuracy for each class in each setting, and collect or up-weight the "
            "rare combinations (tables/settings.parquet)."
        ),
        table="settings",
        weight=first.n_value / result.n,
    )


def _uncommon_finding(result: SettingsResult) -> Finding:
    n = result.n_uncommon_images
    return Finding(
        id="settings.uncommon",
        severity=Severity.INFO,
        sentence=(
            f"{counted(n, 'picture')} {'shows its' if n == 1 else 'show their'} class in a setting that is uncommon "
            f"for it ({result.n_uncommon_cells} of {result.n_cells} combinations of class and setting are uncommon)."
        ),
        metric=Metric(
            name="pictures in uncommon settings",
            value=result.n_uncommon_images,
            unit="pictures",
            n=result.n,
            note="a count; the interval of each share is in the table",
        ),
        pictures=() if any(gap.gap is not None for gap in result.gaps[:1]) else result.uncommon,
        action="Keep them: they are the test of whether a model has learnt the object. See tables/splits.parquet.",
        table="splits",
        weight=result.n_uncommon_images / result.n,
    )


def _gap_finding(result: SettingsResult) -> Finding:
    """The gap of all classes in any setting; to check where even its lower bound is above nothing."""
    gap = result.gaps[0]
    assert gap.gap is not None
    is_sure = gap.low is not None and gap.low > 0
    first = f"The model is right on {gap.accuracy_common:.0%} of the pictures in common settings and on "
    second = f"{gap.accuracy_uncommon:.0%} of those in uncommon ones"
    compared = f"; within the classes that is {points(gap.gap)} percentage points"
    told = "" if is_sure else ", which may be chance"
    return Finding(
        id="settings.gap",
        severity=Severity.ATTENTION if is_sure else Severity.INFO,
        sentence=f"{first}{second}{compared}{told}.",
        metric=Metric(
            name="accuracy in common less uncommon settings",
            value=100 * gap.gap,
            low=None if gap.low is None else 100 * gap.low,
            high=None if gap.high is None else 100 * gap.high,
            unit="percentage points",
            n=gap.n_common + gap.n_uncommon,
            note=f"pooled over classes (Mantel-Haenszel), {gap.n_uncommon:,} pictures in uncommon settings; "
            f"interval: {gap.interval}",
        ),
        pictures=result.uncommon,
        action="Test the model on the uncommon pictures alone, and collect or up-weight such pictures for training.",
        table="gaps",
        weight=gap.n_uncommon / max(gap.n_common + gap.n_uncommon, 1),
    )
