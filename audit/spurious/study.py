"""All evidence on the candidates of one dataset, from predictivity to harm.

The stages and their order: docs/spurious.md.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
from threadpoolctl import threadpool_limits

from audit.analyses.base import knowing
from audit.maths.probes import deal_folds
from audit.maths.rows import bursts, sample_bursts
from audit.model import META_PREFIX, DatasetView, Parts
from audit.parts.boxes import widened
from audit.spurious import choice, context, harm
from audit.spurious.availability import Availability, availability, directions
from audit.spurious.candidates import BACKGROUND, NEURON, PATTERN, SAMPLED, Candidate, Candidates, collect, joined
from audit.spurious.evidence import CONFIRMED, Evidence, Sample, SpuriousConfig, Study
from audit.spurious.harm import Cue, Harm
from audit.spurious.patterns import pattern_name, patterns
from audit.spurious.probe import predict
from audit.spurious.ranks import Predictivity, centred_ranks, predictivity

SAME = 0.95
"""Candidates whose ranks correlate beyond this are one."""

N_FOLDS = 5
AVAILABLE_ROWS = 2000
"""Images that the probes of layers are fitted on."""

LEAST_CLASS, LEAST_CLASS_BURSTS = 20, 5
"""Images and bursts that a class needs to be judged."""

Where = tuple[float, float, float, bool]
"""Strength in the object alone and in the background alone, lower bound of the difference, whether contextual."""

NOT_PLACED: Where = (float("nan"), float("nan"), float("nan"), False)

Float64 = npt.NDArray[np.float64]
Int64 = npt.NDArray[np.int64]
Bool = npt.NDArray[np.bool_]


def judged(view: DatasetView, config: SpuriousConfig, rng: np.random.Generator) -> Sample:
    """The images of classes that are large enough, in whole bursts, at most ``max_images``."""
    burst_of = bursts(view)
    labels = view.column("label")
    members: dict[str, list[int]] = {}
    for row, label in enumerate(labels):
        if label is not None:
            members.setdefault(label, []).append(row)
    names = sorted(
        name
        for name, rows in members.items()
        if len(rows) >= LEAST_CLASS and len(np.unique(burst_of[rows])) >= LEAST_CLASS_BURSTS
    )
    place = {name: i for i, name in enumerate(names)}
    class_of = np.array([place.get(label, -1) for label in labels], dtype=np.int64)
    everywhere = np.flatnonzero(class_of >= 0)
    rows = everywhere[sample_bursts(burst_of[everywhere], config.max_images, rng)]
    return Sample(view, rows, names, class_of[rows], burst_of[rows], class_of, burst_of)


def study(sample: Sample, config: SpuriousConfig, rng: np.random.Generator) -> Study:
    """Gather the evidence; at least two classes must be judged. The same for any number of threads: one is used."""
    with threadpool_limits(limits=1):
        return _study(sample, config, rng)


def _study(sample: Sample, config: SpuriousConfig, rng: np.random.Generator) -> Study:
    candidates = collect(knowing(sample.view, config), sample.rows, rng)
    ranks = _ranks(candidates, sample.rows)
    strength = predictivity(ranks, sample.classes, sample.bursts, rng, n_permutations=config.n_permutations)
    kept, alike = merged(ranks, strength, config.floor)
    shown = _shown(sample)
    placed = {} if shown is None else _placed(shown, candidates, strength, config, rng)
    found = [_evidence(sample, candidates, int(i), strength, placed, alike, config) for i in kept]
    readable = None
    if shown is not None:
        parts, one = shown
        readable = context.readable(parts, *one.known, n_permutations=config.n_null, rng=rng)
        candidates, backgrounds = _backgrounds(sample, shown, candidates, readable.p, config, rng)
        candidates, seen = _patterns(sample, shown, candidates, config, rng)
        found += [*backgrounds, *seen]
        if not readable.shows_object:
            found = [replace(one, is_contextual=False) for one in found]
    answers, used = _answers(sample, config, rng)
    right = answers == sample.classes
    found = [_levelled(one, config) for one in _examined(sample, candidates, found, right, config, rng)]
    return Study(
        sample.rows,
        sample.names,
        sample.classes,
        sample.bursts,
        sorted(found, key=_order),
        candidates,
        readable,
        len(candidates),
        used,
        float(right.mean()),
    )


def _ranks(candidates: Candidates, rows: Int64) -> npt.NDArray[np.float32]:
    blocks = [centred_ranks(candidates.others[rows])]
    if candidates.neurons is not None:
        columns = [one.column for one in candidates.listed if one.kind == NEURON]
        values = np.asarray(candidates.neurons[rows])
        blocks.append(centred_ranks(values if len(columns) == values.shape[1] else values[:, columns]))
    return np.concatenate(blocks, axis=1)


def merged(
    ranks: npt.NDArray[np.float32], strength: Predictivity, floor: float
) -> tuple[Int64, Mapping[int, tuple[int, ...]]]:
    """Candidates that stand for themselves, and those that each of them stands for.

    In the order of falling g, a candidate takes with it all later ones whose ranks correlate with its own beyond
    ``SAME``, whatever the sign; of two that tell the same, what images of the class have comes before what they lack.
    Candidates below the floor only ever stand for themselves.

    Returns
    -------
    kept : int64 (k,), by falling g
    alike : mapping of kept number to numbers
    """
    order = np.lexsort((np.arange(len(strength.g)), strength.sign < 0, -np.round(strength.g, 9)))
    strong = order[strength.g[order] >= floor]
    unit = ranks[:, strong] / np.maximum(np.linalg.norm(ranks[:, strong], axis=0), 1e-9)
    same = np.abs(unit.T @ unit) > SAME
    free = np.ones(len(strong), dtype=bool)
    alike: dict[int, tuple[int, ...]] = {}
    for i in range(len(strong)):
        if free[i]:
            taken = np.flatnonzero(same[i] & free)
            free[taken] = False
            alike[int(strong[i])] = tuple(int(strong[j]) for j in taken if j != i)
    weak = order[strength.g[order] < floor]
    return np.concatenate([np.array(list(alike), dtype=np.int64), weak]), alike


@dataclass(frozen=True)
class Kept:
    """The pictures of the sample of parts that are judged.

    Attributes
    ----------
    at : int64 (m,)
        Positions in the sample of parts.
    classes, bursts : int64 (m,)
        Classes from 0 among those that are frequent enough here.
    place : int64 (n_classes,)
        Number here of each class of the study, −1 where it is left out.
    """

    at: Int64
    classes: Int64
    bursts: Int64
    place: Int64

    @property
    def known(self) -> tuple[Int64, Int64, Int64]:
        """The three arrays that the functions of ``audit.spurious.context`` take."""
        return self.at, self.classes, self.bursts


def _shown(sample: Sample) -> tuple[Parts, Kept] | None:
    """The parts and which of them are judged; None where there are too few."""
    parts = sample.view.parts
    if parts is None:
        return None
    in_sample = np.zeros(len(sample.view), dtype=bool)
    in_sample[sample.rows] = True
    at = context.with_background(parts, in_sample)
    classes = sample.class_of[parts.rows[at]]
    big = np.bincount(classes, minlength=len(sample.names)) >= LEAST_CLASS
    at = at[big[classes]]
    if len(at) < context.LEAST_PICTURES or np.count_nonzero(big) < 2:
        return None
    place = np.where(big, np.cumsum(big) - 1, -1)
    rows = parts.rows[at]
    return parts, Kept(at, place[sample.class_of[rows]], sample.burst_of[rows], place)


def _placed(
    shown: tuple[Parts, Kept],
    candidates: Candidates,
    strength: Predictivity,
    config: SpuriousConfig,
    rng: np.random.Generator,
) -> dict[int, Where]:
    """Where the predictive neurons tell their class, by number of the candidate."""
    parts, kept = shown
    is_strong = (strength.g >= config.floor) & (strength.p_max_t <= config.alpha) & (kept.place[strength.best] >= 0)
    asked = np.array(
        [i for i, one in enumerate(candidates.listed) if one.kind == NEURON and is_strong[i]], dtype=np.int64
    )
    if not len(asked):
        return {}
    columns = np.array([candidates.listed[i].column for i in asked])
    cells = (columns, kept.place[strength.best[asked]], strength.sign[asked])
    found = context.place(parts, *kept.known, asked=cells, rng=rng)
    is_exact = parts.is_given[kept.at].all()
    least = 0.0 if is_exact else context.THROUGH_THE_HOLE * strength.g[asked]
    holds = found.is_contextual(np.maximum(config.floor, least), config.alpha)
    numbers = zip(asked, found.foreground, found.background, found.low, holds, strict=True)
    return {int(i): (float(f), float(b), float(low), bool(is_in)) for i, f, b, low, is_in in numbers}


def _backgrounds(
    sample: Sample,
    shown: tuple[Parts, Kept],
    candidates: Candidates,
    p: float,
    config: SpuriousConfig,
    rng: np.random.Generator,
) -> tuple[Candidates, list[Evidence]]:
    """What the background as a whole says of each class, as candidates; of two classes, the first."""
    parts, kept = shown
    told = context.told(parts, *kept.known, rng)
    judged = np.flatnonzero(kept.place >= 0)
    judged = judged[:1] if len(judged) == 2 else judged
    more, found = [], []
    for c in judged:
        values = np.full(len(sample.view), np.nan)
        here = int(kept.place[c])
        values[parts.rows[kept.at]] = told.values[:, here]
        candidate = Candidate(f"background of {sample.names[c]}", BACKGROUND)
        more.append((candidate, values))
        g, front, low = float(told.g[here]), float(told.foreground[here]), float(told.low[here])
        holds = g >= config.floor and p <= config.alpha and low > 0
        number = len(candidates) + len(more) - 1
        verdict = config.verdicts.get(candidate.name, "")
        one = Evidence(candidate, number, sample.names[c], 1, max(g, 0.0), p, front, g, low, holds, verdict=verdict)
        found.append(one)
    return joined(candidates, more), found


def _patterns(
    sample: Sample, shown: tuple[Parts, Kept], candidates: Candidates, config: SpuriousConfig, rng: np.random.Generator
) -> tuple[Candidates, list[Evidence]]:
    """Patterns of the last map as candidates, tested as a family of their own; where they lie is told, E2 is not."""
    parts, kept = shown
    seen = patterns(parts, kept.at, sample.burst_of, rng)
    if not len(seen.outside):
        return candidates, []
    ranks = centred_ranks(seen.strengths)
    tested = predictivity(ranks, kept.classes, kept.bursts, rng, n_permutations=config.n_permutations)
    names = [sample.names[i] for i in np.flatnonzero(kept.place >= 0)]
    more: list[tuple[Candidate, Float64]] = []
    found: list[Evidence] = []
    for j, outside in enumerate(seen.outside):
        values = np.full(len(sample.view), np.nan)
        values[parts.rows[kept.at]] = seen.strengths[:, j]
        candidate = Candidate(pattern_name(j), PATTERN, parts.map_layer, outside=float(outside))
        label, sign = names[int(tested.best[j])], int(tested.sign[j])
        g, p = float(tested.g[j]), float(tested.p_max_t[j])
        verdict = config.verdicts.get(candidate.name, "")
        number = len(candidates) + len(more)
        found.append(Evidence(candidate, number, label, sign, g, p, *NOT_PLACED, verdict=verdict))
        more.append((candidate, values))
    return joined(candidates, more), found


def _evidence(
    sample: Sample,
    candidates: Candidates,
    i: int,
    strength: Predictivity,
    placed: Mapping[int, Where],
    alike: Mapping[int, tuple[int, ...]],
    config: SpuriousConfig,
) -> Evidence:
    candidate = candidates.listed[i]
    names = tuple(candidates.listed[j].name for j in alike.get(i, ()))
    verdicts = [config.verdicts[name] for name in (candidate.name, *names) if name in config.verdicts]
    return Evidence(
        candidate,
        i,
        sample.names[strength.best[i]],
        int(strength.sign[i]),
        float(strength.g[i]),
        float(strength.p_max_t[i]),
        *placed.get(i, NOT_PLACED),
        alike=names,
        verdict=verdicts[0] if verdicts else "",
    )


def _answers(sample: Sample, config: SpuriousConfig, rng: np.random.Generator) -> tuple[Int64, bool]:
    """The class given to each image: by the user's model where there is a column of it, else by a probe out of fold."""
    column = META_PREFIX + config.predictions
    if column in sample.view.images.column_names:
        place = {name: i for i, name in enumerate(sample.names)}
        said = sample.view.column(column)
        return np.array([place.get(str(said[row]), -1) for row in sample.rows], dtype=np.int64), True
    folds = deal_folds(sample.bursts, sample.classes, N_FOLDS, rng)
    return predict(sample.view.vectors[sample.rows], sample.classes, folds), False


