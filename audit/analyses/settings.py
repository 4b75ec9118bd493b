"""In which settings is each class shown, and in which hardly ever? From metadata and from the surroundings in pictures.

Source: FOCUS ("FOCUS: Familiar Objects in Common and Uncommon Settings", Kattakinda and Feizi, ICML 2022).
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from audit.analyses.base import Analysis, Computed, Need, knowing, register
from audit.maths.partitions import adjusted_mutual_information, contingency
from audit.model import META_PREFIX, DatasetView
from audit.report import Picture, Section
from audit.settings import words
from audit.settings.attributes import Attribute, from_metadata
from audit.settings.config import SettingsConfig
from audit.settings.galleries import galleries, rarity, said
from audit.settings.gaps import Gap, find_gaps
from audit.settings.predictions import column_of, correctness, noises
from audit.settings.prompts import prompts
from audit.settings.results import About, Contexts, GapRow, SettingsResult, TopRow
from audit.settings.selection import Picked, labelled
from audit.settings.surroundings import surroundings
from audit.settings.tables import contexts_table, gaps_table, settings_table, splits_table
from audit.settings.text import Reading, noted, read, refuse_unknown
from audit.settings.ties import find_ties, is_dominant
from audit.settings.verdicts import UNCOMMON, Cell, Labelled, States, cells, states
from audit.shown import picture

N_TOP = 20
N_UNCOMMON = 12


def compute(views: Sequence[DatasetView], config: SettingsConfig, rng: np.random.Generator) -> Computed:
    """Share of every setting in every class, the joint test, and the state of every image."""
    view, data, rows = labelled(knowing(views[0], config))
    test_rng, context_rng, gap_rng = rng.spawn(3)
    found, ignored = from_metadata(view, max_values=config.max_values, multi_label=config.multi_label)
    readings = _readings(views[0], view, data, rows, config)
    border = None if views[0].neurons is None else Picked(views[0].neurons.border, rows)
    context, contexts, groups = surroundings(view, data, border, config, context_rng)
    attributes = (*found, *(reading.attribute for reading in readings), *((context,) if context is not None else ()))
    judged = cells(data, attributes, config, test_rng)
    state = states(data, attributes, judged)
    gaps = _gaps(view, data, (attributes, judged, state), config, gap_rng)
    tables = {
        "settings": settings_table(judged, attributes),
        "splits": splits_table(view, attributes, state, readings),
        "contexts": contexts_table(view, groups, contexts),
        "gaps": gaps_table(gaps),
    }
    result = _result(view, data, (attributes, ignored, contexts), judged, state, config)
    about = tuple(noted(one, readings) for one in result.attributes)
    return Computed(result.model_copy(update={"gaps": _worst(gaps), "attributes": about}), tables)


def section(result: SettingsResult) -> Section:
    """The findings: classes tied to a setting, and pictures in uncommon settings."""
    return Section(
        id="settings",
        title=ANALYSIS.title,
        question=ANALYSIS.question,
        summary=words.summary(result),
        analysis=ANALYSIS.name,
        version=ANALYSIS.version,
        findings=words.findings(result),
        blocks=words.blocks(result),
        method=words.method(result),
    )


def _readings(
    whole: DatasetView, view: DatasetView, data: Labelled, rows: npt.NDArray[np.int64], config: SettingsConfig
) -> tuple[Reading, ...]:
    """Settings by text, where texts have a place beside the pictures; a metadata column of the same name goes first."""
    if whole.texts is None or not len(data):
        return ()
    audited = {name: column_of(view.images, column, "audited") for name, column in config.audited.items()}
    named = {column.removeprefix(META_PREFIX) for column in view.circumstances}
    refuse_unknown(audited, named, config)
    found = read(data, Picked(whole.vectors, rows), whole.texts, config, audited)
    return tuple(reading for reading in found if reading.attribute.name not in named)


def _gaps(
    view: DatasetView,
    data: Labelled,
    looked_at: tuple[Sequence[Attribute], Sequence[Cell], States],
    config: SettingsConfig,
    rng: np.random.Generator,
) -> tuple[Gap, ...]:
    """Accuracy gaps of the predictions that the configuration names; none without."""
    if not config.predictions or not looked_at[0]:
        return ()
    correct = correctness(view.images, config.predictions)
    noise = noises(view.images, data, looked_at, config.audited)
    return find_gaps(data, looked_at[0], looked_at[2], correct, noise, rng)


def _worst(gaps: Sequence[Gap]) -> tuple[GapRow, ...]:
    """Those of all classes, then the largest of single classes."""
    known = [gap for gap in gaps if gap.label and gap.gap is not None]
    largest = sorted(known, key=lambda gap: (-(gap.gap or 0.0), gap.label, gap.attribute))[:N_TOP]
    return tuple(GapRow(**vars(gap)) for gap in (*(g for g in gaps if not g.label), *largest))


def _result(
    view: DatasetView,
    data: Labelled,
    looked_at: tuple[Sequence[Attribute], dict[str, str], Contexts],
    judged: Sequence[Cell],
    state: States,
    config: SettingsConfig,
) -> SettingsResult:
    attributes, ignored, contexts = looked_at
    ties = find_ties(view, data, attributes, judged, config)
    rare = rarity(data, attributes, judged)
    return SettingsResult(
        config=config,
        n=len(data),
        attributes=tuple(_about(data, attribute) for attribute in attributes),
        ignored=ignored,
        n_cells=len(judged),
        n_uncommon_cells=sum(cell.verdict == UNCOMMON for cell in judged),
        n_uncommon_images=int((state.n_uncommon > 0).sum()),
        dominant=tuple(tie for tie in ties if is_dominant(tie, config)),
        leaning=tuple(tie for tie in ties if not is_dominant(tie, config)),
        uncommon=_most_uncommon(view, attributes, state, rare.sum(axis=1)),
        galleries=galleries(view, data, attributes, rare, state),
        contexts=contexts,
        gaps=(),
        top=_top(judged, config),
    )


def _about(data: Labelled, attribute: Attribute) -> About:
    known = attribute.is_known
    codes = np.unique(attribute.members[known], axis=0, return_inverse=True)[1].reshape(-1)
    return About(
        name=attribute.name,
        source=attribute.source,
        n_values=int((attribute.members[known].any(axis=0)).sum()),
        n_known=int(known.sum()),
        shared=adjusted_mutual_information(contingency(codes, data.label[known])) if known.any() else 0.0,
        is_measured=attribute.is_measured,
    )


def _most_uncommon(
    view: DatasetView, attributes: Sequence[Attribute], state: States, rare: npt.NDArray[np.float64]
) -> tuple[Picture, ...]:
    order = np.lexsort((-rare, -state.n_uncommon))[: min(N_UNCOMMON, int((state.n_uncommon > 0).sum()))]
    labels = view.images.column("label")
    return tuple(picture(view, int(i), f"{labels[int(i)].as_py()}: {said(attributes, int(i))}") for i in order)


def _top(judged: Sequence[Cell], config: SettingsConfig) -> tuple[TopRow, ...]:
    strongest = sorted(judged, key=lambda c: (c.p_max_t, -abs(c.pmi), c.label, c.attribute, c.value))
    return tuple(
        (c.label, c.attribute, c.value, c.n, c.n_known, c.n / max(c.n_known, 1), c.low, c.high, c.p_max_t)
        for c in strongest[:N_TOP]
        if c.p_max_t <= config.alpha
    )


ANALYSIS = register(
    Analysis(
        name="settings",
        version=5,
        title="Settings",
        question="In which circumstances is each class shown, and in which hardly ever?",
        datasets=1,
        needs=frozenset({Need.LABELS, Need.NEIGHBOURS, Need.NEURONS, Need.TEXTS, Need.METADATA}),
        config=SettingsConfig,
        result=SettingsResult,
        compute=compute,
        section=section,
        source="Kattakinda and Feizi, FOCUS, ICML 2022; Westfall and Young 1993 for the maximum statistic",
        order=60,
        tables=("settings", "splits", "contexts", "gaps"),
        texts=prompts,
    )
)
