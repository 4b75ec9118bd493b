"""Layer cards of whole datasets: which pictures are looked at, what changes nothing, and the command."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from api.cli import main
from audit.errors import TooFewImagesError
from audit.extractors.layer_card import EMBEDDING, LayerCard
from storage.settings import Settings
from storage.sources import SourceSpec
from workers.service import Service


@pytest.fixture
def pictures(tmp_path: Path) -> Path:
    """60 pictures of noise in two classes, dark and bright, one of them twice, and a file that is broken."""
    rng, folder = np.random.default_rng(0), tmp_path / "noise"
    for number in range(60):
        place = folder / ("dark", "bright")[number % 2]
        place.mkdir(parents=True, exist_ok=True)
        pixels = rng.integers(0, 128, (24, 24, 3)) + 127 * (number % 2)
        Image.fromarray(pixels.astype(np.uint8)).save(place / f"{number:02}.png")
    (folder / "dark" / "twin.png").write_bytes((folder / "dark" / "00.png").read_bytes())
    (folder / "dark" / "broken.png").write_bytes((folder / "dark" / "02.png").read_bytes()[:200])
    return folder


def measured(pictures: Path, home: Path, *, threads: int = 1) -> LayerCard:
    with Service.open(Settings(home=home, decoders=1, threads=threads)) as service:
        dataset = service.wait_dataset(service.submit_dataset(SourceSpec(uri=str(pictures))).id)
        return service.layers(dataset.id, "classical")


def test_distinct_pictures_that_decode_are_looked_at(pictures: Path, tmp_path: Path) -> None:
    card = measured(pictures, tmp_path / "home")
    assert (card.n_images, card.n_labelled, card.n_classes) == (60, 60, 2)
    assert [layer.name for layer in card.layers][-1] == EMBEDDING


def test_neither_names_nor_threads_change_a_card(pictures: Path, tmp_path: Path) -> None:
    first = measured(pictures, tmp_path / "one")
    for path in sorted(pictures.rglob("[0-9]*.png")):
        path.rename(path.with_name(f"z{99 - int(path.stem)}.png"))
    assert measured(pictures, tmp_path / "two", threads=3) == first


def test_too_few_pictures_are_refused(pictures: Path, tmp_path: Path) -> None:
    for path in pictures.rglob("[3-5]*.png"):
        path.unlink()
    with pytest.raises(TooFewImagesError, match="a layer card needs at least 50 images; there are 30"):
        measured(pictures, tmp_path / "home")


def test_the_command_says_which_layer_suits_and_lists_all(
    pictures: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("ASSAY_HOME", str(tmp_path / "home"))
    assert main(["extractors", "layers", "classical", str(pictures), "--quiet"]) == 0
    said = capsys.readouterr().out
    assert said.startswith("No layer is")
    assert "texture_coarse" in said
    assert "60 pictures of 'noise', 60 of them different. 2 classes, of 60 pictures." in said
    assert main(["extractors", "layers", "classical", str(pictures), "--quiet", "--json"]) == 0
    card = json.loads(capsys.readouterr().out)
    assert card["best"] == EMBEDDING
    assert card["layers"][0]["neighbours"]["value"] == 1


def test_an_unknown_extractor_is_refused_before_anything_slow(
    pictures: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["extractors", "layers", "nonsense", str(pictures)]) == 4
    assert "there is no extractor 'nonsense'" in capsys.readouterr().err
