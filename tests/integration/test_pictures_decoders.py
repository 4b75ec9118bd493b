"""The pool of decoding processes: order, batches, and what happens when a process dies."""

from __future__ import annotations

import io
import os
import signal
import subprocess
import sys
import textwrap
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import numpy as np
import psutil
import pytest
from PIL import Image

from audit.errors import PictureError
from audit.extractors.base import InputSpec
from workers.decoder_lane import start_process
from workers.decoder_process import Job, SharedPixels
from workers.decoders import DecodedBatch, DecoderPool
from workers.errors import DecodersError

SPEC = InputSpec(size=16)
ROOT = Path(__file__).parents[2]


class DrawnSource:
    """Pictures made from their locators; some locators do harm."""

    def __init__(self, spec: object) -> None:
        if spec == "missing":
            raise FileNotFoundError("there is no such source")
        self.folder = str(spec)

    def read(self, locator: str) -> bytes:
        if locator.startswith("kill"):
            os.kill(os.getpid(), signal.SIGSEGV if "segv" in locator else signal.SIGKILL)
        if locator.startswith("once"):
            self.die_once(locator)
        if locator.startswith("sleep"):
            time.sleep(60)
        if locator.startswith("hungry"):
            bytearray(2_000 * 2**20)
        if locator == "torch" and "torch" in sys.modules:
            raise PictureError("corrupt", "torch is imported")
        if locator == "gone":
            raise PictureError("vanished", "it is gone")
        if locator == "broken":
            return b"\xff\xd8 not a JPEG"
        return drawn(locator)

    def die_once(self, locator: str) -> None:
        mark = Path(self.folder) / locator
        if not mark.exists():
            mark.touch()
            os.kill(os.getpid(), signal.SIGKILL)


def drawn(locator: str) -> bytes:
    seed = sum(locator.encode())
    pixels = np.random.default_rng(seed).integers(0, 256, (20, 30, 3), dtype=np.uint8)
    out = io.BytesIO()
    Image.fromarray(pixels).save(out, "PNG")
    return out.getvalue()


@pytest.fixture(scope="module")
def pool() -> Iterator[DecoderPool]:
    with DecoderPool(2, 10**6, timeout_s=3.0, memory_mb=512, opener=DrawnSource) as pool:
        yield pool


def names(n: int) -> list[str]:
    return [f"picture-{k}" for k in range(n)]


def summary(batches: list[DecodedBatch]) -> tuple[list[int], dict[int, str], bytes]:
    failed = {position: reason for batch in batches for position, (reason, _) in batch.failed.items()}
    positions = [position for batch in batches for position in batch.positions]
    return positions, failed, b"".join(batch.pixels.tobytes() for batch in batches)


def serial(locators: list[str], source: str = "a") -> list[DecodedBatch]:
    with DecoderPool(0, 10**6, opener=DrawnSource) as pool:
        return list(pool.run(source, locators, SPEC))


def test_batches_are_exact_and_in_input_order(pool: DecoderPool) -> None:
    batches = list(pool.run("a", [*names(40), "gone", *names(30)], SPEC, batch=32))
    assert [len(batch.positions) for batch in batches] == [32, 32, 6]
    assert summary(batches)[0] == [k for k in range(71) if k != 40]


def test_processes_give_the_bytes_of_the_calling_thread(pool: DecoderPool) -> None:
    locators = [*names(50), "broken"]
    there, here = list(pool.run("a", locators, SPEC)), serial(locators)
    assert summary(there) == summary(here)
    assert [b.rows for b in there] == [b.rows for b in here]


def test_ctrl_c_does_not_reach_a_process_that_is_still_starting() -> None:
    shared = SharedPixels.create()
    process, connection = start_process(DrawnSource, 10**6, 512, shared)
    while not connection.poll(0.01):
        assert process.is_alive()
        os.kill(process.pid or 0, signal.SIGINT)
        with suppress(BrokenPipeError):
            connection.send(Job("a", SPEC, ("picture-0",)))
    assert connection.recv().error == ""
    process.kill()
    process.join()
    connection.close()
    shared.close()


def test_failures_after_the_last_picture_come_in_a_batch_without_pictures(pool: DecoderPool) -> None:
    batches = list(pool.run("a", [*names(8), "gone"], SPEC, batch=8))
    assert [len(b.positions) for b in batches] == [8, 0]
    assert batches[1].failed == {8: ("vanished", "it is gone")}
    assert batches[1].pixels.shape == (0, 16, 16, 3)


def test_nothing_to_decode_gives_no_batch(pool: DecoderPool) -> None:
    assert list(pool.run("a", [], SPEC)) == []


@pytest.mark.parametrize(
    ("guilty", "reason"),
    [
        ("kill-segv", "decoder_crashed"),
        ("kill", "decoder_crashed"),
        ("sleep", "timeout"),
        ("hungry", "out_of_memory"),
        ("broken", "corrupt_header"),
    ],
)
def test_only_the_guilty_picture_is_quarantined(pool: DecoderPool, guilty: str, reason: str) -> None:
    locators = [*names(11), guilty, *names(9)]
    positions, failed, _ = summary(list(pool.run("a", locators, SPEC)))
    assert failed == {11: reason}
    assert positions == [k for k in range(21) if k != 11]


def test_several_guilty_pictures_in_one_chunk_are_each_found(pool: DecoderPool) -> None:
    locators = ["kill", "ok-1", "kill-segv", "ok-2", "broken", "kill", "ok-3"]
    positions, failed, _ = summary(list(pool.run("a", locators, SPEC)))
    assert failed == {0: "decoder_crashed", 2: "decoder_crashed", 4: "corrupt_header", 5: "decoder_crashed"}
    assert positions == [1, 3, 6]


