"""What is written when something goes wrong."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import structlog

from storage.settings import Settings
from workers import logging


@pytest.fixture(autouse=True)
def fresh() -> Iterator[None]:
    before = structlog.get_config() if structlog.is_configured() else None
    structlog.reset_defaults()
    yield
    structlog.reset_defaults()
    if before is not None:
        structlog.configure(**before)


@pytest.mark.parametrize("form", ["console", "json"])
def test_a_traceback_says_where_but_shows_no_values(
    form: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    logging.configure(Settings.model_validate({"home": tmp_path, "log_format": form}))

    def connect(address: str) -> None:
        raise ZeroDivisionError

    try:
        connect("-".join(("hunter", "2")))
    except ZeroDivisionError:
        structlog.get_logger().warning("step.failed", exc_info=True)
    said = capsys.readouterr().err
    assert "in connect" in said
    assert "hunter-2" not in said
