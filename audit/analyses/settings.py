"""Settings from metadata: in which circumstances is each class shown, and in which hardly ever?

Source: FOCUS ("FOCUS: Familiar Objects in Common and Uncommon Settings", Kattakinda and Feizi, ICML 2022) for the
question; the shares are Beta posteriors, the family-wise error is the maximum statistic over permuted bursts.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

import numpy as np
import pyarrow as pa
from pydantic import Field
from scipy.sparse import hstack

from audit.analyses.base import Analysis, Computed, Config, Need, Result, register
from audit.maths.association import Association, associate, burst_weights, conditional_share
from audit.model import META_PREFIX, DatasetView
from audit.report import Column, Finding, Metric, Picture, Section, Severity, TableBlock
from audit.shown import counted

COMMON, UNCOMMON, UNDETERMINED = "common", "uncommon", "undetermined"
MISSING = "(missing)"


class SettingsConfig(Config):
    """How settings are judged."""

    tau: float = Field(0.10, gt=0, lt=1, description="A setting below this share of a class is uncommon.")
    prior: float = Field(5.0, gt=0, description="Weight of the overall share, in images, in each class' estimate.")
    dominant: float = Field(0.80, gt=0, lt=1, description="A setting above this share of a class is reported.")
    elsewhere: float = Field(0.30, gt=0, lt=1, description="... if its share in all other classes is below this.")
    stronger: float = Field(
        0.25,
        gt=0,
        lt=1,
        description="... or if its share exceeds that of the other classes by this, at its lower bound.",
    )
    alpha: float = Field(0.05, gt=0, lt=1, description="Family-wise error at which a class and a setting go together.")
    n_permutations: int = Field(999, ge=99, le=99_999, description="Permutations of the joint test.")
    max_values: int = Field(30, ge=2, le=1000, description="A column with more values than this is no setting.")
    min_class: int = Field(20, ge=1, description="Classes with fewer images are not judged.")


class Tie(Result):
    """A class that is shown in one setting far more often than the other classes are."""

    label: str
    attribute: str
    value: str
    n: int
    """Images of the class."""
    n_value: int
    """Of these, images in the setting."""
    smoothed: float
    """Posterior mean of the share, with its credible interval."""
    low: float
    high: float
    elsewhere: float
    """Share of the images of all other classes that are in the setting."""
    p_max_t: float
    pictures: tuple[Picture, ...]
    exceptions: tuple[Picture, ...]

    @property
    def share(self) -> float:
        """Share of the images of the class that are in the setting."""
        return self.n_value / self.n


class SettingsResult(Result):
    """What was found, small; the whole table is ``settings``."""

    config: SettingsConfig
    n: int
    attributes: tuple[str, ...]
    ignored: dict[str, str]
    """Metadata columns that are no settings, with the reason."""
    n_cells: int
    n_uncommon_cells: int
    n_uncommon_images: int
    dominant: tuple[Tie, ...]
    """Nearly always in the setting, which is hardly seen elsewhere."""
    leaning: tuple[Tie, ...]
    """Less than nearly always, but far more often than the others."""
    uncommon: tuple[Picture, ...]
    top: tuple[tuple[str, str, str, int, int, float, float, float, float], ...]
    """Class, attribute, value, n, n of the class, share, low, high, p_max_t of the strongest associations."""


SETTINGS_SCHEMA = pa.schema(
    [
        ("class", pa.string()),
        ("attribute", pa.string()),
        ("value", pa.string()),
        ("n", pa.int64()),
        ("n_bursts", pa.float64()),
        ("p", pa.float64()),
        ("low", pa.float64()),
        ("high", pa.float64()),
        ("pmi", pa.float64()),
        ("p_max_t", pa.float64()),
        ("verdict", pa.string()),
    ]
)
SPLITS_SCHEMA = pa.schema(
    [("image_id", pa.string()), ("path", pa.string()), ("state", pa.string()), ("n_uncommon", pa.int32())]
)

_COLUMNS = ("image_id", "path", "label", "group")
"""What is read of an image besides its metadata."""

_Row = dict[str, Any]


def compute(views: Sequence[DatasetView], config: SettingsConfig, rng: np.random.Generator) -> Computed:
    """Share of every setting in every class, the joint test, and the state of every image."""
    view = _labelled(views[0])
    attributes, ignored = _attributes(view, config.max_values)
    rows: list[_Row] = []
    if attributes and len(view):
        rows = _cells(view, attributes, config, rng)
    n_uncommon = _uncommon_per_image(view, attributes, rows)
    tables = {"settings": pa.Table.from_pylist(rows, SETTINGS_SCHEMA), "splits": _splits(view, attributes, n_uncommon)}
    return Computed(_result(view, attributes, ignored, rows, n_uncommon, config), tables)


def _labelled(view: DatasetView) -> DatasetView:
    keep = np.flatnonzero(np.array([label is not None for label in view.column("label")], bool))
    wanted = [c for c in view.images.column_names if c in _COLUMNS or c.startswith(META_PREFIX)]
    images = view.images.select(wanted).take(pa.array(keep))
    return DatasetView(view.name, view.fingerprint, images.sort_by("image_id"), view.excluded)


def _attributes(view: DatasetView, max_values: int) -> tuple[dict[str, list[str]], dict[str, str]]:
    """Settings by name, a value per image; and the columns left out, with the reason."""
    found: dict[str, list[str]] = {}
    ignored: dict[str, str] = {}
    for column in sorted(c for c in view.images.column_names if c.startswith(META_PREFIX)):
        name = column.removeprefix(META_PREFIX)
        values = [MISSING if v is None else str(v) for v in view.column(column)]
        n_values = len(set(values))
        if n_values > max_values:
            ignored[name] = f"{n_values} different values, more than {max_values}"
        elif n_values < 2:
            ignored[name] = "the same value everywhere"
        else:
            found[name] = values
    return found, ignored


def _cells(
    view: DatasetView, attributes: dict[str, list[str]], config: SettingsConfig, rng: np.random.Generator
) -> list[_Row]:
    labels, label_codes = np.unique(np.array(view.column("label")), return_inverse=True)
    groups = [
        g if g is not None else f"\0{i}" for i, g in zip(view.column("image_id"), view.column("group"), strict=True)
    ]
    bursts = np.unique(np.array(groups), return_inverse=True)[1]
    classes = burst_weights(label_codes, bursts, len(labels))
    coded = {name: np.unique(np.array(values), return_inverse=True) for name, values in attributes.items()}
    blocks = [burst_weights(codes, bursts, len(names)) for names, codes in coded.values()]
    tested = associate(classes, hstack(blocks, format="csr"), n_permutations=config.n_permutations, rng=rng)
    rows: list[_Row] = []
    start = 0
    for attribute, (names, codes) in coded.items():
        images = np.zeros((len(labels), len(names)), np.int64)
        np.add.at(images, (label_codes, codes), 1)
        columns = slice(start, start + len(names))
        rows += _rows_of(attribute, labels.tolist(), names.tolist(), images, _cut(tested, columns), config)
        start += len(names)
    return rows


def _cut(tested: Association, columns: slice) -> Association:
    return Association(tested.counts[:, columns], tested.residuals[:, columns], tested.p_max_t[:, columns])


def _rows_of(
    attribute: str, labels: list[str], names: list[str], images: Any, tested: Association, config: SettingsConfig
) -> list[_Row]:
    overall = tested.counts.sum(axis=0) / tested.counts.sum()
    share, low, high = conditional_share(tested.counts, overall, prior=config.prior, level=0.95)
    rows = []
    for c, label in enumerate(labels):
        judged = images[c].sum() >= config.min_class
        for s, value in enumerate(names):
            rows.append(
                {
                    "class": label,
                    "attribute": attribute,
                    "value": value,
                    "n": int(images[c, s]),
                    "n_bursts": float(tested.counts[c, s]),
                    "p": float(share[c, s]),
                    "low": float(low[c, s]),
                    "high": float(high[c, s]),
                    "pmi": float(np.log2(share[c, s] / overall[s])),
                    "p_max_t": float(tested.p_max_t[c, s]),
                    "verdict": _verdict(float(low[c, s]), float(high[c, s]), config.tau) if judged else UNDETERMINED,
                }
            )
    return rows


def _verdict(low: float, high: float, tau: float) -> str:
    if high < tau:
        return UNCOMMON
    return COMMON if low >= tau else UNDETERMINED


def _uncommon_per_image(view: DatasetView, attributes: dict[str, list[str]], rows: list[_Row]) -> Any:
    uncommon = {(r["class"], r["attribute"], r["value"]) for r in rows if r["verdict"] == UNCOMMON}
    count = np.zeros(len(view), np.int32)
    labels = view.column("label")
    for attribute, values in attributes.items():
        count += np.array([(c, attribute, v) in uncommon for c, v in zip(labels, values, strict=True)], np.int32)
    return count


def _splits(view: DatasetView, attributes: dict[str, list[str]], n_uncommon: Any) -> pa.Table:
    state = np.where(n_uncommon > 0, UNCOMMON, COMMON if attributes else UNDETERMINED)
    ids, paths = view.column("image_id"), view.column("path")
    columns = [pa.array(ids, pa.string()), pa.array(paths, pa.string()), pa.array(state.tolist(), pa.string())]
    return pa.Table.from_arrays([*columns, pa.array(n_uncommon, pa.int32())], schema=SPLITS_SCHEMA)


def _result(
    view: DatasetView,
    attributes: dict[str, list[str]],
    ignored: dict[str, str],
    rows: list[_Row],
    n_uncommon: Any,
    config: SettingsConfig,
) -> SettingsResult:
    strongest = sorted(rows, key=lambda r: (r["p_max_t"], -abs(r["pmi"]), r["class"], r["attribute"], r["value"]))
    size = Counter(view.column("label"))
    names, numbers = ("class", "attribute", "value", "n"), ("low", "high", "p_max_t")
    ties = _ties(view, attributes, rows, config)
    order = np.flatnonzero(n_uncommon > 0)
    order = order[np.argsort(-n_uncommon[order], kind="stable")][:12]
    return SettingsResult(
        config=config,
        n=len(view),
        attributes=tuple(attributes),
        ignored=ignored,
        n_cells=len(rows),
        n_uncommon_cells=sum(r["verdict"] == UNCOMMON for r in rows),
        n_uncommon_images=int((n_uncommon > 0).sum()),
        dominant=tuple(tie for tie in ties if _is_dominant(tie, config)),
        leaning=tuple(tie for tie in ties if not _is_dominant(tie, config)),
        uncommon=tuple(_picture(view, int(i), _uncommon_caption(view, attributes, int(i))) for i in order),
        top=tuple(
            (*(r[k] for k in names), size[r["class"]], r["n"] / size[r["class"]], *(r[k] for k in numbers))
            for r in strongest[:20]
            if r["p_max_t"] <= config.alpha
        ),
    )


def _is_dominant(tie: Tie, config: SettingsConfig) -> bool:
    return tie.low >= config.dominant and tie.elsewhere < config.elsewhere


def _ties(view: DatasetView, attributes: dict[str, list[str]], rows: list[_Row], config: SettingsConfig) -> list[Tie]:
    """The cells that are tied beyond chance and by far, the strongest first."""
    labels = np.array(view.column("label"), object)
    found = []
    for r in rows:
        if r["p_max_t"] > config.alpha or r["value"] == MISSING or r["pmi"] <= 0:
            continue
        has_value = np.array(attributes[r["attribute"]], object) == r["value"]
        inside = labels == r["class"]
        elsewhere = float(has_value[~inside].mean()) if (~inside).any() else 1.0
        examples = np.flatnonzero(inside & has_value)[:6]
        odd = np.flatnonzero(inside & ~has_value)[:6]
        tie = Tie(
            label=r["class"],
            attribute=r["attribute"],
            value=r["value"],
            n=int(inside.sum()),
            n_value=r["n"],
            smoothed=r["p"],
            low=r["low"],
            high=r["high"],
            elsewhere=elsewhere,
            p_max_t=r["p_max_t"],
            pictures=tuple(_picture(view, int(i), r["value"]) for i in examples),
            exceptions=tuple(_picture(view, int(i), "an exception") for i in odd),
        )
        judged = tie.n >= config.min_class and tie.low - elsewhere >= config.stronger
        if judged or _is_dominant(tie, config):
            found.append(tie)
    return sorted(found, key=lambda tie: (-tie.low, tie.label, tie.attribute))


def _uncommon_caption(view: DatasetView, attributes: dict[str, list[str]], i: int) -> str:
    return f"{view.column('label')[i]}: " + ", ".join(f"{name} {values[i]}" for name, values in attributes.items())


def _picture(view: DatasetView, i: int, caption: str) -> Picture:
    ids, paths = view.images.column("image_id"), view.images.column("path")
    return Picture(dataset=view.name, image_id=ids[i].as_py(), path=paths[i].as_py(), caption=caption)


def section(result: SettingsResult) -> Section:
    """The findings: classes tied to a setting, and pictures in uncommon settings."""
    findings = [_dominance_finding(d, i, result.n) for i, d in enumerate(result.dominant)]
    if result.leaning:
        findings.append(_leaning_finding(result))
    if result.n_uncommon_images:
        findings.append(_uncommon_finding(result))
    return Section(
        id="settings",
        title=ANALYSIS.title,
        question=ANALYSIS.question,
        summary=_summary(result),
        analysis=ANALYSIS.name,
        version=ANALYSIS.version,
        findings=tuple(findings),
        blocks=_blocks(result),
        method=_method(result.config),
    )


def _summary(result: SettingsResult) -> str:
    if not result.attributes:
        return "No metadata column describes a setting, so nothing can be said from metadata."
    names = ", ".join(result.attributes)
    if result.dominant:
        tied = ", ".join(f"{d.label} to {d.attribute} = {d.value}" for d in result.dominant[:3])
        n = len({d.label for d in result.dominant})
        more = f" Besides, {_leaning(result)}." if result.leaning else ""
        return f"{counted(n, 'class', 'classes')} {'is' if n == 1 else 'are'} tied to one setting: {tied}.{more}"
    null = f"No class is almost always in one setting ({names})"
    if result.leaning:
        return f"{null}, but {_leaning(result)}."
    if result.top:
        return f"{null}; some classes and settings go together more weakly."
    return f"{null}, and no class and setting go together beyond chance."


def _leaning(result: SettingsResult) -> str:
    first, n = result.leaning[0], len({tie.label for tie in result.leaning})
    return (
        f"{counted(n, 'class', 'classes')} {'is' if n == 1 else 'are'} shown in one setting far more often than "
        f"the others: {first.share:.0%} of {first.label} with {first.attribute} = {first.value}, against "
        f"{first.elsewhere:.0%} of the other classes"
    )


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


def _dominance_finding(d: Tie, i: int, n: int) -> Finding:
    return Finding(
        id=f"settings.dominant.{i}",
        severity=Severity.ATTENTION,
        sentence=(
            f"{d.share:.0%} of {d.label} is shown with {d.attribute} = {d.value}, against {d.elsewhere:.0%} of the "
            "other classes: a model can name the class without looking at the object."
        ),
        metric=_share_metric(d),
        pictures=(*d.pictures, *d.exceptions),
        action=f"Collect or up-weight pictures of {d.label} in other settings, and test a model on those alone.",
        table="settings",
        weight=d.n / n,
    )


def _leaning_finding(result: SettingsResult) -> Finding:
    first = result.leaning[0]
    said = _leaning(result)
    return Finding(
        id="settings.leaning",
        severity=Severity.ATTENTION,
        sentence=f"{said}: a model can guess one from the other.",
        metric=_share_metric(first),
        pictures=(*first.pictures, *first.exceptions),
        action="Report accuracy for each class in each setting, and collect or up-weight the rare combinations "
        "(tables/settings.parquet).",
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
        pictures=result.uncommon,
        action="Keep them: they are the test of whether a model has learnt the object. See tables/splits.parquet.",
        table="splits",
        weight=result.n_uncommon_images / result.n,
    )


def _blocks(result: SettingsResult) -> tuple[TableBlock, ...]:
    if not result.top:
        return ()
    titles = ("Class", "Setting", "Value", "Images", "Of", "Share", "Smoothed from", "to", "p (family-wise)")
    formats = ("text", "text", "text", "integer", "integer", "percent", "percent", "percent", "number")
    columns = tuple(
        Column(name=t.lower(), title=t, align="left" if f == "text" else "right", format=f)
        for t, f in zip(titles, formats, strict=True)
    )
    title = "Classes and settings that go together most"
    note = "Share: images in the setting of the images of the class. The interval is that of the smoothed share."
    return (TableBlock(title=title, columns=columns, rows=result.top, source="settings", note=note),)


def _method(config: SettingsConfig) -> str:
    return (
        "Shares are of images. The interval beside them is the 95 % credible interval of a smoothed share, the "
        "posterior mean of a Beta distribution (p, low and high of tables/settings.parquet); its prior is "
        f"the setting's overall share with the weight of {config.prior:g} images; images that share a group count as "
        f"one. A setting is uncommon for a class if the upper bound lies below {config.tau:.0%}, common if the lower "
        "bound lies above. Whether class and setting go together at all is tested for all classes, settings and values "
        f"at once by the largest standardised residual over {config.n_permutations} permutations of whole groups. "
        "Association is not proof that a model will use it."
    )


ANALYSIS = register(
    Analysis(
        name="settings",
        version=2,
        title="Settings",
        question="In which circumstances is each class shown, and in which hardly ever?",
        datasets=1,
        needs=frozenset({Need.LABELS}),
        config=SettingsConfig,
        result=SettingsResult,
        compute=compute,
        section=section,
        source="Kattakinda and Feizi, FOCUS, ICML 2022; Westfall and Young 1993 for the maximum statistic",
        order=60,
        tables=("settings", "splits"),
    )
)
