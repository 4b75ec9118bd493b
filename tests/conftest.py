"""Fixtures every test may use."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parent.parent


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The folder of evaluation pictures beside the checkout; tests that need it are skipped where it is absent."""
    folder = Path(os.environ.get("ASSAY_SHARED_DATA", REPOSITORY.parent / "shared" / "data"))
    if not (folder / "MANIFEST.csv").is_file():
        pytest.skip(f"the evaluation pictures are not at {folder}: set ASSAY_SHARED_DATA")
    return folder


def _server(variable: str) -> str:
    url = os.environ.get(variable)
    if url is None:
        if os.environ.get("CI"):
            pytest.fail(f"{variable} is not set: CI must start the server (infra/servers.sh run ...)")
        pytest.skip(f"{variable} is not set: run the tests with make test, which starts the servers")
    return url


@pytest.fixture(scope="session")
def redis_url() -> str:
    """A real Redis server, started by the test command."""
    return _server("ASSAY_TEST_REDIS_URL")


@pytest.fixture(scope="session")
def postgres_url() -> str:
    """A real PostgreSQL server, started by the test command."""
    return _server("ASSAY_TEST_POSTGRES_URL")
