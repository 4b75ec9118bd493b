"""A report in a real browser: fits, asks for nothing, works by keys, remembers its theme, prints."""

from __future__ import annotations

import itertools
import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, sync_playwright

from audit.render import render_html
from audit.report import ImagesBlock, Report
from tests.sample_report import audit_report, clean_report, comparison_report, thumbnail

pytestmark = pytest.mark.e2e

ARGUMENTS = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
REPORTS = {"audit": audit_report, "comparison": comparison_report, "clean": clean_report}


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    path = shutil.which("chromium")
    if path is None:
        if os.environ.get("CI"):
            pytest.fail("chromium is not on PATH: CI must install it")
        pytest.skip("chromium is not on PATH: install the Debian package chromium")
    with sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=path, args=ARGUMENTS)
        yield started
        started.close()


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("reports")
    for name, make in REPORTS.items():
        (out / f"{name}.html").write_text(render_html(make(), thumbnail), encoding="utf-8")
    return out


@pytest.fixture
def page(browser: Browser) -> Iterator[Page]:
    opened = browser.new_page(viewport={"width": 1280, "height": 860})
    yield opened
    opened.close()


def opened(page: Page, folder: Path, name: str = "audit") -> Page:
    page.goto((folder / f"{name}.html").as_uri())
    return page


@pytest.mark.parametrize("name", REPORTS)
def test_the_page_asks_for_nothing_and_breaks_no_policy(page: Page, folder: Path, name: str) -> None:
    seen: list[str] = []
    page.on("console", lambda message: seen.append(message.text))
    page.on("pageerror", lambda error: seen.append(str(error)))
    page.on("request", lambda request: seen.append(request.url) if request.url.startswith(("http", "ws")) else None)
    opened(page, folder, name)
    page.mouse.wheel(0, 20_000)
    assert seen == []


@pytest.mark.parametrize("width", [1280, 768, 390, 320])
@pytest.mark.parametrize("name", REPORTS)
def test_nothing_needs_scrolling_sideways(page: Page, folder: Path, name: str, width: int) -> None:
    page.set_viewport_size({"width": width, "height": 844})
    opened(page, folder, name)
    assert page.evaluate("document.documentElement.scrollWidth") <= width


# What each page draws: places of text and edges, after every font has been chosen.
_TEXT_OUTSIDE = """() => [...document.querySelectorAll('.canvas svg')].flatMap((svg) => {
    const frame = svg.getBoundingClientRect();
    return [...svg.querySelectorAll('text')].filter((text) => {
        const box = text.getBoundingClientRect();
        return box.width && (box.left < frame.left - 1 || box.right > frame.right + 1 || box.top < frame.top - 2);
    }).map((text) => text.textContent);
})"""
_TEXT_OVERLAPPING = """() => [...document.querySelectorAll('.canvas svg')].flatMap((svg) => {
    const texts = [...svg.querySelectorAll('text')].map((text) => [text.textContent, text.getBoundingClientRect()]);
    return texts.flatMap(([one, a], place) => texts.slice(place + 1).filter(([, b]) => a.width && b.width
        && Math.min(a.right, b.right) - Math.max(a.left, b.left) > 0.5
        && Math.min(a.bottom, b.bottom) - Math.max(a.top, b.top) > 4).map(([other]) => `${one} / ${other}`));
})"""
_BROKEN_WORDS = """() => [...document.querySelectorAll('td:not(.long), th')].flatMap((cell) => {
    const walker = document.createTreeWalker(cell, NodeFilter.SHOW_TEXT);
    const broken = [];
    for (let node = walker.nextNode(); node; node = walker.nextNode()) {
        for (const word of node.data.matchAll(/[^\\s\\-–]+/g)) {
            const range = document.createRange();
            range.setStart(node, word.index);
            range.setEnd(node, word.index + word[0].length);
            const tops = new Set([...range.getClientRects()].map((box) => Math.round(box.top)));
            if (tops.size > 1 && !cell.querySelector('code')) broken.push(word[0]);
        }
    }
    return broken;
})"""


@pytest.mark.parametrize("width", [1280, 1000, 390])
@pytest.mark.parametrize("name", ["audit", "comparison"])
def test_text_in_charts_is_neither_cut_nor_on_top_of_other_text(
    page: Page, folder: Path, name: str, width: int
) -> None:
    page.set_viewport_size({"width": width, "height": 844})
    opened(page, folder, name)
    assert page.locator(".canvas svg text:visible").count() > 10
    assert page.evaluate(_TEXT_OUTSIDE) == []
    assert page.evaluate(_TEXT_OVERLAPPING) == []


@pytest.mark.parametrize("width", [1280, 390])
@pytest.mark.parametrize("name", ["audit", "comparison"])
def test_words_and_numbers_in_tables_are_never_broken(page: Page, folder: Path, name: str, width: int) -> None:
    page.set_viewport_size({"width": width, "height": 844})
    opened(page, folder, name)
    assert page.evaluate(_BROKEN_WORDS) == []


