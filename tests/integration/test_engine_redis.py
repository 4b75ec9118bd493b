"""The same audit by two Celery workers over a real Redis: the same bytes, also when a worker or Redis is killed."""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "e2e"))

import pipeline_pictures as pipeline

pytestmark = [pytest.mark.integration, pytest.mark.timeout(280)]


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class Redis:
    """A Redis of our own without persistence, that can be killed and started again."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.port = _free_port()
        self.url = f"redis://127.0.0.1:{self.port}/0"
        self.start()

    def start(self) -> None:
        command = ["redis-server", "--port", str(self.port), "--save", "", "--dir", str(self.folder)]
        self.process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        deadline = time.monotonic() + 20
        while time.monotonic() < deadline:
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", self.port)) == 0:
                    return
            time.sleep(0.05)
        raise AssertionError("redis-server does not answer")

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()


@pytest.fixture
def redis(tmp_path: Path) -> Iterator[Redis]:
    if shutil.which("redis-server") is None:
        if os.environ.get("CI"):
            pytest.fail("redis-server is not installed")
        pytest.skip("redis-server is not installed")
    server = Redis(tmp_path)
    yield server
    server.kill()


@pytest.fixture(scope="module")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return pipeline.draw(tmp_path_factory.mktemp("pictures") / "set", 1100)


@pytest.fixture(scope="module")
def embedded(pictures: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    result = pipeline.audit(tmp_path_factory.mktemp("embedded"), pictures)
    assert result["status"] == "done"
    assert "report.html" in result["files"]
    return dict(result["files"])


class Workers:
    """Worker processes that are stopped at the end, by their own ids."""

    def __init__(self, env: dict[str, str], folder: Path) -> None:
        self.env = env
        self.folder = folder
        self.processes: list[subprocess.Popen[bytes]] = []

    def start(self) -> subprocess.Popen[bytes]:
        command = [sys.executable, "-c", pipeline.WORKER]
        with (self.folder / f"worker{len(self.processes)}.log").open("wb") as log:
            self.processes.append(subprocess.Popen(command, env=self.env, stdout=log, stderr=log))
        return self.processes[-1]

    def stop(self) -> list[int]:
        for process in self.processes:
            if process.poll() is None:
                process.send_signal(signal.SIGTERM)
        return [process.wait(timeout=60) for process in self.processes]

    def logs(self) -> str:
        return "\n".join(path.read_text(errors="replace")[-3000:] for path in sorted(self.folder.glob("worker*.log")))


@pytest.fixture
def workers(redis: Redis, tmp_path: Path) -> Iterator[Workers]:
    env = pipeline.environment(tmp_path / "home", broker_url=redis.url, lease_s="4", sweep_s="0.5", log_level="info")
    group = Workers(env, tmp_path)
    yield group
    for process in group.processes:
        process.kill()
        process.wait()


def _submit(workers: Workers, pictures: Path) -> subprocess.Popen[str]:
    return pipeline.start(pipeline.AUDIT, str(pictures), env=workers.env)


def _files(process: subprocess.Popen[str], workers: Workers) -> dict[str, str]:
    try:
        out, err = process.communicate(timeout=200)
    except subprocess.TimeoutExpired:
        process.kill()
        raise AssertionError(f"the audit does not end; the workers say:\n{workers.logs()}") from None
    assert process.returncode == 0, err
    result = json.loads(out.strip().splitlines()[-1])
    assert result["status"] == "done", result
    return dict(result["files"])


def test_two_celery_workers_make_the_same_report_byte_for_byte(
    workers: Workers, pictures: Path, embedded: dict[str, str]
) -> None:
    workers.start()
    workers.start()
    assert _files(_submit(workers, pictures), workers) == embedded
    assert workers.stop() == [0, 0], workers.logs()
    assert all("step.finished" in path.read_text() for path in sorted(workers.folder.glob("worker*.log")))


def test_a_killed_worker_and_a_killed_redis_change_nothing(
    workers: Workers, redis: Redis, pictures: Path, embedded: dict[str, str]
) -> None:
    first = workers.start()
    process = _submit(workers, pictures)
    _wait_for(workers, "step.finished")
    first.kill()
    first.wait()
    redis.kill()
    redis.start()
    workers.start()
    assert _files(process, workers) == embedded


def _wait_for(workers: Workers, event: str) -> None:
    deadline = time.monotonic() + 90
    while time.monotonic() < deadline:
        if event in workers.logs():
            return
        time.sleep(0.1)
    raise AssertionError(f"no {event}:\n{workers.logs()}")
