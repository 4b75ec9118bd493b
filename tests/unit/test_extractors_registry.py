"""Names of extractors and the calibration of neuron ranges."""

import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

from audit.errors import ExtractorError, UnknownExtractorError
from audit.extractors import describe_extractors, load_extractor, registry, resolve_spec
from audit.extractors._calibration import calibrate


@pytest.mark.parametrize(
    "name", ["", "nonsense", "classical:extra", "classical:", "openclip", "openclip:", "Classical"]
)
def test_a_name_that_is_none_lists_those_there_are(name: str) -> None:
    with pytest.raises(UnknownExtractorError, match=r"classical, openclip:MODEL/PRETRAINED-or-PATH"):
        resolve_spec(name)


def test_the_bundled_extractors_are_listed_first() -> None:
    assert [info.name for info in describe_extractors()[:2]] == ["bundled", "classical"]


def test_a_plug_in_adds_a_scheme(monkeypatch: pytest.MonkeyPatch) -> None:
    class Point:
        name = "double"

        @staticmethod
        def load() -> registry.Scheme:
            info = registry.ExtractorInfo(name="double:WHAT", summary="", needs="")
            return registry.Scheme(info, load_extractor, resolve_spec)

    monkeypatch.setattr(registry, "entry_points", lambda group: [Point()])
    registry._schemes.cache_clear()
    try:
        assert resolve_spec("double:classical") == resolve_spec("classical")
    finally:
        registry._schemes.cache_clear()


@pytest.fixture
def installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[str, str], None]]:
    """Installs a distribution with one entry point and its module, as pip would lay it out."""

    def install(entry: str, code: str) -> None:
        about = tmp_path / "plugged-1.0.dist-info"
        about.mkdir()
        (about / "METADATA").write_text("Metadata-Version: 2.1\nName: plugged\nVersion: 1.0\n")
        (about / "entry_points.txt").write_text(f"[assay.extractors]\n{entry}\n")
        (tmp_path / "assay_plugged.py").write_text(code)
        monkeypatch.syspath_prepend(tmp_path)
        registry._schemes.cache_clear()

    yield install
    registry._schemes.cache_clear()
    sys.modules.pop("assay_plugged", None)


PLUG_IN = """
from audit.extractors import ExtractorInfo, Scheme, load_extractor, resolve_spec

scheme = Scheme(
    ExtractorInfo(name="twin:WHAT", summary="Another name for an extractor.", needs=""), load_extractor, resolve_spec
)
"""


def test_an_installed_distribution_adds_an_extractor_without_a_change_of_code(
    installed: Callable[[str, str], None],
) -> None:
    installed("twin = assay_plugged:scheme", PLUG_IN)
    assert resolve_spec("twin:classical") == resolve_spec("classical")
    assert "twin:WHAT" in [info.name for info in describe_extractors()]


@pytest.mark.parametrize(
    ("code", "said"),
    [("import no_such_module", "No module named 'no_such_module'"), ("scheme = 3", "must name a Scheme, got int")],
)
def test_a_broken_plug_in_says_why_and_stops_no_other(
    installed: Callable[[str, str], None], code: str, said: str
) -> None:
    installed("broken = assay_plugged:scheme", code)
    assert resolve_spec("classical").name == "classical"
    assert said in describe_extractors()[-1].summary
    with pytest.raises(ExtractorError, match=said):
        load_extractor("broken")


def test_a_range_is_the_inner_quantiles_widened_by_a_tenth() -> None:
    values = np.linspace(2, 10, 100_001, dtype=np.float32).reshape(-1, 1, 1)
    known = calibrate([{"x": values}], "").layers["x"]
    half = 4 * 0.999 * 1.1
    np.testing.assert_allclose([known.low[0], known.high[0]], [6 - half, 6 + half], rtol=1e-4)


def test_a_neuron_that_never_changed_is_dead_and_still_has_a_width() -> None:
    values = np.random.default_rng(0).normal(size=(50, 4, 2)).astype(np.float32)
    values[..., 1] = 0.75
    known = calibrate([{"x": values}], "").layers["x"]
    assert known.dead.tolist() == [False, True]
    assert known.low[1] < 0.75 < known.high[1]


def test_a_nearly_dead_neuron_gets_the_least_width_of_its_layer() -> None:
    values = np.random.default_rng(0).normal(size=(500, 4, 3)).astype(np.float32)
    values[..., 2] = 5 + 1e-6 * values[..., 2]
    known = calibrate([{"x": values}], "").layers["x"]
    widths = known.high - known.low
    assert widths[2] == pytest.approx(0.02 * np.median(widths), rel=0.05)


def test_the_batches_of_the_calibration_set_change_nothing() -> None:
    values = np.random.default_rng(0).normal(size=(60, 4, 3)).astype(np.float32)
    whole = calibrate([{"x": values}], "s")
    assert calibrate([{"x": values[:13]}, {"x": values[13:]}], "s").sha256 == whole.sha256
