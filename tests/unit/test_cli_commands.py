"""Commands over a service that has done everything: what they print, and what they exit with."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from api.cli import cleaning, main, reading, running, verdicts
from api.cli.exits import RESUME
from audit.errors import ConfigError, FingerprintMismatchError, TooFewImagesError, UnknownExtractorError
from storage.errors import SourceNotFoundError
from storage.records import AuditRequest, Status
from tests.api_fake import AUDIT_ID, OTHER_AUDIT_ID, FakeService, audit_record, dataset_record, progress


@pytest.fixture
def service(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> FakeService:
    fake = FakeService(tmp_path / "store")
    for module in (cleaning, running, reading, verdicts):
        monkeypatch.setattr(module, "opened", fake.open)
    return fake


def asked(service: FakeService, name: str) -> list[tuple[Any, ...]]:
    return [call[1:] for call in service.calls if call[0] == name]


def test_an_audit_prints_its_verdict_and_ends_well(service: FakeService, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["audit", "pictures", "-q"]) == 0
    out = capsys.readouterr().out
    assert service.report_json(AUDIT_ID).verdict.title in out
    assert f"assay report {AUDIT_ID[:12]}" in out


def test_json_is_one_object_with_verdict_counts_findings_and_tables(
    service: FakeService, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["audit", "pictures", "--json"]) == 0
    value = json.loads(capsys.readouterr().out)
    assert value["id"] == AUDIT_ID
    assert value["verdict"]["severity"] == "problem"
    assert value["counts"]["n_inputs"] == sum(value["counts"][n] for n in ("n_ok", "n_quarantined", "n_skipped"))
    assert value["tables"] == {"images": 5}
    assert value["report"] is None
    n_findings = sum(len(section.findings) for section in service.report_json(AUDIT_ID).sections)
    assert len(value["findings"]) == n_findings > 0


def test_out_writes_the_report_and_says_where(
    service: FakeService, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["audit", "pictures", "-q", "--json", "--out", str(tmp_path / "out")]) == 0
    assert json.loads(capsys.readouterr().out)["report"] == str(tmp_path / "out" / "report.html")
    assert (tmp_path / "out" / "report.html").read_text() == AUDIT_ID


@pytest.mark.parametrize("command", [["audit", "x"], ["compare", "x", "y"], ["report", "last"]])
@pytest.mark.parametrize("place", ["file", "file/below", "/proc/nowhere"])
def test_a_place_that_cannot_be_written_to_is_refused_before_the_work(
    service: FakeService, tmp_path: Path, command: list[str], place: str, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "file").write_text("mine")
    assert main([*command, "--out", str(tmp_path / place)]) == 2
    said = capsys.readouterr().err
    assert said.startswith("assay: --out ")
    assert len(said.splitlines()) == 1
    assert service.calls == []


@pytest.mark.parametrize("command", [["list"], ["audit", "x"], ["serve", "--port", "0"], ["demo"]])
def test_a_home_that_cannot_be_written_to_is_one_sentence(
    command: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "file").write_text("mine")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("ASSAY_HOME", str(tmp_path / "file" / "home"))
    assert main(command) == 2
    assert capsys.readouterr().err.startswith("assay: ASSAY_HOME ")


def test_a_root_that_is_not_there_is_refused(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    assert main(["serve", "--port", "0", "--root", str(tmp_path / "nope")]) == 2
    assert "--root" in capsys.readouterr().err


def test_options_reach_the_source(service: FakeService) -> None:
    main(
        [
            "audit",
            "x.csv",
            "-q",
            "--label-from",
            "species",
            "--split-from",
            "fold",
            "--group-from",
            "site",
            "--kind",
            "csv",
        ]
    )
    ((spec, _),) = asked(service, "submit_dataset")
    assert (spec.uri, spec.label_from, spec.split_from, spec.group_from, spec.kind) == (
        "x.csv",
        "species",
        "fold",
        "site",
        "csv",
    )


def test_columns_with_unusual_names_can_be_named(service: FakeService) -> None:
    named = ["--path-column", "where", "--image-column", "pixels", "--box-from", "x0,y0,x1,y1"]
    assert main(["compare", "a.parquet", "b.parquet", "-q", *named]) == 0
    specs = [spec for spec, _ in asked(service, "submit_dataset")]
    assert {(spec.path_column, spec.image_column, spec.box_from) for spec in specs} == {
        ("where", "pixels", "x0,y0,x1,y1")
    }
    assert len(specs) == 2


def test_a_comparison_submits_reference_then_candidate(service: FakeService) -> None:
    assert main(["compare", "old", "new", "-q"]) == 0
    assert [spec.uri for spec, _ in asked(service, "submit_dataset")] == ["old", "new"]


def test_options_overrule_the_configuration_file(service: FakeService, tmp_path: Path) -> None:
    (tmp_path / "c.toml").write_text('seed = 1\ntitle = "Third delivery"\n')
    assert main(["audit", "pictures", "-q", "--seed", "9", "--config", str(tmp_path / "c.toml")]) == 0
    ((_, request, _),) = asked(service, "submit_audit")
    assert request == AuditRequest(seed=9, title="Third delivery")


@pytest.mark.parametrize(
    "text", ['{"sed": 1}', '{"seed": -1}', '{"analyses": {"nonsense": {}}}', '{"skip": ["nonsense"]}']
)
def test_a_wrong_configuration_is_refused_before_anything_is_submitted(
    service: FakeService, tmp_path: Path, text: str, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "c.json").write_text(text)
    assert main(["audit", "pictures", "--config", str(tmp_path / "c.json")]) == 2
    assert service.calls == []
    assert capsys.readouterr().err.startswith("assay: ")


@pytest.mark.parametrize(
    ("fault", "code"),
    [
        (SourceNotFoundError("x", "there is nothing at x."), 3),
        (UnknownExtractorError("x", "there is no extractor 'x'."), 4),
        (ConfigError("k must be positive"), 2),
        (FingerprintMismatchError("the extractors of two Visual DNA", "a", "b"), 2),
        (TooFewImagesError("calibration", 3, 32), 2),
        (KeyboardInterrupt(), 130),
        (ZeroDivisionError("division by zero"), 5),
    ],
)
def test_each_fault_has_its_exit_code_and_one_sentence(
    service: FakeService, fault: BaseException, code: int, capsys: pytest.CaptureFixture[str]
) -> None:
    service.fault = fault
    assert main(["audit", "x"]) == code
    said = capsys.readouterr()
    assert said.out == ""
    assert len(said.err.splitlines()) == 1
    assert "Traceback" not in said.err


def test_ctrl_c_says_how_to_go_on(service: FakeService, capsys: pytest.CaptureFixture[str]) -> None:
    service.fault = KeyboardInterrupt()
    main(["audit", "x"])
    assert capsys.readouterr().err.strip() == RESUME


def test_a_traceback_is_shown_to_those_who_ask(
    service: FakeService, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("ASSAY_DEBUG", "1")
    service.fault = ZeroDivisionError("division by zero")
    assert main(["audit", "x"]) == 5
    assert "Traceback" in capsys.readouterr().err


def test_a_failed_audit_ends_with_its_error(service: FakeService, capsys: pytest.CaptureFixture[str]) -> None:
    service.following = [audit_record(status=Status.FAILED, error="the disk is full")]
    assert main(["audit", "x", "-q"]) == 5
    assert capsys.readouterr().err == f"assay: the audit {AUDIT_ID} failed: the disk is full\n"


def test_an_audit_whose_source_could_not_be_scanned_ends_with_3_and_says_why(
    service: FakeService, capsys: pytest.CaptureFixture[str]
) -> None:
    service.following = [
        audit_record(status=Status.FAILED, error="the dataset it needs cannot be had: x.tgz ends early")
    ]
    service.dataset_known = dataset_record(status=Status.FAILED, error="x.tgz ends early")
    assert main(["audit", "x", "-q"]) == 3
    assert capsys.readouterr().err == "assay: x.tgz ends early\n"


def test_a_cancelled_audit_is_no_success(service: FakeService, capsys: pytest.CaptureFixture[str]) -> None:
    service.following = [audit_record(status=Status.CANCELLED)]
    assert main(["audit", "x", "-q"]) == 5
    assert "cancelled" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "code"),
    [([], 0), (["--fail-on", "problem"], 1), (["--fail-on", "attention"], 1)],
)
def test_fail_on_turns_a_bad_verdict_into_exit_code_1(service: FakeService, arguments: list[str], code: int) -> None:
    assert service.report_json(AUDIT_ID).verdict.severity == "problem"
    assert main(["audit", "x", "-q", *arguments]) == code


def test_a_source_without_a_usable_picture_ends_with_3_after_its_report_is_written(
    service: FakeService, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    report = service.report_json(AUDIT_ID)
    empty = report.datasets[0].model_copy(update={"n_inputs": 0, "n_ok": 0, "n_quarantined": 0, "n_skipped": 0})
    service.report_known = report.model_copy(update={"datasets": (empty,)})
    assert main(["audit", "x", "-q", "--out", str(tmp_path / "out"), "--fail-on", "problem"]) == 3
    assert (tmp_path / "out" / "report.html").is_file()
    assert report.verdict.title in capsys.readouterr().out


def test_progress_goes_to_stderr_and_results_to_stdout(
    service: FakeService, capsys: pytest.CaptureFixture[str]
) -> None:
    service.following = [audit_record(status=Status.RUNNING, progress=progress(2)), audit_record()]
    assert main(["audit", "x", "--json"]) == 0
    said = capsys.readouterr()
    assert "embed: 2 of 5, 100 images/s, 1 s left" in said.err
    json.loads(said.out)


@pytest.mark.parametrize(
    "arguments",
    [
        ["audit"],
        ["audit", "x", "--nonsense"],
        ["audit", "x", "--seed", "-1"],
        ["audit", "x", "--kind", "nonsense"],
        ["audit", "x", "--fail-on", "info"],
        ["nonsense"],
        ["neighbours", "last", "cat/a.jpg", "--k", "0"],
        ["serve", "--port", "70000"],
    ],
)
def test_bad_usage_ends_with_2_and_a_sentence(
    service: FakeService, arguments: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(arguments) == 2
    assert capsys.readouterr().err.startswith("assay: ")
    assert service.calls == []


def test_an_audit_is_found_by_the_beginning_of_its_id(service: FakeService, capsys: pytest.CaptureFixture[str]) -> None:
    service.audits_known = [audit_record(id=OTHER_AUDIT_ID), audit_record()]
    assert main(["outliers", OTHER_AUDIT_ID[:4], "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["audit"] == OTHER_AUDIT_ID


def test_last_is_the_newest_audit(service: FakeService, capsys: pytest.CaptureFixture[str]) -> None:
    service.audits_known = [audit_record(id=OTHER_AUDIT_ID), audit_record()]
    assert main(["outliers", "last", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["audit"] == OTHER_AUDIT_ID


def test_last_passes_over_an_audit_without_a_result_and_says_so(
    service: FakeService, capsys: pytest.CaptureFixture[str]
) -> None:
    service.audits_known = [audit_record(id=OTHER_AUDIT_ID, status=Status.FAILED), audit_record()]
    assert main(["outliers", "last", "--json"]) == 0
    said = capsys.readouterr()
    assert json.loads(said.out)["audit"] == AUDIT_ID
    assert f"the newer {OTHER_AUDIT_ID[:12]} (flowers) is failed" in said.err


def test_last_of_no_audits_says_how_to_begin(service: FakeService, capsys: pytest.CaptureFixture[str]) -> None:
    service.audits_known = []
    assert main(["outliers", "last"]) == 2
    assert "nothing has been audited yet" in capsys.readouterr().err


@pytest.mark.parametrize(("name", "said"), [("zzzz", "there is no audit"), ("aa", "too short")])
def test_an_audit_that_is_not_there_is_bad_usage(
    service: FakeService, name: str, said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["report", name]) == 2
    assert said in capsys.readouterr().err


def test_a_beginning_of_two_ids_is_refused(service: FakeService, capsys: pytest.CaptureFixture[str]) -> None:
    service.audits_known = [audit_record(id="abcd" + "1" * 28), audit_record(id="abcd" + "0" * 28)]
    assert main(["report", "abcd"]) == 2
    assert "2 audits begin with 'abcd'" in capsys.readouterr().err


def test_outliers_are_listed_with_rank_score_and_path(service: FakeService, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["outliers", "last", "--limit", "2", "--label", "cat"]) == 0
    assert capsys.readouterr().out.splitlines() == [
        "rank  score   path",
        "1     1.0000  cat/0.jpg",
        "2     0.9000  cat/1.jpg",
    ]
    assert asked(service, "outliers") == [({"label": "cat", "split": None, "limit": 2},)]


def test_neighbours_of_an_image_of_the_audit_are_listed(
    service: FakeService, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["neighbours", "last", "cat/a.jpg", "-k", "3"]) == 0
    assert capsys.readouterr().out.splitlines()[1] == "0.2500    cat/b.jpg"


def test_a_picture_that_is_not_in_the_audit_is_looked_up_by_its_bytes(service: FakeService, tmp_path: Path) -> None:
    (tmp_path / "new.jpg").write_bytes(b"bytes")
    assert main(["neighbours", "last", str(tmp_path / "new.jpg")]) == 0
    assert asked(service, "neighbours_of_upload") == [(b"bytes", 10, None)]


def test_the_dataset_of_a_comparison_can_be_named(service: FakeService) -> None:
    assert main(["neighbours", "last", "cat/a.jpg", "--dataset", "candidate"]) == 0
    assert asked(service, "neighbours") == [("cat/a.jpg", 10, "candidate")]


def test_an_image_that_is_nowhere_is_bad_usage(service: FakeService) -> None:
    assert main(["neighbours", "last", "nowhere.jpg"]) == 2


def test_a_report_can_be_read_as_json(service: FakeService, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["report", "last", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["kind"] == "audit"


def test_audits_are_listed(service: FakeService, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["list"]) == 0
    assert capsys.readouterr().out.splitlines()[1].split()[:3] == [AUDIT_ID[:12], "audit", "done"]


@pytest.mark.parametrize(("said", "holds"), [("confirmed", "1 verdict holds"), ("withdrawn", "0 verdicts hold")])
def test_a_verdict_is_recorded_and_says_how_many_hold(
    service: FakeService, said: str, holds: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["verdict", "last", "sky", said, "--note", "all at noon"]) == 0
    assert asked(service, "record_verdict") == [(AUDIT_ID, "sky", said, "all at noon")]
    assert f"{holds} for the dataset of {AUDIT_ID[:12]}" in capsys.readouterr().out


@pytest.mark.parametrize(("arguments", "grace_s"), [([], None), (["--hours", "0.5"], 1800.0)])
def test_clean_says_how_much_it_deleted(
    service: FakeService, capsys: pytest.CaptureFixture[str], arguments: list[str], grace_s: float | None
) -> None:
    assert main(["clean", *arguments]) == 0
    said = "Deleted 3 stored results that nothing needs, and 1 left half made by killed processes.\n"
    assert capsys.readouterr().out == said
    assert asked(service, "collect_garbage") == [(grace_s,)]
    assert main(["clean", "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == {"results": 3, "left_by_killed_processes": 1}


def test_the_service_is_not_served_to_other_machines_by_accident(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["serve", "--host", "0.0.0.0"]) == 2
    assert "--insecure-public" in capsys.readouterr().err


def test_a_worker_without_a_broker_says_what_to_set(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delenv("ASSAY_BROKER_URL", raising=False)
    assert main(["worker"]) == 2
    assert "ASSAY_BROKER_URL" in capsys.readouterr().err


@pytest.mark.parametrize("command", ["--help", "analyses"])
def test_a_reader_who_has_seen_enough_is_no_failure(command: str) -> None:
    reading, writing = os.pipe()
    os.close(reading)
    code = "import sys; from api.cli import main; sys.exit(main(sys.argv[1:]))"
    done = subprocess.run([sys.executable, "-c", code, command], stdout=writing, stderr=subprocess.PIPE, check=False)
    os.close(writing)
    assert (done.returncode, done.stderr) == (0, b"")


def test_help_and_version_import_nothing_heavy() -> None:
    code = (
        "import sys; from api.cli import main; main(['audit', '--help']); main(['--version']);"
        "heavy = {'torch', 'faiss', 'pyarrow', 'numpy', 'pandas', 'sqlalchemy', 'fastapi', 'celery'};"
        "sys.exit(' '.join(heavy & set(sys.modules)) or 0)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