def _examined(
    sample: Sample,
    candidates: Candidates,
    found: list[Evidence],
    right: Bool,
    config: SpuriousConfig,
    rng: np.random.Generator,
) -> list[Evidence]:
    """The strongest candidates with their availability and harm."""
    strong = _in_turn([one for one in found if _is_associated(one, config) or one.verdict])
    chosen = {one.number for one in strong[: config.examined]}
    in_a = harm.halves(sample.bursts, sample.classes, rng)
    layers = _Layers(sample, rng)
    n_tested = len(chosen)
    seen = []
    for one in sorted(found, key=_promise):
        if one.number not in chosen:
            seen.append(one)
            continue
        values = candidates.column(one.number)[sample.rows]
        cue, cost = _cost(sample, values, one, (right, in_a), n_tested)
        known, known_class = layers.of(cue.has, np.isfinite(values)), layers.of_class(one.label)
        seen.append(replace(one, cue=cue, harm=cost, known=known, known_class=known_class))
    return seen


def _cost(sample: Sample, values: Float64, one: Evidence, seen: tuple[Bool, Bool], n_tested: int) -> tuple[Cue, Harm]:
    """The feature as a yes-no property of the sample, and its harm among the images where it is known.

    Of a neuron that tells its class from the background, harm is measured with what it gives for the background alone:
    else an odd object that it mistakes would be taken for a conflict, and odd objects are harder anyway.
    """
    right, in_a = seen
    is_class = np.asarray(sample.classes == sample.names.index(one.label))
    cue = harm.cut(values, is_class, in_a, one.sign)
    at, there = np.arange(len(values)), cue
    if one.candidate.kind in SAMPLED or one.is_contextual:
        behind = values if one.candidate.kind in SAMPLED else _behind(sample, one)
        at = np.flatnonzero(np.isfinite(behind))
        there = harm.cut(behind[at], is_class[at], in_a[at], one.sign)
    if reason := harm.too_few(there.groups, sample.bursts[at]):
        return cue, Harm(harm.sizes(there.groups), reason)
    folds = deal_folds(sample.bursts[at], sample.classes[at], N_FOLDS, np.random.default_rng(0))
    again = harm.balanced_refit(sample.view.vectors[sample.rows[at]], sample.classes[at], folds, there)
    refit = again == sample.classes[at]
    return cue, harm.measure(there, right[at], sample.bursts[at], in_a[at], refit=refit, n_tested=n_tested)