def test_a_picture_whose_process_was_killed_by_somebody_gets_another_try(pool: DecoderPool, tmp_path: Path) -> None:
    locators = [*names(5), "once", *names(5)]
    positions, failed, _ = summary(list(pool.run(str(tmp_path), locators, SPEC)))
    assert failed == {}
    assert positions == list(range(11))


def test_processes_killed_at_work_lose_nothing() -> None:
    locators = names(600)
    expected = summary(serial(locators))
    others = decoders()
    with DecoderPool(2, 10**6, timeout_s=20.0, opener=DrawnSource) as pool:
        batches = []
        for k, batch in enumerate(pool.run("a", locators, SPEC)):
            batches.append(batch)
            if k in {2, 5, 9}:
                (decoders() - others).pop().kill()
        assert summary(batches) == expected


def test_a_source_that_cannot_be_opened_is_an_error_that_says_so(pool: DecoderPool) -> None:
    with pytest.raises(DecodersError, match="no such source"):
        list(pool.run("missing", names(3), SPEC))


def test_a_pool_serves_several_threads_at_once(pool: DecoderPool) -> None:
    results: dict[int, tuple[list[int], dict[int, str], bytes]] = {}

    def work(key: int) -> None:
        results[key] = summary(list(pool.run(f"source-{key}", names(30 + key), SPEC, batch=7)))

    threads = [threading.Thread(target=work, args=(key,)) for key in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert results == {key: summary(serial(names(30 + key))) for key in range(4)}


def test_inputs_of_another_size_can_follow(pool: DecoderPool) -> None:
    for size in (8, 64, 16):
        (batch,) = pool.run("a", names(9), InputSpec(size=size))
        assert batch.pixels.shape == (9, size, size, 3)


def test_decoding_processes_do_not_import_torch(pool: DecoderPool) -> None:
    assert summary(list(pool.run("a", ["torch"], SPEC)))[1] == {}


def test_a_run_left_unfinished_does_not_block_the_next(pool: DecoderPool) -> None:
    run = pool.run("a", names(200), SPEC, batch=8)
    next(run)
    run.close()  # type: ignore[attr-defined]
    assert summary(list(pool.run("a", names(9), SPEC)))[0] == list(range(9))


def test_closing_leaves_no_process_and_no_descriptor() -> None:
    with DecoderPool(1, 10**6, opener=DrawnSource) as warm:
        list(warm.run("a", names(3), SPEC))
    before, others = psutil.Process().num_fds(), decoders()
    pool = DecoderPool(2, 10**6, opener=DrawnSource)
    list(pool.run("a", names(30), SPEC))
    pool.close()
    assert psutil.Process().num_fds() == before
    assert decoders() == others


def decoders() -> set[psutil.Process]:
    """The decoding processes of this test process, dead ones left out."""
    found = set()
    for child in psutil.Process().children():
        with suppress(psutil.Error):
            if child.status() != psutil.STATUS_ZOMBIE and "spawn_main" in " ".join(child.cmdline()):
                found.add(child)
    return found


def test_closing_ends_a_run_that_is_under_way() -> None:
    pool = DecoderPool(1, 10**6, timeout_s=60.0, opener=DrawnSource)
    run = pool.run("a", ["fine", "sleep"], SPEC, batch=1)
    caught: list[BaseException] = []

    def work() -> None:
        try:
            list(run)
        except DecodersError as error:
            caught.append(error)

    thread = threading.Thread(target=work)
    thread.start()
    time.sleep(1.5)
    pool.close()
    thread.join(10)
    assert not thread.is_alive()
    assert caught
    with pytest.raises(DecodersError, match="closed"):
        list(pool.run("a", ["fine"], SPEC))


def test_processes_end_when_their_parent_is_killed(tmp_path: Path) -> None:
    script = tmp_path / "parent.py"
    script.write_text(
        textwrap.dedent(
            """
            import sys
            from workers.decoders import DecoderPool
            from audit.extractors.base import InputSpec
            import sleepy

            if __name__ == "__main__":
                pool = DecoderPool(2, 10**6, timeout_s=600, opener=sleepy.Sleepy)
                for batch in pool.run("a", ["a", "b"] * 40, InputSpec(size=8), batch=1):
                    pass
            """
        )
    )
    (tmp_path / "sleepy.py").write_text(
        textwrap.dedent(
            """
            import os, pathlib, time

            class Sleepy:
                def __init__(self, spec):
                    pass

                def read(self, locator):
                    (pathlib.Path(__file__).parent / f"pid-{os.getpid()}").touch()
                    time.sleep(600)
            """
        )
    )
    environment = {**os.environ, "PYTHONPATH": f"{ROOT}{os.pathsep}{tmp_path}"}
    parent = subprocess.Popen([sys.executable, str(script)], env=environment, stderr=subprocess.PIPE)
    try:
        pids = _wait_for(lambda: [int(p.name[4:]) for p in tmp_path.glob("pid-*")], 2)
        parent.kill()
        parent.wait()
        assert _wait_for(lambda: [pid for pid in pids if not psutil.pid_exists(pid) or _is_zombie(pid)], 2)
    finally:
        parent.kill()
        parent.wait()
        if parent.stderr is not None:
            parent.stderr.close()


def _is_zombie(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True


def _wait_for(found: Callable[[], list[int]], n: int) -> list[int]:
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        values = found()
        if len(values) >= n:
            return values
        time.sleep(0.1)
    raise AssertionError(f"waited in vain: {values}")
