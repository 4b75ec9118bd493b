"""The page: self-contained, safe, accessible, the same every time."""

from __future__ import annotations

import base64
import functools
import hashlib
import re
from collections import Counter
from html.parser import HTMLParser

import pytest

from audit.assemble import assemble
from audit.errors import ConfigError
from audit.render import render_html, stylesheet
from audit.render.pictures import Album
from audit.report import ChartBlock, Column, ImagesBlock, Metric, MetricBlock, Report, TableBlock
from tests.sample_pictures import HOSTILE, OVERRIDE, RIGHT_TO_LEFT, picture, scene, thumbnail
from tests.sample_report import audit_report, clean_report, comparison_report

VOID = {"meta", "link", "input", "br", "img", "hr"}


class Page(HTMLParser):
    """Tags, ids, links and balance of a page."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.open: list[str] = []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag):
        assert self.open.pop() == tag, f"</{tag}> closes something else"

    def values(self, name: str) -> list[str]:
        return [str(attrs[name]) for _, attrs in self.tags if name in attrs]


@functools.cache
def audit_page() -> str:
    return render_html(audit_report(), thumbnail)


@functools.cache
def comparison_page() -> str:
    return render_html(comparison_report(), thumbnail)


@functools.cache
def clean_page() -> str:
    return render_html(clean_report(), thumbnail)


PAGES = pytest.mark.parametrize("page", [audit_page, comparison_page, clean_page])


def body(text: str) -> str:
    return text[text.index("<body>") :]


@PAGES
def test_every_tag_is_closed_by_its_own(page) -> None:
    assert Page(page()).open == []


@PAGES
def test_ids_are_unique_and_links_lead_to_them(page) -> None:
    parsed = Page(page())
    ids = Counter(parsed.values("id"))
    assert [name for name, n in ids.items() if n > 1] == []
    assert {link.removeprefix("#") for link in parsed.values("href")} <= set(ids)
    assert set(parsed.values("aria-labelledby")) <= set(ids)


@PAGES
def test_the_page_asks_for_nothing(page) -> None:
    text = page()
    parsed = Page(text)
    assert not {"link", "iframe", "object", "img", "base"} & {tag for tag, _ in parsed.tags}
    assert parsed.values("src") == []
    assert all(link.startswith("#") for link in parsed.values("href"))
    inside = {f"#{name}" for name in parsed.values("id")}
    assert [to for to in re.findall(r'url\(([^)"]+)\)', text) if not to.startswith("data:") and to not in inside] == []


@PAGES
def test_the_policy_allows_exactly_the_style_and_the_script_of_the_page(page) -> None:
    text = page()
    policy = next(attrs["content"] for tag, attrs in Page(text).tags if attrs.get("http-equiv"))
    for kind, directive in (("style", "style-src"), ("script", "script-src")):
        found = re.findall(rf"<{kind}>(.*?)</{kind}>", text, re.DOTALL)
        assert len(found) == 1
        digest = base64.b64encode(hashlib.sha256(found[0].encode()).digest()).decode()
        assert f"{directive} 'sha256-{digest}'" in policy
    assert policy.startswith("default-src 'none'; img-src data:;")
    assert "unsafe" not in policy


@PAGES
def test_no_element_carries_a_style_or_a_handler_that_the_policy_would_stop(page) -> None:
    names = {name for _, attrs in Page(page()).tags for name in attrs}
    assert "style" not in names
    assert not {name for name in names if name.startswith("on")}


def test_rendering_twice_gives_the_same_text() -> None:
    assert render_html(audit_report(), thumbnail) == audit_page()


def test_names_that_look_like_markup_are_only_text() -> None:
    text = audit_page()
    assert HOSTILE not in text
    assert "&lt;img src=x onerror=alert(1)&gt;" in text
    assert "<b>plover" not in text


def test_a_name_that_turns_the_direction_is_shown_with_its_escape() -> None:
    assert "\u202e" not in audit_page()
    assert OVERRIDE.replace("\u202e", "\\u202e") in audit_page()


def test_a_right_to_left_name_is_kept_apart_from_what_is_around_it() -> None:
    assert f"<bdi>{RIGHT_TO_LEFT}</bdi>" in audit_page()


def test_each_picture_is_embedded_once_however_often_it_is_shown() -> None:
    text = audit_page()
    embedded = re.findall(r"url\(data:image/webp;base64,([^)]*)\)", text)
    shown = Counter(re.findall(r'class="thumb (p\d+)"', text))
    assert len(embedded) == len(set(embedded)) == len(shown)
    assert max(shown.values()) > 5


def test_a_thumbnail_is_asked_for_once() -> None:
    asked: Counter[tuple[str, str]] = Counter()

    def counting(dataset: str, image_id: str) -> bytes | None:
        asked[dataset, image_id] += 1
        return thumbnail(dataset, image_id)

    render_html(audit_report(), counting)
    assert set(asked.values()) == {1}


def test_a_picture_without_thumbnail_is_a_placeholder() -> None:
    assert Album(lambda *_: None).class_of(picture("x")) == "missing"


def test_bytes_that_are_no_picture_are_refused() -> None:
    with pytest.raises(ConfigError, match="a thumbnail of 5 bytes"):
        Album(lambda *_: b"<svg>").class_of(picture("x"))


def test_a_picture_keeps_its_shape_within_limits() -> None:
    album = Album(lambda _, image_id: scene(image_id))
    album.class_of(picture("dup-0"))
    ratio = float(re.search(r"--r:([\d.]+)", album.stylesheet())[1])
    assert 0.5 <= ratio <= 2.2


def test_every_section_answers_its_question_and_every_finding_says_what_to_do() -> None:
    report, text = audit_report(), body(audit_page())
    for section in report.sections:
        assert section.question in text
        for finding in section.findings:
            assert finding.sentence in text
            assert finding.action.replace("'", "&#39;") in text
            assert f"tables/{finding.table}.parquet" in text or not finding.table


def test_a_failed_section_says_what_failed_and_what_to_do() -> None:
    text = body(audit_page())
    assert "This question could not be answered." in text
    assert "leave it out with --skip spurious" in text


def test_a_suppressed_number_says_why() -> None:
    assert "fewer than 30 pictures in each of skua and phalarope" in body(audit_page())


def test_the_first_screen_shows_three_findings_one_section_each_before_a_second() -> None:
    cards = re.findall(r'<a class="go" href="#(q-\w+)-', audit_page())
    assert cards == ["q-duplicates", "q-leakage", "q-labels"]


def test_a_number_of_the_first_screen_has_its_unit_beside_its_interval() -> None:
    gain = Metric(name="Gain", value=1.3, low=0.7, high=1.7, unit="percentage points", n=90)
    text = body(render_html(clean_report().model_copy(update={"headline": (gain,)}), thumbnail))
    assert "0.700 – 1.70 percentage points · n&nbsp;=&nbsp;90" in text


def test_the_level_of_an_interval_widened_for_many_comparisons_is_rounded() -> None:
    finding = clean_report().sections[1].findings[0]
    metric = Metric(name="Gain", value=1.3, low=0.7, high=1.7, unit="percentage points", level=1 - 0.05 / 56)
    assert "99.91% interval" in with_section(findings=(finding.model_copy(update={"metric": metric}),))


def test_long_tables_are_cut_and_say_so() -> None:
    assert "50 of 66 rows." in body(audit_page())


def with_section(**fields: object) -> str:
    report = clean_report()
    section = report.sections[0].model_copy(update=fields)
    return body(render_html(report.model_copy(update={"sections": (section,)}), thumbnail))


def test_a_number_that_a_finding_tells_is_not_told_again_below_it() -> None:
    finding = clean_report().sections[1].findings[0]
    other = finding.metric.model_copy(update={"name": "Another number"})
    text = with_section(findings=(finding,), blocks=(MetricBlock(metric=finding.metric), MetricBlock(metric=other)))
    assert text.count('class="block large"') == 1
    assert "Another number" in text


def test_a_caption_that_only_repeats_the_dataset_is_left_out() -> None:
    said = picture("x").model_copy(update={"dataset": "day", "caption": "day"})
    text = with_section(blocks=(ImagesBlock(title="Both", groups=((said,),)),))
    assert '<span class="caption">' not in text


def test_what_findings_say_is_written_with_true_minus_signs() -> None:
    finding = clean_report().sections[1].findings[0].model_copy(update={"sentence": "It fell by -3% at 95 %."})
    assert "It fell by −3% at 95%." in with_section(findings=(finding,))


def table(n_columns: int, first: str) -> str:
    columns = tuple(Column(name=f"c{place}", title=f"title {place}") for place in range(n_columns))
    rows = ((first, *["x"] * (n_columns - 1)),)
    return re.findall(
        r'<table class="([^"]*)">', with_section(blocks=(TableBlock(title="T", columns=columns, rows=rows),))
    )[0]


def test_a_short_first_column_stays_while_the_others_are_scrolled_and_a_long_one_does_not() -> None:
    assert table(3, "gull").split() == ["pinned"]
    assert table(3, "a first cell that would cover the screen").split() == []


def test_a_table_of_many_columns_is_set_tighter() -> None:
    assert "dense" in table(9, "gull")


def test_headings_of_columns_begin_with_a_capital() -> None:
    columns = (Column(name="a", title="null from"), Column(name="b", title="p (family-wise)"))
    text = with_section(blocks=(TableBlock(title="T", columns=columns, rows=((1.0, 0.5),)),))
    assert '<th scope="col">Null from</th><th scope="col">p (family-wise)</th>' in text


def test_large_groups_are_cut_and_say_so() -> None:
    assert "+ 2</span>" in body(audit_page())


def test_inputs_left_out_are_listed_with_reason_and_action() -> None:
    text = body(audit_page())
    assert "The file ends before the picture does." in text
    assert re.search(r"<bdi>truncated</bdi></td><td[^>]*><bdi>23</bdi>", text)


def test_the_files_listed_are_those_of_the_analyses_that_gave_an_answer() -> None:
    listed = re.findall(r'<td class="name"><code>([^<]+)</code>', audit_page())
    assert listed[:2] == ["report.html", "report.json"]
    assert "tables/duplicate_pairs.parquet" in listed
    assert "tables/dna_neurons.parquet" not in listed


def test_both_sides_of_a_comparison_are_named_everywhere() -> None:
    text = body(comparison_page())
    assert text.count('class="side reference"') == text.count('class="side candidate"') == 1
    assert '<span class="role reference">reference</span><span class="caption">' in text


def test_a_chart_that_cannot_be_drawn_leaves_the_page_whole() -> None:
    report = clean_report()
    broken = ChartBlock(title="Broken", description="Nothing.", vega_lite={"data": {"url": "x.csv"}, "mark": "bar"})
    section = report.sections[0].model_copy(update={"blocks": (broken,)})
    text = render_html(report.model_copy(update={"sections": (section,)}), thumbnail)
    assert "This chart could not be drawn." in text
    assert Page(text).open == []


def test_two_sections_of_one_id_have_two_anchors() -> None:
    report: Report = clean_report()
    twice = report.model_copy(update={"sections": (report.sections[0], report.sections[0])})
    ids = Counter(Page(render_html(twice, thumbnail)).values("id"))
    assert ids["q-duplicates"] == ids["q-duplicates--2"] == 1


def test_a_report_of_nothing_is_a_page() -> None:
    report = assemble("audit", "Nothing", [], [], audit_report().provenance)
    assert "There are no inputs" in render_html(report, thumbnail)


def luminance(colour: str) -> float:
    """Relative luminance of ``#rrggbb``; WCAG 2.2, definition."""
    channels = [int(colour[place : place + 2], 16) / 255 for place in (1, 3, 5)]
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(one: str, other: str) -> float:
    dark, light = sorted((luminance(one), luminance(other)))
    return (light + 0.05) / (dark + 0.05)


