"""How progress is shown."""

from __future__ import annotations

import io

import pytest

from api.cli.progress import line, plain_lines, shown
from api.durations import ago, duration
from storage.records import Progress


def progress(done: int, *, stage: str = "embed", **more: float) -> Progress:
    return Progress(stage=stage, done=done, total=5000, unit="images", **more)  # type: ignore[arg-type]


def test_a_line_says_stage_count_speed_and_time_left() -> None:
    said = line(progress(1200, images_per_s=412.4, eta_s=9.2))
    assert said == "embed: 1,200 of 5,000, 412 images/s, 9 s left"


def test_a_line_leaves_out_what_is_not_known() -> None:
    assert line(progress(0)) == "embed: 0 of 5,000"


def test_a_stage_that_has_counted_nothing_yet_only_begins() -> None:
    assert line(Progress(stage="scan", done=0, total=0, unit="images")) == "scan: begins"


def test_a_stage_of_unknown_size_says_how_far_it_is() -> None:
    assert line(Progress(stage="scan", done=1200, total=0, unit="images")) == "scan: 1,200"


def test_plain_lines_are_at_most_one_in_five_seconds_within_a_stage() -> None:
    out, now = io.StringIO(), [0.0]
    show = plain_lines(out, clock=lambda: now[0])
    for second in range(11):
        now[0] = float(second)
        show(progress(second))
    assert [said.split()[1] for said in out.getvalue().splitlines()] == ["0", "5", "10"]


def test_while_only_time_passes_a_line_every_half_minute_says_what_is_at_work_and_for_how_long(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    out, now = io.StringIO(), [0.0]
    monkeypatch.setattr("time.time", lambda: 1000 + now[0])
    show = plain_lines(out, clock=lambda: now[0])
    for second in range(63):
        now[0] = float(second)
        at, since = ("copies", 990) if second < 61 else ("parts", 1061)
        show(Progress(stage="prepare", done=0, total=9, unit="steps", at=at, at_since=since))
    assert out.getvalue().splitlines() == [
        "prepare: 0 of 9, copies for 10 s",
        "prepare: 0 of 9, copies for 40 s",
        "prepare: 0 of 9, copies for 1 min 10 s",
    ]
    now[0] = 65.0
    show(Progress(stage="prepare", done=0, total=9, unit="steps", at="parts", at_since=1061))
    assert out.getvalue().splitlines()[-1] == "prepare: 0 of 9, parts for 4 s"


def test_a_new_stage_is_told_at_once() -> None:
    out = io.StringIO()
    show = plain_lines(out, clock=lambda: 0.0)
    show(progress(10))
    show(progress(0, stage="analyse"))
    assert [said.split(":")[0] for said in out.getvalue().splitlines()] == ["embed", "analyse"]


def test_quiet_shows_nothing() -> None:
    out = io.StringIO()
    with shown(quiet=True, stream=out) as show:
        show(progress(1))
    assert out.getvalue() == ""


class _Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_a_terminal_gets_a_bar_with_speed_and_time_left() -> None:
    out = _Terminal()
    with shown(quiet=False, stream=out) as show:
        show(progress(1200, images_per_s=412.4, eta_s=70.0))
    assert "412 images/s · 1 min 10 s left" in out.getvalue()


def test_durations_are_written_for_people() -> None:
    assert [duration(s) for s in (0.4, 59.4, 60, 3599, 3600, 93784)] == [
        "0 s",
        "59 s",
        "1 min 00 s",
        "59 min 59 s",
        "1 h 00 min",
        "26 h 03 min",
    ]


def test_ages_are_rough() -> None:
    assert [ago(s) for s in (-3, 20, 650, 8000, 90_000, 200_000)] == [
        "just now",
        "just now",
        "10 min ago",
        "2 h ago",
        "1 day ago",
        "2 days ago",
    ]
