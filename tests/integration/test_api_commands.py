"""The command itself, in a process of its own: audit, compare, interrupt, serve."""

from __future__ import annotations

import contextlib
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tarfile
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from playwright.sync_api import sync_playwright

from api.cli.exits import RESUME, Exit
from tests.api_pictures import write_dataset

REPOSITORY = Path(__file__).resolve().parents[2]
COMMAND = [sys.executable, "-c", "import sys; from api.cli import main; sys.exit(main())"]
WAIT_S = 180


@pytest.fixture
def chromium() -> str:
    """Path of the browser."""
    found = shutil.which("chromium")
    if found is None:
        if os.environ.get("CI"):
            pytest.fail("chromium is not on PATH: CI must install it")
        pytest.skip("chromium is not on PATH: install the Debian package chromium")
    return found


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("cli")
    write_dataset(folder / "reference")
    write_dataset(folder / "candidate", first=500, hue=90)
    return folder


@pytest.fixture(scope="module")
def environment(place: Path) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith("ASSAY_")}
    limits = {"ASSAY_DECODERS": "1", "ASSAY_THREADS": "2", "OMP_NUM_THREADS": "1"}
    return kept | limits | {"ASSAY_HOME": str(place / "home"), "PYTHONPATH": str(REPOSITORY)}


def run(place: Path, environment: dict[str, str], *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*COMMAND, *arguments], cwd=place, env=environment, capture_output=True, text=True, timeout=WAIT_S, check=False
    )


@pytest.fixture(scope="module")
def audited(place: Path, environment: dict[str, str]) -> subprocess.CompletedProcess[str]:
    return run(place, environment, "audit", "reference", "--json", "--out", "report")


def test_an_audit_is_one_json_object_on_stdout_and_progress_on_stderr(
    audited: subprocess.CompletedProcess[str],
) -> None:
    assert audited.returncode == 0, audited.stderr
    value = json.loads(audited.stdout)
    assert value["counts"] == {"n_inputs": 26, "n_ok": 25, "n_quarantined": 1, "n_skipped": 0}
    assert value["failed"] == {}
    assert re.search(r"^embed: [\d,]+ of 25", audited.stderr, re.MULTILINE)


def test_an_audit_writes_its_report_and_tables(audited: subprocess.CompletedProcess[str], place: Path) -> None:
    value = json.loads(audited.stdout)
    assert value["report"] == "report/report.html"
    assert (place / "report" / "report.html").is_file()
    assert {path.stem for path in (place / "report" / "tables").iterdir()} == set(value["tables"])


def test_the_exact_copy_is_found(audited: subprocess.CompletedProcess[str]) -> None:
    assert json.loads(audited.stdout)["tables"]["duplicates"] >= 2


def test_a_comparison_gives_every_number_it_promises(
    audited: subprocess.CompletedProcess[str], place: Path, environment: dict[str, str]
) -> None:
    done = run(place, environment, "compare", "reference", "candidate", "--json", "-q")
    assert done.returncode == 0, done.stderr
    value = json.loads(done.stdout)
    assert value["failed"] == {}
    for name in ("distance", "floor", "corrected"):
        assert isinstance(value["dna"][name], float), name
    assert 0 < value["dna"]["p_value"] <= 1
    assert value["dna"]["p_value_note"] == ""
    assert value["dna"]["layers"]
    assert {"auc", "p_value"} <= set(value["two_sample"])
    assert {"value", "null_low", "null_high"} <= set(value["frechet"])


def test_the_newest_audit_can_be_asked_about(
    audited: subprocess.CompletedProcess[str], place: Path, environment: dict[str, str]
) -> None:
    prefix = json.loads(audited.stdout)["id"][:8]
    done = run(place, environment, "neighbours", prefix, "cat/copy.png", "-k", "1", "--json")
    assert json.loads(done.stdout)["neighbours"][0]["path"] == "cat/000.png"


def test_a_source_that_is_not_there_ends_with_3_and_one_sentence(place: Path, environment: dict[str, str]) -> None:
    done = run(place, environment, "audit", "nowhere")
    assert (done.returncode, done.stdout, len(done.stderr.splitlines())) == (Exit.SOURCE, "", 1)


def test_a_column_that_is_not_there_ends_with_3_and_one_sentence_and_leaves_no_audit(
    place: Path, environment: dict[str, str]
) -> None:
    own = environment | {"ASSAY_HOME": str(place / "home-columns")}
    done = run(place, own, "audit", "reference", "--label-from", "fodler", "-q")
    assert (done.returncode, done.stdout, len(done.stderr.splitlines())) == (Exit.SOURCE, "", 1), done.stderr
    assert "'fodler' is asked for as a column" in done.stderr
    assert json.loads(run(place, own, "list", "--json").stdout) == {"audits": []}


def test_a_source_that_only_the_scan_finds_damaged_ends_with_3_and_one_sentence(
    place: Path, environment: dict[str, str]
) -> None:
    with tarfile.open(place / "cut.tgz", "w:gz") as archive:
        archive.add(place / "reference", "reference")
    (place / "cut.tgz").write_bytes((place / "cut.tgz").read_bytes()[:-2000])
    done = run(place, environment, "audit", "cut.tgz", "-q")
    assert (done.returncode, done.stdout, len(done.stderr.splitlines())) == (Exit.SOURCE, "", 1), done.stderr
    assert done.stderr.startswith("assay: ")
    assert "cut.tgz" in done.stderr


