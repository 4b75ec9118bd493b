"""A comparison through a translation: whether it may be trusted on these datasets, and what is said beside its numbers.

A test through a translation is a test where one of the two datasets is of the kind of the shared pictures: were the
datasets alike, both would be, and there the translation was checked. So each dataset is first compared with the shared
pictures, both by one extractor; where both are unlike them, the comparison is refused.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from pydantic import BaseModel, ConfigDict

from audit.model import DatasetView, Embeddings
from audit.report import Block, Finding, Metric, MetricBlock, Section, Severity
from audit.translation import FLOOR, MOST_UNLIKE, Check, Translation, likeness

TITLE = "Translation between extractors"
QUESTION = "Can datasets embedded by different extractors be compared here?"
NO_NEURONS = (
    "Not run: the neurons of two extractors have nothing in common, so no Visual DNA can be compared through a "
    "translation. Embed both datasets with one extractor for that."
)
METHOD = (
    "Regularised canonical correlation of the two embeddings of the shared pictures; directions are kept while their "
    f"correlation on held-out folds reaches {FLOOR:g}, and both datasets are mapped into them. A third of the shared "
    "pictures is held out: half of it by one extractor is tested against half by the other. Each dataset is tested "
    "against the held-out pictures by its own extractor. Source: Hotelling, Biometrika 28 (1936); Vinod, J. "
    "Econometrics 4 (1976)."
)


class Through(BaseModel):
    """What is known of a translation on two datasets.

    check : halves of the shared pictures, one by each extractor
    reference, candidate : the dataset against the shared pictures, both by its own extractor
    refused : why nothing is compared, or ""
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    translation: str
    sentence: str
    n_directions: int
    n_held_out: int
    held_old: float
    held_new: float
    check: Check
    reference: Check
    candidate: Check
    refused: str


def translated(translation: Translation, views: Sequence[DatasetView]) -> list[Embeddings]:
    """The embeddings of reference (by the old extractor) and candidate (by the new one) in the common space.

    Raises
    ------
    FingerprintMismatchError
        If a dataset was embedded by another extractor.
    """
    name = f"{translation.old.extractor} and {translation.new.extractor}"
    return [
        Embeddings(translation.half(_fingerprint(view))(view.vectors), name, translation.fingerprint, is_shared=True)
        for view in views
    ]


def judge(translation: Translation, views: Sequence[DatasetView], rng: np.random.Generator) -> Through:
    """Compare either dataset with the shared pictures, and refuse where both are unlike them."""
    mapped = translated(translation, views)
    sides = [
        likeness(translation.half(_fingerprint(view)), one.vectors, rng)
        for view, one in zip(views, mapped, strict=True)
    ]
    return Through(
        translation=translation.fingerprint,
        sentence=translation.sentence,
        n_directions=translation.n_directions,
        n_held_out=translation.n_held_out,
        held_old=translation.old.held,
        held_new=translation.new.held,
        check=translation.check,
        reference=sides[0],
        candidate=sides[1],
        refused=_refused(translation.learnt_on, sides),
    )


def beside(section: Section, through: Through) -> Section:
    """A section that says beside every p-value what the translation shows where nothing differs."""
    note = f"through a translation; {through.check.words}"

    def noted(metric: Metric) -> Metric:
        if metric.value is None or "p = " not in metric.note:
            return metric
        return metric.model_copy(update={"note": f"{metric.note}; {note}"})

    def found(finding: Finding) -> Finding:
        return finding.model_copy(update={"metric": noted(finding.metric)})

    def block(one: Block) -> Block:
        return one.model_copy(update={"metric": noted(one.metric)}) if isinstance(one, MetricBlock) else one

    return section.model_copy(
        update={
            "headline": tuple(map(noted, section.headline)),
            "findings": tuple(map(found, section.findings)),
            "blocks": tuple(map(block, section.blocks)),
            "method": f"{section.method} Compared {note}.",
        }
    )


def section(through: Through) -> Section:
    """What the report says of the translation, before anything that was compared through it."""
    metrics = (
        _metric("Shared pictures against themselves, one half by each extractor (AUC)", through.check),
        _metric("Reference against the shared pictures, by its own extractor (AUC)", through.reference),
        _metric("Candidate against the shared pictures, by its own extractor (AUC)", through.candidate),
    )
    return Section(
        id="translation",
        title=TITLE,
        question=QUESTION,
        summary=f"{through.refused or _trusted(through)} {through.sentence}",
        analysis="translation",
        version=1,
        findings=(_refusal(through),) if through.refused else (),
        headline=metrics[:1],
        blocks=tuple(MetricBlock(metric=metric) for metric in metrics),
        method=METHOD,
    )


def _fingerprint(view: DatasetView) -> str:
    return "" if view.embeddings is None else view.embeddings.extractor_fingerprint


def _refused(learnt_on: str, sides: Sequence[Check]) -> str:
    if not all(side.is_unlike for side in sides):
        return ""
    return (
        f"Not compared: neither dataset is like the pictures of {learnt_on} that the translation was learnt on (AUC "
        f"{sides[0].auc:.2f} and {sides[1].auc:.2f}, at most {MOST_UNLIKE:.2f} is taken), so its own error would pass "
        "for a difference. Learn it on pictures of the reference, or embed both datasets with one extractor."
    )


def _trusted(through: Through) -> str:
    unlike = [name for name in ("reference", "candidate") if getattr(through, name).is_unlike]
    if not unlike:
        return "Both datasets are like the shared pictures, so the translation holds for them."
    auc = getattr(through, unlike[0]).auc
    return (
        f"A difference that is found is real; its size may hold some error of the translation, since the {unlike[0]} "
        f"is unlike the shared pictures. By its own extractor alone, a probe tells the {unlike[0]} from them with an "
        f"AUC of {auc:.2f}."
    )


def _metric(name: str, check: Check) -> Metric:
    return Metric(
        name=name, value=check.auc, low=check.low, high=check.high, n=2 * check.n, note=f"p = {check.combined:.3f}"
    )


def _refusal(through: Through) -> Finding:
    return Finding(
        id="translation.refused",
        severity=Severity.ATTENTION,
        sentence=through.refused,
        metric=_metric("Reference against the shared pictures, by its own extractor (AUC)", through.reference),
        action="Learn the translation on pictures of the reference: assay extractors translate OLD NEW SOURCE.",
        weight=1.0,
    )
