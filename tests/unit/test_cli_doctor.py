"""What the doctor sees, well and ill."""

from __future__ import annotations

from pathlib import Path

import pytest

from api.cli import doctor
from api.cli.examination import parts


def test_an_old_python_is_broken_and_says_what_to_install() -> None:
    check = doctor.check_python((3, 10, 4))
    assert (check.state, check.detail) == ("broken", "3.10.4")
    assert "3.11" in check.action


def test_a_package_that_is_not_installed_is_broken() -> None:
    (check,) = doctor.check_packages(["no-such-distribution-here"])
    assert (check.state, check.action) == ("broken", "pip install no-such-distribution-here")


def test_an_installed_package_shows_its_version() -> None:
    (check,) = doctor.check_packages(["pydantic"])
    assert check.state == "ok"
    assert check.detail[0].isdigit()


def test_a_module_that_breaks_on_import_does_not_break_the_doctor() -> None:
    check = doctor.check_import("no_such_module_here")
    assert check.state == "broken"
    assert "No module named" in check.detail


def test_a_module_that_imports_shows_version_and_note() -> None:
    check = doctor.check_import("numpy", "'on ' + 'cpu'")
    assert check.state == "ok"
    assert check.detail.endswith(" on cpu")


def test_a_home_under_a_file_is_broken_and_names_the_variable(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    check = doctor.check_home(tmp_path / "file" / "home")
    assert check.state == "broken"
    assert "ASSAY_HOME" in check.action


def test_a_writable_home_is_ok_and_left_empty(tmp_path: Path) -> None:
    assert doctor.check_home(tmp_path / "new" / "home").state == "ok"
    assert list((tmp_path / "new" / "home").iterdir()) == []


@pytest.mark.parametrize(("low", "state"), [(0, "ok"), (2**62, "warning")])
def test_little_room_on_the_disk_is_a_warning(tmp_path: Path, low: int, state: str) -> None:
    assert doctor.check_disk(tmp_path / "not" / "yet", low=low).state == state


def test_another_owner_of_a_package_name_is_named() -> None:
    checks = {check.name: check for check in doctor.check_names({"audit": ["assay-datasets", "auditor"]})}
    assert checks["name audit"].state == "broken"
    assert "auditor" in checks["name audit"].detail
    assert checks["name storage"].state == "ok"


def test_a_check_that_raises_is_broken_with_its_words() -> None:
    def check() -> doctor.Check:
        raise RuntimeError("the disk is on fire")

    found = doctor.guarded("disk", check, action="Call somebody.")
    assert (found.state, found.detail, found.action) == (
        "broken",
        "RuntimeError: the disk is on fire",
        "Call somebody.",
    )


def test_a_part_that_does_not_answer_is_broken_with_what_to_check() -> None:
    readiness = {"ready": False, "checks": {"database": "ok", "blobs": "no such bucket", "broker": "refused"}}
    checks = {check.name: check for check in parts(readiness, has_broker=True)}
    assert (checks["database"].state, checks["blobs"].state, checks["broker"].state) == ("ok", "broken", "broken")
    assert "ASSAY_BLOBS_URL" in checks["blobs"].action
    assert "ASSAY_BROKER_URL" in checks["broker"].action


def test_a_broker_that_is_not_set_is_not_said_to_answer() -> None:
    (check,) = parts({"checks": {"broker": "ok"}}, has_broker=False)
    assert (check.state, check.detail.split(":")[0]) == ("ok", "not used")
