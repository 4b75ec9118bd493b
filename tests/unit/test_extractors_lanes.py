"""How many batches a device computes at once: doubled while it pays, remembered, halved when memory runs out."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

from audit.extractors import _lanes, _torch
from audit.extractors._lanes import Lanes, find, rate_of
from audit.extractors._torch import Paced, TorchRun


class FullError(RuntimeError):
    """No room on the device."""


def rates(table: dict[int, float]):
    def rate(n: int) -> float:
        if n not in table:
            raise FullError
        return table[n]

    return rate


@pytest.mark.parametrize(
    ("table", "expected"),
    [
        ({1: 10, 2: 19, 4: 30, 8: 31, 16: 90}, 4),  # the first doubling that does not pay ends the trial
        ({1: 10, 2: 10.4}, 1),
        ({1: 10, 2: 10.5, 4: 9}, 2),
        ({1: 10, 2: 20, 4: 40}, 4),  # at 8 memory runs out
        ({1: 1, 2: 2, 4: 4, 8: 8, 16: 16}, 16),
    ],
)
def test_lanes_are_doubled_while_that_pays_and_finds_room(table: dict[int, float], expected: int) -> None:
    assert find(rates(table), FullError) == expected


def test_a_device_without_room_for_one_batch_says_so() -> None:
    with pytest.raises(FullError):
        find(rates({}), FullError)


def test_a_rate_is_what_was_done_over_what_the_clock_says() -> None:
    done: list[None] = []
    ticks = iter([100.0, 103.0])
    assert rate_of(lambda: done.append(None), lambda: next(ticks))(2) == 2 * _lanes.ROUNDS / 3
    assert len(done) == 2 + 2 * _lanes.ROUNDS


class Device:
    """A device with room for so many batches; it knows how many were there at once."""

    def __init__(self, room: int) -> None:
        self.room, self.at_once, self.most = room, 0, 0
        self._lock = threading.Lock()

    def compute(self, number: int) -> int:
        with self._lock:
            self.at_once += 1
            self.most = max(self.most, self.at_once)
            is_full = self.at_once > self.room
        try:
            if is_full:
                raise FullError
            threading.Event().wait(0.01)
            return number * number
        finally:
            with self._lock:
                self.at_once -= 1


def test_when_memory_runs_out_half_the_lanes_go_on_and_the_work_is_done_again() -> None:
    tries, told, freed = iter([FullError, FullError, None]), [], []

    def work() -> str:
        problem = next(tries)
        if problem is not None:
            raise problem
        return "done"

    lanes = Lanes(8, FullError, free=lambda: freed.append(None), remember=told.append)
    assert lanes.run(work) == "done"
    assert told == [4, 2]
    assert lanes.n == 2
    assert len(freed) == 2


def test_lanes_that_run_out_of_memory_together_are_halved_once() -> None:
    together, told = threading.Barrier(4), []
    failed = threading.local()

    def work() -> int:
        if not hasattr(failed, "once"):
            failed.once = True
            together.wait()  # all four are at work when memory runs out
            raise FullError
        return 1

    lanes = Lanes(4, FullError, remember=told.append)
    with ThreadPoolExecutor(4) as threads:
        assert sum(threads.map(lambda _: lanes.run(work), range(4))) >= 4
    assert told == [2]


def test_on_a_device_with_too_little_room_nothing_is_lost() -> None:
    device, lanes = Device(room=3), Lanes(8, FullError)
    with ThreadPoolExecutor(8) as threads:
        results = list(threads.map(lambda number: lanes.run(lambda: device.compute(number)), range(60)))
    assert results == [number * number for number in range(60)]


def test_never_more_are_at_work_than_there_are_lanes() -> None:
    device, lanes = Device(room=2), Lanes(2, FullError)
    with ThreadPoolExecutor(6) as threads:
        list(threads.map(lambda number: lanes.run(lambda: device.compute(number)), range(30)))
    assert device.most == 2


def test_work_that_finds_no_room_even_alone_fails() -> None:
    def never() -> None:
        raise FullError

    lanes = Lanes(4, FullError)
    with pytest.raises(FullError):
        lanes.run(never)
    assert lanes.n == 1


def test_other_failures_are_passed_on_and_free_the_lane() -> None:
    lanes = Lanes(1, FullError)
    with pytest.raises(ZeroDivisionError):
        lanes.run(lambda: 1 // 0)
    assert lanes.run(lambda: 5) == 5


def test_what_was_found_is_remembered_by_extractor_and_device(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ASSAY_CACHE", str(tmp_path))
    assert _lanes.remembered("a" * 64, "card one") is None
    _lanes.remember("a" * 64, "card one", 8)
    assert _lanes.remembered("a" * 64, "card one") == 8
    assert _lanes.remembered("a" * 64, "card two") is None
    assert _lanes.remembered("b" * 64, "card one") is None


def test_a_number_that_no_trial_gives_is_not_believed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ASSAY_CACHE", str(tmp_path))
    _lanes.remember("a" * 64, "card", 3)
    assert _lanes.remembered("a" * 64, "card") is None


def test_on_a_cpu_every_batch_is_run_as_it_comes() -> None:
    run = TorchRun(lambda pixels: (pixels.mean((2, 3)), {}), "cpu")
    assert run.paced("a" * 64, 8) is run


def test_pacing_changes_no_byte_whatever_the_lanes() -> None:
    import torch

    torch.manual_seed(0)
    network = torch.nn.Conv2d(3, 4, 3)
    run = TorchRun(lambda pixels: (network(pixels).mean((2, 3)), {}), "cpu")
    batches = [np.random.default_rng(seed).normal(size=(4, 3, 8, 8)).astype(np.float32) for seed in range(8)]
    alone = [run(batch)[0].tobytes() for batch in batches]
    for n in (1, 4):
        paced = Paced(run, Lanes(n, FullError))
        with ThreadPoolExecutor(4) as threads:
            assert [one[0].tobytes() for one in threads.map(paced, batches)] == alone


@pytest.fixture
def cuda(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """A made-up GPU on which two batches at once pay and four find no room; the sizes of the batches it was given."""
    import torch

    monkeypatch.setenv("ASSAY_CACHE", str(tmp_path))
    monkeypatch.setattr(torch.cuda, "synchronize", lambda device: None)
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda device: "made up")
    given: list[int] = []

    def rate_of(work):
        def rate(n: int) -> float:
            work()
            if n > 2:
                raise torch.OutOfMemoryError
            return 10.0 * n

        return rate

    monkeypatch.setattr(_torch, "Streams", lambda run: lambda pixels: given.append(len(pixels)) or len(pixels))
    monkeypatch.setattr(_lanes, "rate_of", rate_of)
    return given


def paced_on_cuda() -> Paced:
    paced = TorchRun(lambda pixels: (pixels, {}), "cuda").paced("a" * 64, 8)
    assert isinstance(paced, Paced)
    return paced


def test_on_cuda_trials_with_whole_batches_find_the_lanes(cuda: list[int]) -> None:
    assert paced_on_cuda().lanes.n == 2
    assert cuda == [32, 32, 32]


def test_on_cuda_what_was_found_is_not_tried_again(cuda: list[int]) -> None:
    paced_on_cuda()
    cuda.clear()
    assert paced_on_cuda().lanes.n == 2
    assert cuda == []


def test_on_cuda_fewer_lanes_are_remembered_when_memory_runs_out(cuda: list[int]) -> None:
    import torch

    paced, tries = paced_on_cuda(), iter([torch.OutOfMemoryError(), None])

    def work() -> None:
        if (problem := next(tries)) is not None:
            raise problem

    paced.lanes.run(work)
    assert paced_on_cuda().lanes.n == 1