@pytest.mark.parametrize("name", ["audit", "comparison"])
def test_tables_of_ten_columns_fit_a_desktop(page: Page, folder: Path, name: str) -> None:
    opened(page, folder, name)
    cut = "wraps => wraps.filter((wrap) => wrap.scrollWidth > wrap.clientWidth + 1).map((wrap) => wrap.ariaLabel)"
    assert page.locator(".table-wrap").evaluate_all(cut) == []


def test_a_table_that_is_wider_than_a_phone_shows_that_there_is_more(page: Page, folder: Path) -> None:
    page.set_viewport_size({"width": 390, "height": 844})
    opened(page, folder)
    wide = page.locator(".table-wrap").evaluate_all(
        "wraps => wraps.map((wrap) => [wrap.scrollWidth > wrap.clientWidth, getComputedStyle(wrap).backgroundImage])"
    )
    assert any(is_cut for is_cut, _ in wide)
    assert all(background.count("linear-gradient") == 6 for _, background in wide)
    cells = page.locator(".pinned td:first-child").evaluate_all(
        "cells => cells.map((c) => getComputedStyle(c).position)"
    )
    assert set(cells) == {"sticky"}


def test_on_a_phone_a_row_of_pictures_is_swiped_and_the_next_one_looks_in(page: Page, folder: Path) -> None:
    page.set_viewport_size({"width": 390, "height": 844})
    opened(page, folder)
    rows = page.locator("#q-labels-wrong .strip").evaluate_all(
        """strips => strips.map((strip) => {
            const boxes = [...strip.querySelectorAll('.picture')].map((picture) => picture.getBoundingClientRect());
            const edge = strip.getBoundingClientRect().right;
            const isCut = boxes.some((box) => box.left < edge && box.right > edge);
            return [new Set(boxes.map((box) => box.top)).size, isCut];
        })"""
    )
    assert rows == [[1, True]]


def many_groups(n: int, each: int) -> Report:
    """An audit whose first section shows pictures in groups."""
    report = audit_report()
    one = report.sections[0].findings[0].pictures[0]
    groups = tuple((one,) * each for _ in range(n))
    block = ImagesBlock(title="Many", groups=groups, captions=tuple(f"group {i}" for i in range(n)))
    section = report.sections[0].model_copy(update={"blocks": (block,)})
    return report.model_copy(update={"sections": (section,)})


@pytest.mark.parametrize("width", [1280, 390])
def test_groups_beyond_the_first_open_by_key_and_without_a_script(browser: Browser, folder: Path, width: int) -> None:
    (folder / "many.html").write_text(render_html(many_groups(12, 5), thumbnail), encoding="utf-8")
    context = browser.new_context(java_script_enabled=False, viewport={"width": width, "height": 844})
    page = opened(context.new_page(), folder, "many")
    assert page.locator(".group:visible").count() == (4 if width > 700 else 2)
    assert page.locator(".rest summary").inner_text() == "Show all 12"
    page.locator(".rest summary").focus()
    page.keyboard.press("Enter")
    assert page.locator(".group:visible").count() == 12
    assert page.locator(".rest summary").inner_text() == "Show fewer"
    context.close()


def test_on_a_phone_the_first_two_of_a_few_rows_are_shown_until_all_are_asked_for(page: Page, folder: Path) -> None:
    (folder / "few.html").write_text(render_html(many_groups(4, 6), thumbnail), encoding="utf-8")
    assert opened(page, folder, "few").locator(".group:visible").count() == 4
    page.set_viewport_size({"width": 390, "height": 844})
    assert page.locator(".group:visible").count() == 2
    page.get_by_label("Show all 4 rows").focus()
    page.keyboard.press("Space")
    assert page.locator(".group:visible").count() == 4
    page.emulate_media(media="print")
    assert page.locator(".group:visible").count() == 4


def test_pictures_of_a_row_stand_on_one_line(page: Page, folder: Path) -> None:
    opened(page, folder)
    bottoms = page.locator(".strip:not(.lead-card .strip)").evaluate_all(
        """strips => strips.map((strip) => {
            const boxes = [...strip.querySelectorAll('.thumb')].map((thumb) => thumb.getBoundingClientRect());
            return boxes.slice(0, 6).filter((box) => box.left > boxes[0].left || box === boxes[0])
                .map((box) => Math.round(box.bottom));
        }).filter((row) => row.length > 1 && new Set(row).size > 1)"""
    )
    assert bottoms == []


def test_the_first_screen_holds_verdict_five_numbers_and_worst_findings(page: Page, folder: Path) -> None:
    opened(page, folder)
    assert page.locator("#verdict").bounding_box()["y"] < 300
    assert page.locator(".figure-cell").count() == 5
    lowest = max(card.bounding_box()["y"] for card in page.locator(".lead-card .thumb").all())
    assert lowest < 860