def _behind(sample: Sample, one: Evidence) -> Float64:
    """What a neuron gives for the background alone, mean of both fillings, of the sample; NaN where it is not known."""
    values = np.full(len(sample.view), np.nan)
    parts = sample.view.parts
    if parts is not None:
        holes = widened(parts.boxes)
        both = [context.beyond_box(back.neurons[:, [one.candidate.column]], holes) for back in parts.backgrounds]
        values[parts.rows] = np.mean(both, axis=0)[:, 0]
    return values[sample.rows]


class _Layers:
    """Availability of properties on one sample of images, each class asked once."""

    def __init__(self, sample: Sample, rng: np.random.Generator) -> None:
        self._sample, self._rng = sample, rng
        self._at = np.sort(rng.permutation(len(sample.rows))[:AVAILABLE_ROWS])
        neurons = sample.view.neurons
        self._layers = {} if neurons is None else directions(neurons, sample.rows[self._at])
        self._folds = deal_folds(sample.bursts[self._at], sample.classes[self._at], 3, rng)
        self._classes: dict[str, Availability | None] = {}

    def of(self, has: Bool, known: Bool) -> Availability | None:
        at = np.flatnonzero(known[self._at])
        answers = has[self._at][at]
        if not self._layers or not answers.any() or answers.all():
            return None
        layers = {name: points[at] for name, points in self._layers.items()}
        return availability(layers, answers, self._folds[at], self._rng)

    def of_class(self, label: str) -> Availability | None:
        if label not in self._classes:
            is_class = np.asarray(self._sample.classes == self._sample.names.index(label))
            self._classes[label] = self.of(is_class, np.ones(len(is_class), dtype=bool))
        return self._classes[label]


