"""Calibrating an extractor on a dataset: which pictures, what is said, what is refused."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from api.cli import main
from audit.errors import TooFewImagesError
from audit.extractors import load_extractor, resolve_spec
from storage.settings import Settings
from storage.sources import SourceSpec
from workers.service import Service


@pytest.fixture
def pictures(tmp_path: Path) -> Path:
    """40 pictures of noise, one of them twice, and a file that is broken."""
    rng, folder = np.random.default_rng(0), tmp_path / "noise"
    folder.mkdir()
    for number in range(40):
        Image.fromarray(rng.integers(0, 256, (24, 24, 3), dtype=np.uint8)).save(folder / f"{number:02}.png")
    (folder / "twin.png").write_bytes((folder / "00.png").read_bytes())
    (folder / "broken.png").write_bytes((folder / "01.png").read_bytes()[:200])
    return folder


@pytest.fixture
def service(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Service]:
    monkeypatch.setenv("ASSAY_CACHE", str(tmp_path / "cache"))
    with Service.open(Settings(home=tmp_path / "home", decoders=1, threads=1)) as opened:
        yield opened


def submitted(service: Service, folder: Path) -> str:
    dataset = service.submit_dataset(SourceSpec(uri=str(folder)))
    return service.wait_dataset(dataset.id).id


def test_the_statement_says_name_number_and_contents(service: Service, pictures: Path) -> None:
    _, said = service.calibrate(submitted(service, pictures), "classical")
    hashes = sorted(hashlib.sha256((pictures / f"{n:02}.png").read_bytes()).hexdigest() for n in range(40))
    digest = hashlib.sha256("\n".join(hashes).encode()).hexdigest()
    assert said == f"40 pictures of 'noise' (sha256 of their contents {digest})"


def test_the_extractor_counts_in_the_new_ranges(service: Service, pictures: Path) -> None:
    before = resolve_spec("classical")
    spec, said = service.calibrate(submitted(service, pictures), "classical")
    assert spec == resolve_spec("classical") != before
    assert load_extractor("classical").ranges.calibration == said


def test_calibrating_twice_gives_the_same_ranges(service: Service, pictures: Path) -> None:
    dataset = submitted(service, pictures)
    assert service.calibrate(dataset, "classical") == service.calibrate(dataset, "classical")


def test_names_have_no_part_in_which_pictures_are_taken(service: Service, pictures: Path) -> None:
    first, _ = service.calibrate(submitted(service, pictures), "classical", n_images=35)
    for path in sorted(pictures.glob("*.png")):
        path.rename(pictures / f"z{99 - int(path.stem) if path.stem.isdigit() else 0}-{path.name}")
    second, _ = service.calibrate(submitted(service, pictures), "classical", n_images=35)
    assert first.ranges_sha256 == second.ranges_sha256


def test_too_few_pictures_are_refused(service: Service, pictures: Path) -> None:
    for path in sorted(pictures.glob("[1-3]*.png")):
        path.unlink()
    with pytest.raises(TooFewImagesError, match="calibration needs at least 32 images; there are 10"):
        service.calibrate(submitted(service, pictures), "classical")


def test_the_command_says_what_the_ranges_come_from_and_goes_back(
    pictures: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("ASSAY_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("ASSAY_HOME", str(tmp_path / "home"))
    before = resolve_spec("classical").fingerprint
    assert main(["extractors", "calibrate", "classical", str(pictures), "--quiet"]) == 0
    assert "classical counts in ranges from 40 pictures of 'noise'" in capsys.readouterr().out
    assert main(["extractors", "calibrate", "classical", "--reset"]) == 0
    assert resolve_spec("classical").fingerprint == before


def test_a_command_without_a_source_says_what_to_give(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["extractors", "calibrate", "classical"]) == 2
    assert "give a SOURCE" in capsys.readouterr().err