def test_every_picture_shown_has_pixels_and_size(page: Page, folder: Path) -> None:
    opened(page, folder)
    empty = page.evaluate(
        """() => [...document.querySelectorAll('main .thumb')].filter((thumb) => {
            const box = thumb.getBoundingClientRect();
            return box.width < 20 || box.height < 20 || getComputedStyle(thumb).backgroundImage === 'none';
        }).length"""
    )
    assert empty == 0


def test_the_skip_link_is_the_first_stop_and_leads_to_the_content(page: Page, folder: Path) -> None:
    opened(page, folder)
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.className") == "skip"
    page.keyboard.press("Enter")
    assert page.evaluate("document.activeElement.id") == "content"


def test_a_picture_opens_by_key_and_arrows_go_through_its_row(page: Page, folder: Path) -> None:
    opened(page, folder)
    first = page.locator("#q-labels-wrong button.open").first
    first.focus()
    page.keyboard.press("Enter")
    assert page.locator("#lightbox").is_visible()
    assert page.locator("#lightbox .position").inner_text() == "1 of 6"
    page.keyboard.press("ArrowLeft")
    assert page.locator("#lightbox .path").inner_text() == "train/gull/gone.jpg"
    page.keyboard.press("ArrowRight")
    page.keyboard.press("ArrowRight")
    assert page.locator("#lightbox .caption").inner_text() == "labelled <b>plover</b>, looks like tern (0.91)"
    page.keyboard.press("Escape")
    assert not page.locator("#lightbox").is_visible()
    assert page.evaluate("document.activeElement.dataset.caption").startswith("labelled <b>plover")


@pytest.mark.parametrize("size", [(1280, 860), (390, 844)])
def test_the_opened_picture_is_large_and_stays_on_the_screen(page: Page, folder: Path, size: tuple[int, int]) -> None:
    page.set_viewport_size({"width": size[0], "height": size[1]})
    opened(page, folder)
    for button in page.locator("#q-outliers-few button.open").all():
        button.click()
        box = page.locator("#lightbox .stage .thumb").bounding_box()
        assert box["x"] >= 0
        assert box["x"] + box["width"] <= size[0]
        assert box["y"] + box["height"] <= size[1]
        assert max(box["width"] / size[0], box["height"] / size[1]) > 0.6
        page.keyboard.press("Escape")


@pytest.mark.parametrize(("scheme", "other"), [("light", "dark"), ("dark", "light")])
def test_the_theme_follows_the_system_until_it_is_chosen_and_then_is_remembered(
    browser: Browser, folder: Path, scheme: str, other: str
) -> None:
    grounds = {"light": "rgb(247, 248, 249)", "dark": "rgb(15, 17, 20)"}
    page = browser.new_page(color_scheme=scheme)
    ground = "getComputedStyle(document.body).backgroundColor"
    opened(page, folder)
    assert page.evaluate(ground) == grounds[scheme]
    page.locator("#theme").click()
    assert page.evaluate(ground) == grounds[other]
    page.reload()
    assert page.evaluate(ground) == grounds[other]
    page.close()


def test_print_is_light_and_without_controls_and_methods_are_open(browser: Browser, folder: Path) -> None:
    page = browser.new_page(color_scheme="dark")
    opened(page, folder)
    page.locator("#theme").click()
    page.locator("#theme").click()
    page.emulate_media(media="print")
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
    assert not page.locator(".questions").is_visible()
    assert not page.locator("#theme").is_visible()
    page.evaluate("dispatchEvent(new Event('beforeprint'))")
    assert page.locator("details:not([open])").count() == 0
    page.evaluate("dispatchEvent(new Event('afterprint'))")
    assert page.locator("details[open]").count() == 0
    assert page.pdf(format="A4").startswith(b"%PDF")
    page.close()


def test_without_script_everything_is_still_there(browser: Browser, folder: Path) -> None:
    context = browser.new_context(java_script_enabled=False)
    page = opened(context.new_page(), folder)
    assert page.locator("#q-duplicates-copies .thumb").first.is_visible()
    assert not page.locator("#theme").is_visible()
    context.close()


def test_what_assistive_technology_is_told(page: Page, folder: Path) -> None:
    opened(page, folder)
    assert page.get_by_role("main").count() == 1
    assert page.get_by_role("navigation", name="Questions").count() == 1
    assert page.get_by_role("heading", level=1).inner_text() == "Clean this before training"
    assert page.get_by_role("img", name="Most disagreement is between tern and gull.").count() == 1
    nameless = [
        button for button in page.get_by_role("button").all() if not button.evaluate("b => b.ariaLabel || b.innerText")
    ]
    assert nameless == []
    levels = page.evaluate("[...document.querySelectorAll('h1,h2,h3,h4')].map((h) => Number(h.tagName[1]))")
    assert levels[0] == 1
    assert levels.count(1) == 1
    assert all(after - before <= 1 for before, after in itertools.pairwise(levels))