def _levelled(one: Evidence, config: SpuriousConfig) -> Evidence:
    levels = set()
    if _is_associated(one, config):
        levels.add("E1")
    if one.is_contextual:
        levels.add("E2")
    if one.known and one.known_class and _is_more_available(one.known, one.known_class):
        levels.add("E3")
    if one.harm and one.harm.low > 0:
        levels.add("E4")
    if one.verdict == CONFIRMED:
        levels.add("E5")
    return replace(one, levels=frozenset(levels))


def _is_more_available(one: Availability, whole: Availability) -> bool:
    """Whether a feature is readable in an earlier layer than the class, or more simply in all."""
    order = list(one.by_layer)
    if not one.earliest:
        return False
    if not whole.earliest or order.index(one.earliest) < order.index(whole.earliest):
        return True
    return one.complexity < whole.complexity


def _is_associated(one: Evidence, config: SpuriousConfig) -> bool:
    return one.g >= config.floor and one.p_max_t <= config.alpha


def _in_turn(found: Sequence[Evidence]) -> list[Evidence]:
    """The order in which candidates are examined: verdicts, the most promising of each class and kind, the second of
    each, and so on; what lies on the object last.

    By promise alone, the many neurons of one class would leave nothing of the others.
    """
    seen: Counter[tuple[str, str, bool]] = Counter()
    turns = []
    for one in sorted(found, key=_promise):
        own = one.label, one.candidate.kind, one.is_contextual
        turns.append(((_is_last(one), seen[own], -choice.strength(one), one.number), one))
        seen[own] += not one.verdict
    return [one for _, one in sorted(turns, key=lambda turn: (not turn[1].verdict, *turn[0]))]


def _is_last(one: Evidence) -> bool:
    return one.candidate.kind == NEURON and not one.is_contextual


def _promise(one: Evidence) -> tuple[float, ...]:
    """Order in which candidates are examined: a person's verdicts, context, what has no place, the rest."""
    kind = 0 if one.verdict else 1 if one.is_contextual else 2 if one.candidate.kind != NEURON else 3
    return kind, -choice.strength(one), one.number


def _order(one: Evidence) -> tuple[float, ...]:
    """Strongest evidence first; what has no place in the picture before what lies on the object."""
    is_tied = "E1" in one.levels
    has_no_place = is_tied and one.candidate.kind != NEURON
    return (
        -one.is_spurious,
        -one.is_risk,
        -has_no_place,
        -("E4" in one.levels),
        -is_tied,
        -choice.strength(one),
        one.number,
    )
