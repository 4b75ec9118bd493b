"""What lies beside a report: the names of its files, what each holds, and the columns that are promised."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from audit.report import Report, TableBlock

TABLES_VERSION = 1
"""Goes up when a promised column is renamed, removed or changes its meaning; new columns do not raise it."""


@dataclass(frozen=True)
class TableFile:
    """One file of ``tables/``.

    Attributes
    ----------
    description : str
        One row is what, in one sentence.
    columns : tuple of str
        The columns users may rely on; a table may have more.
    analyses : tuple of str
        The analyses that write it; none for what every report has.
    more : tuple of str
        Further columns, which may change.
    """

    description: str
    columns: tuple[str, ...]
    analyses: tuple[str, ...] = ()
    more: tuple[str, ...] = ()


TABLES: Mapping[str, TableFile] = {
    "images": TableFile(
        "Every input, one row each, with its statistics, or with the reason why it was left out.",
        ("image_id", "path", "status", "reason", "detail", "label", "split", "dataset"),
    ),
    "embeddings": TableFile(
        "The embedding of every usable picture.",
        ("image_id", "path", "embedding", "dataset"),
    ),
    "duplicates": TableFile(
        "Pictures that are copies of each other; those of one group share its number.",
        ("group", "image_id", "path", "kind", "keep"),
        ("duplicates",),
        more=(
            "sure",
            "how",
            "distance",
            "e_value",
            "label",
            "split",
        ),
    ),
    "duplicate_pairs": TableFile(
        "Every pair of pictures that came within reach of each other, the nearest first, beyond the threshold too.",
        ("image_id", "path", "other_image_id", "other_path", "distance", "is_near"),
        ("duplicates",),
        more=(
            "e_value",
            "how",
        ),
    ),
    "leakage": TableFile(
        "Copies that lie in different splits, or in both datasets; those of one group share its number.",
        ("group", "image_id", "path", "kind"),
        ("leakage", "cross_leakage"),
        more=(
            "sure",
            "how",
            "distance",
            "e_value",
            "label",
            "split",
            "dataset",
        ),
    ),
    "outliers": TableFile(
        "Every usable picture, the strangest first.",
        ("image_id", "path", "score", "rank"),
        ("outliers",),
        more=(
            "percentile",
            "expected",
            "stands_out",
            "group_size",
            "label",
            "split",
            "class_score",
            "class_expected",
        ),
    ),
    "labels": TableFile(
        "Every picture whose label could be judged, the most doubtful first, with the label suggested instead.",
        ("image_id", "path", "label", "suggested", "score", "rank"),
        ("labels",),
        more=(
            "disputed",
            "distance_ratio",
            "margin",
            "p_label",
            "p_suggested",
            "split",
        ),
    ),
    "quality": TableFile(
        "Pictures with a fault, one row for each fault.",
        ("image_id", "path", "issue"),
        ("quality",),
        more=(
            "value",
            "threshold",
            "score",
            "rank",
        ),
    ),
    "balance": TableFile(
        "How many pictures each class has, in all and in each split.",
        ("label", "split", "n", "share", "low", "high"),
        ("balance",),
        more=("p_max_t",),
    ),
    "settings": TableFile(
        "How often each class is seen in each setting, and whether that is common or uncommon.",
        ("class", "attribute", "value", "n", "p", "low", "high", "p_max_t", "verdict"),
        ("settings",),
        more=(
            "n_bursts",
            "n_known",
            "pmi",
            "pmi_low",
            "pmi_high",
            "source",
        ),
    ),
    "splits": TableFile(
        "Every labelled picture with how usual its circumstances are for its class.",
        ("image_id", "path", "state", "n_uncommon"),
        ("settings",),
        more=("uncommon",),
    ),
    "concepts": TableFile(
        "Every concept with its share in the whole sample (class empty) and in each class.",
        ("concept", "kind", "class", "n", "share", "low", "high"),
        ("concepts",),
        more=(
            "stability",
            "repeated",
            "in_boxes",
            "accuracy",
            "p",
        ),
    ),
    "concept_images": TableFile(
        "The pictures that show each concept, the strongest first.",
        ("concept", "kind", "image_id", "path", "strength", "rank"),
        ("concepts",),
        more=("label",),
    ),
    "sparse_probes": TableFile(
        "How well 1, 2, 4, 8 and 16 neurons tell each class and value of the metadata from the rest.",
        ("attribute", "value", "n", "k", "accuracy", "low", "high", "neurons"),
        ("sparse_probes",),
    ),
    "learning": TableFile(
        "Accuracy by the number of pictures learned from, measured and fitted, to twice as many as there are.",
        ("n_images", "kind", "accuracy", "low", "high"),
        ("learning",),
    ),
    "contexts": TableFile(
        "Every labelled picture with the group of pictures whose surroundings look like its own.",
        ("image_id", "path", "context"),
        ("settings",),
        more=("distance",),
    ),
    "gaps": TableFile(
        "How much worse a model's predictions are where a class is in an uncommon setting.",
        ("class", "attribute", "n_common", "n_uncommon", "gap", "low", "high", "note"),
        ("settings",),
        more=(
            "accuracy_common",
            "accuracy_uncommon",
            "corrected",
            "corrected_low",
            "corrected_high",
            "interval",
        ),
    ),
    "spurious": TableFile(
        "Every feature that a label might be read off, the strongest evidence first.",
        (
            "feature",
            "kind",
            "layer",
            "class",
            "g",
            "p_max_t",
            "g_foreground",
            "g_background",
            "earliest_layer",
            "complexity",
            "gap",
            "gap_low",
            "gap_high",
            "worst_group_accuracy",
            "level",
        ),
        ("spurious",),
        more=(
            "heat_outside",
            "worst_group_after",
            "verdict",
            "same_as",
        ),
    ),
    "conflicts": TableFile(
        "Pictures whose label and feature disagree, for each feature found: collect more like them or up-weight them.",
        ("feature", "image_id", "path", "label", "has_feature", "rank", "weight"),
        ("spurious",),
    ),
    "balanced_split": TableFile(
        "For each feature found, a train and a test part with as many used pictures of each group.",
        ("feature", "image_id", "path", "label", "group", "part", "used"),
        ("spurious",),
    ),
    "sample_weights": TableFile(
        "For each feature found, a weight per picture that makes the four groups count the same; mean 1.",
        ("feature", "image_id", "path", "label", "group", "weight"),
        ("spurious",),
    ),
    "conditions": TableFile(
        "Every split and setting with how far its pictures are from the others, the widest difference first.",
        ("attribute", "value", "n", "distance", "floor", "corrected", "p_max_t"),
        ("conditions",),
    ),
    "class_shares": TableFile(
        "Every class of two datasets with its share in each, those missing in the candidate first.",
        (
            "label",
            "n_reference",
            "n_candidate",
            "share_reference",
            "share_candidate",
            "difference",
            "low",
            "high",
            "p_max_t",
            "state",
        ),
        ("class_shares",),
    ),
    "differences": TableFile(
        "Pictures of both datasets with how far the other dataset is from them, the farthest first.",
        ("dataset", "image_id", "path", "distance", "rank", "cluster"),
        ("differences",),
        more=(
            "label",
            "percentile",
        ),
    ),
    "dna_neurons": TableFile(
        "Every neuron of the extractor with how far apart the two datasets are in it.",
        ("layer", "neuron", "dead", "distance", "floor", "corrected"),
        ("visual_dna",),
        more=(
            "ratio",
            "cramer",
            "p_max_t",
            "distance_bins",
            "mean_reference",
            "mean_candidate",
        ),
    ),
    "dna_unlike": TableFile(
        "Every picture of the candidate with how unlike the reference it looks, the strangest first.",
        ("image_id", "path", "surprise", "share_below", "neuron", "rank"),
        ("visual_dna",),
    ),
}
"""The promise of docs/reports.md, in the order in which the files are listed."""

_FILES = (
    ("report.html", "This page; it needs no other file."),
    ("report.json", "Everything this page says, for programs."),
)


def files(report: Report) -> list[tuple[str, str]]:
    """Name and description of every file that goes with a report, tables as far as the report names them."""
    named = _named(report)
    known = [(_place(name), TABLES[name].description) for name in TABLES if name in named]
    others = [(_place(name), _used_by(report, name)) for name in sorted(named - set(TABLES))]
    return [*_FILES, *known, *others]


def _place(name: str) -> str:
    return f"tables/{name}.parquet"


def _named(report: Report) -> frozenset[str]:
    """Tables that every report has, that findings and blocks refer to, and that its analyses write."""
    found = {finding.table for section in report.sections for finding in section.findings}
    found |= {block.source for section in report.sections for block in section.blocks if isinstance(block, TableBlock)}
    answered = {section.analysis for section in report.sections if not section.error}
    found |= {name for name, table in TABLES.items() if not table.analyses or answered & set(table.analyses)}
    return frozenset(found - {""})


def _used_by(report: Report, name: str) -> str:
    titles = [
        section.title
        for section in report.sections
        if any(finding.table == name for finding in section.findings)
        or any(isinstance(block, TableBlock) and block.source == name for block in section.blocks)
    ]
    return f"The whole list behind “{'”, “'.join(titles)}”."
