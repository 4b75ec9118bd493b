"""Which evidence becomes findings, and the words for it."""

import numpy as np
import pytest

from audit.pictures.statistics import STATISTICS
from audit.spurious.candidates import BACKGROUND, METADATA, NEURON, STATISTIC, Candidate, Candidates
from audit.spurious.choice import SHOWN, Tie, chosen, rank, strength
from audit.spurious.evidence import Evidence, Study
from audit.spurious.harm import NO_CONFLICT, Cue, Harm
from audit.spurious.words import LOOKS, Named, caption, clause, exceptions, listed, shares

CUE = Cue(0.5, 1, np.zeros(4, bool), np.arange(4))
OPEN, HARMFUL = Harm((9, 9, 9, 9), NO_CONFLICT), Harm((9, 9, 9, 9), "", 0.2, 0.1, 0.3)


def evidence(name="x", kind=METADATA, label="a", g=0.9, levels="E1", **more):
    known = {"foreground": float("nan"), "background": float("nan"), "background_low": 0.0, "is_contextual": False}
    known |= {"cue": CUE, "harm": OPEN, "levels": frozenset(levels.split("+"))} | more
    number = known.pop("number", 0)
    return Evidence(Candidate(name, kind), number, label, 1, g, 0.01, **known)


def risk(**more):
    return evidence(**{"kind": NEURON, "levels": "E1+E2", "is_contextual": True, "background": 0.5} | more)


def study(*found, names=("a", "b", "c")):
    nothing = np.zeros(0, np.int64)
    return Study(nothing, list(names), nothing, nothing, list(found), Candidates((), np.zeros((0, 0)), None), None, 0)


def shown(*found, **more):
    return [(tie.lead.label, tie.lead.candidate.name) for tie in chosen(study(*found, **more))]


def test_a_strong_circumstance_comes_before_a_weaker_background_and_a_shortcut_before_both():
    assert shown(risk(name="n", label="a"), evidence("place = sea", label="b")) == [("b", "place = sea"), ("a", "n")]
    sure = risk(name="s", label="c", levels="E1+E2+E4", background=0.3, harm=HARMFUL)
    assert shown(risk(label="a"), evidence(label="b"), sure)[0] == ("c", "s")


def test_of_one_class_the_higher_level_leads_and_the_others_are_named_beside_it():
    ties = chosen(study(evidence("place = sea"), risk(name="n"), risk(name="m", background=0.4)))
    assert [(tie.lead.candidate.name, [also.candidate.name for also in tie.also]) for tie in ties] == [
        ("n", ["place = sea"])
    ]
    assert ties[0].strength == 0.9


def test_a_person_who_confirmed_something_is_heard_before_any_number():
    said = evidence("tint", kind=STATISTIC, g=0.3, levels="E1+E5", verdict="confirmed")
    assert shown(risk(name="n", levels="E1+E2+E4", harm=HARMFUL), said) == [("a", "tint")]


@pytest.mark.parametrize(
    "weak",
    [
        evidence(g=0.79),
        evidence(levels=""),
        evidence(cue=None),
        evidence(verdict="rejected"),
        evidence(kind=NEURON),
        evidence(harm=Harm((90, 90, 90, 90), "", 0.01, -0.1, 0.1)),
    ],
)
def test_what_is_weak_unexamined_rejected_on_the_object_or_harmless_is_no_finding(weak):
    assert rank(weak) is None
    assert shown(weak) == []


def test_the_look_of_pictures_is_shown_last_and_once():
    looks = [evidence(f"s{i}", kind=STATISTIC, label=label, g=0.95) for i, label in enumerate("bc")]
    assert shown(*looks, evidence("place = sea", label="a", g=0.8)) == [("a", "place = sea"), ("b", "s0")]


def test_no_more_than_a_few_findings_are_shown():
    found = [evidence(f"m{i}", label=str(i), g=0.99 - i / 100) for i in range(SHOWN + 3)]
    assert [name for _, name in shown(*found)] == [f"m{i}" for i in range(SHOWN)]


def test_two_classes_are_one_tie():
    assert len(shown(evidence(label="a"), risk(label="b"), names=("a", "b"))) == 1


def test_a_background_that_the_object_tells_as_well_is_named_and_counts_for_the_strength():
    behind = evidence("background of a", kind=BACKGROUND, g=0.95, harm=Harm((9, 9, 9, 9), "", 0.0, -0.1, 0.1))
    (tie,) = chosen(study(risk(name="n"), behind))
    assert tie == Tie(tie.lead, (behind,))
    assert tie.strength == 0.95
    assert strength(tie.lead) == 0.5


def named(name="place = sea", kind=METADATA, sign=1, is_background=False):
    return Named(
        name=name, kind=kind, sign=sign, label="ship", levels=("E1",), sizes=(95, 5, 1, 9), is_background=is_background
    )


def test_words_say_what_is_so_and_in_how_many():
    assert shares(named()) == "“place” is “sea” in 90% of its pictures, against 5% of the others"
    assert clause(named(sign=-1)) == "“place” is not “sea”"
    assert clause(named("age", sign=-1)) == "“age” is low"
    assert clause(named("sharpness", STATISTIC)) == "the sharpness is high"
    assert clause(named("stage3:13", NEURON, is_background=True)) == "the background is the usual one"


def test_exceptions_are_what_to_collect():
    assert exceptions(named()) == (
        "pictures of “ship” in which it is not so that “place” is “sea”, and pictures of the others in which it is"
    )
    assert exceptions(named("background of ship", BACKGROUND, is_background=True)) == (
        "pictures of “ship” before other backgrounds, and of the others before backgrounds like those of “ship”"
    )


def test_captions_say_what_a_picture_has():
    background = named("stage3:13", NEURON, is_background=True)
    captions = [
        caption(background, label, group) for label, group in (("ship", 3), ("ship", 2), ("car", 1), ("car", 0))
    ]
    assert captions == [
        "ship, usual background",
        "ship, unusual background",
        "car, background like “ship”",
        "car, another background",
    ]
    pair = background.model_copy(update={"of_two": True})
    assert [caption(pair, "boat", group) for group in (1, 0)] == ["boat, unusual background", "boat, usual background"]
    assert caption(named(), "ship", 2) == "ship, place: not sea"
    assert caption(named(sign=-1), "ship", 2) == "ship, place: sea"
    assert caption(named("sharpness", STATISTIC, -1), "ship", 3) == "ship, low value"


def test_every_statistic_has_words():
    assert LOOKS.keys() == STATISTICS.keys()


def test_words_in_a_row():
    assert [listed("abc"[:n]) for n in range(4)] == ["", "a", "a and b", "a, b and c"]