def test_an_extractor_that_is_not_there_ends_with_4(place: Path, environment: dict[str, str]) -> None:
    done = run(place, environment, "audit", "reference", "--extractor", "nonsense")
    assert (done.returncode, len(done.stderr.splitlines())) == (Exit.EXTRACTOR, 1)


def hear_interrupts() -> None:
    """Undo what a shell does to jobs in the background, should the tests be one: ignore Ctrl-C."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


def test_ctrl_c_ends_with_130_and_the_same_command_goes_on(place: Path, environment: dict[str, str]) -> None:
    write_dataset(place / "interrupted", n=80, first=5000)
    own = environment | {"ASSAY_HOME": str(place / "home-interrupted")}
    quick = [f"--skip={name}" for name in ("balance", "labels", "outliers", "quality", "settings")]
    with subprocess.Popen(
        [*COMMAND, "audit", "interrupted"],
        cwd=place,
        env=own,
        stderr=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        preexec_fn=hear_interrupts,  # noqa: PLW1509 (it calls one system function)
    ) as process:
        assert process.stderr is not None
        first = process.stderr.readline()
        process.send_signal(signal.SIGINT)
        _, said = process.communicate(timeout=WAIT_S)
    assert process.returncode == Exit.INTERRUPTED, first + said
    assert said.splitlines()[-1] == RESUME
    again = run(place, own, "audit", "interrupted", *quick, "--json", "-q")
    assert again.returncode == 0, again.stderr
    assert json.loads(again.stdout)["counts"]["n_ok"] == 161


@contextlib.contextmanager
def served(place: Path, environment: dict[str, str], *arguments: str) -> Iterator[tuple[str, subprocess.Popen[str]]]:
    """A server on a free port, and its address."""
    with subprocess.Popen(
        [*COMMAND, "serve", "--port", "0", *arguments], cwd=place, env=environment, stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stderr is not None
        found = re.search(r"http://[^/]+/", process.stderr.readline())
        assert found is not None
        try:
            yield found.group(), process
        finally:
            process.terminate()
            process.communicate(timeout=WAIT_S)


def test_the_page_starts_an_audit_in_a_browser_and_shows_its_report(
    place: Path, environment: dict[str, str], chromium: str
) -> None:
    write_dataset(place / "on-the-page", first=9000)
    with served(place, environment) as (address, process), sync_playwright() as tools:
        browser = tools.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        page = browser.new_page()
        complaints: list[str] = []
        page.on("console", lambda message: complaints.append(message.text))
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.goto(address)
        page.fill("input[name=source]", str(place / "on-the-page"))
        page.click("button[type=submit]")
        page.wait_for_selector("li:first-child .badge.ok", timeout=WAIT_S * 1000)
        page.click("li:first-child a.title")
        page.wait_for_selector("h1")
        page.click("button.open >> nth=0")
        page.wait_for_selector("dialog[open]")
        browser.close()
    assert complaints == []
    assert process.returncode == 0


@pytest.mark.parametrize("width", [1280, 390])
def test_what_was_audited_is_compared_by_keys_in_a_browser(
    audited: subprocess.CompletedProcess[str], place: Path, environment: dict[str, str], chromium: str, width: int
) -> None:
    assert audited.returncode == 0, audited.stderr
    assert run(place, environment, "audit", "candidate", "-q", "--json").returncode == 0
    with served(place, environment) as (address, _), sync_playwright() as tools:
        browser = tools.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        page = browser.new_page(viewport={"width": width, "height": 844})
        complaints: list[str] = []
        page.on("console", lambda message: complaints.append(message.text))
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.goto(address)
        page.get_by_role("link", name="Compare what was audited").press("Enter")
        page.get_by_role("button", name="Draw the matrix").first.press("Enter")
        cell = page.get_by_role("link", name=re.compile("^reference against candidate: [0-9.]+$"))
        assert float(cell.inner_text()) > 0
        assert page.evaluate("document.documentElement.scrollWidth") <= width
        cell.press("Enter")
        page.wait_for_selector("#q-visual-dna .quantity")
        assert page.locator("select[name=reference] option:checked").inner_text().startswith("\u2068reference\u2069 ·")
        assert page.locator("#q-visual-dna .canvas svg:visible").count() >= 2
        assert page.evaluate("document.documentElement.scrollWidth") <= width
        page.locator("#q-visual-dna button.open").first.press("Enter")
        page.wait_for_selector("dialog[open]")
        browser.close()
    assert complaints == []


def test_the_server_reads_only_below_its_roots(place: Path, environment: dict[str, str]) -> None:
    with served(place, environment, "--root", str(place / "candidate")) as (address, _):
        body = {"source": {"uri": str(place / "reference")}}
        assert httpx.post(f"{address}v1/datasets", json=body).status_code == 403
        refused = httpx.get(address, headers={"host": "evil.example"})
        assert (refused.status_code, refused.json()["type"]) == (403, "urn:assay:problem:unknown-host")


def test_help_is_there_within_half_a_second_of_work(place: Path, environment: dict[str, str]) -> None:
    spent = []
    for _ in range(5):
        before = os.times()
        run(place, environment, "--help")
        after = os.times()
        spent.append(after.children_user + after.children_system - before.children_user - before.children_system)
    assert sorted(spent)[2] < 0.5
