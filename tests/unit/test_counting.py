"""The compiled pass: what a border is, and that it counts where nothing can be kept of it."""

import errno
import importlib.util
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from audit.dna import DnaCounter, LayerRanges, NeuronRanges
from audit.maths.histograms import border, is_map

RANGES = NeuronRanges(
    {
        name: LayerRanges(np.zeros(1, np.float32), np.full(1, 126, np.float32), np.zeros(1, bool))
        for name in ("early", "token")
    },
    "by hand",
)


@pytest.fixture
def fresh() -> Iterator[None]:
    """As in a process that has not counted yet."""
    from audit.maths import counting

    counting.PASS.forget()
    yield
    counting.PASS.forget()


def seen(grid: np.ndarray, token: float = 63.0):
    values = grid.reshape(1, -1, 1).astype(np.float32)
    return DnaCounter(RANGES).add({"early": values, "token": np.full((1, 1, 1), token, np.float32)})


def test_a_map_is_a_square_of_at_least_four_by_four() -> None:
    assert [n for n in range(60) if is_map(n)] == [16, 25, 36, 49]


def test_the_border_is_the_outer_ring() -> None:
    assert border(16).reshape(4, 4).tolist() == [
        [True] * 4,
        [True, False, False, True],
        [True, False, False, True],
        [True] * 4,
    ]
    assert not border(9).any()


def test_an_image_gives_its_mean_its_border_and_its_largest_place_in_parts_of_the_range() -> None:
    grid = np.full((4, 4), 12.6)
    grid[1:3, 1:3] = 63.0
    grid[2, 1] = 126.0
    images = seen(grid)
    assert images.border_layer == "early"
    np.testing.assert_allclose(images.border, [[0.1]], atol=1e-4)
    np.testing.assert_allclose(images.values, [[(12 * 0.1 + 3 * 0.5 + 1) / 16, 0.5]], atol=5e-4)
    np.testing.assert_allclose(images.top, [[1.0, 0.5]])
    assert images.place.tolist() == [[9, 0]]


def test_a_neuron_that_is_nowhere_a_number_has_no_mean_and_no_largest_place() -> None:
    images = seen(np.full((4, 4), np.nan))
    assert np.isnan([images.values[0, 0], images.border[0, 0], images.top[0, 0]]).all()
    assert images.place[0, 0] == -1


def test_a_layer_without_a_map_has_no_border() -> None:
    images = seen(np.ones((3, 3)))
    assert (images.border_layer, images.border.shape) == ("", (1, 0))


def test_an_infinite_activation_has_a_mean_that_float16_holds() -> None:
    assert np.isfinite(seen(np.full((4, 4), np.inf)).values).all()


def test_it_counts_where_no_cache_can_be_kept(fresh: None, monkeypatch: pytest.MonkeyPatch) -> None:
    from numba.core import caching

    monkeypatch.setattr(caching.CacheImpl, "_locator_classes", [])
    assert seen(np.arange(16.0)).place[0, 0] == 15


@pytest.mark.parametrize(
    ("method", "error"),
    [("save", OSError(errno.ENOSPC, "No space left on device")), ("load", EOFError("Ran out of input"))],
    ids=["a full disk", "a damaged cache"],
)
def test_it_counts_in_spite_of(fresh: None, monkeypatch: pytest.MonkeyPatch, method: str, error: Exception) -> None:
    from numba.core.caching import IndexDataCacheFile

    def fail(*_: object) -> None:
        raise error

    monkeypatch.setattr(IndexDataCacheFile, "load", lambda *_: None)
    monkeypatch.setattr(IndexDataCacheFile, method, fail)
    assert seen(np.arange(16.0)).place[0, 0] == 15


def test_what_was_compiled_with_other_constants_is_not_found_again(tmp_path: Path) -> None:
    from audit.maths.compiled import Compiled

    names = []
    for constant in (1, 2):
        path = tmp_path / f"constants{constant}.py"
        path.write_text(f"VALUE = {constant}\n")
        spec = importlib.util.spec_from_file_location("constants", path)
        assert spec is not None
        module = importlib.util.module_from_spec(spec)

        def function() -> None: ...

        Compiled(function, tuple, reads=(module,))
        names.append(function.__qualname__)
    assert names[0] != names[1]


def test_processes_that_count_nothing_do_not_load_the_compiler() -> None:
    code = "import sys, audit.dna, api.cli.app, workers.decoder_process; print('numba' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"