def tokens() -> dict[str, tuple[str, str]]:
    found = re.findall(r"--([\w-]+): light-dark\((#\w{6}), (#\w{6})\)", stylesheet())
    return {name: (light, dark) for name, light, dark in found}


TEXTS = ("text", "muted", "accent", "problem", "attention", "info", "ok", "series-1", "series-2")


def test_the_measure_of_contrast_is_that_of_the_standard() -> None:
    assert contrast("#000000", "#ffffff") == pytest.approx(21)
    assert contrast("#777777", "#ffffff") == pytest.approx(4.48, abs=0.01)


@pytest.mark.parametrize("theme", [0, 1], ids=["light", "dark"])
@pytest.mark.parametrize(
    ("text", "ground"),
    [(text, ground) for text in TEXTS for ground in ("page", "surface")]
    + [(text, "sunken") for text in ("text", "muted", "accent")]
    + [("text", "attention-soft"), ("attention", "attention-soft")],
)
def test_text_has_the_contrast_of_wcag_aa(text: str, ground: str, theme: int) -> None:
    assert contrast(tokens()[text][theme], tokens()[ground][theme]) >= 4.5


def test_a_question_that_was_not_answered_has_no_tick_in_the_list_of_questions() -> None:
    text = with_section(findings=(), headline=(), blocks=(), summary="Not run: the dataset has no labels.")
    (entry,) = re.findall(r'<li><a href="#q-[^"]*"><span class="dot (\w+)">', text)
    assert entry == "info"
    assert ": could not be answered</span>" in text
