"""Two extractors compared by the command line on the same pictures, over the real service."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from api.cli import main
from audit.agreement import Agreement


@pytest.fixture
def pictures(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """48 pictures of noise, one of them twice, in a home of their own."""
    monkeypatch.setenv("ASSAY_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("ASSAY_CACHE", str(tmp_path / "cache"))
    rng, folder = np.random.default_rng(0), tmp_path / "noise"
    folder.mkdir()
    for number in range(48):
        pixels = rng.integers(0, 256, (24, 24, 3)) * rng.random(3)
        Image.fromarray(pixels.astype(np.uint8)).save(folder / f"{number:02}.png")
    (folder / "twin.png").write_bytes((folder / "00.png").read_bytes())
    return folder


def test_two_extractors_are_compared_on_the_same_pictures_and_no_audit_is_left(
    pictures: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["extractors", "agree", "classical", "bundled", str(pictures), "--json", "-q"]) == 0
    value = json.loads(capsys.readouterr().out)
    sentence = value.pop("sentence")
    found = Agreement.model_validate(value)
    assert sentence == found.sentence
    assert (found.first, found.second, found.n_images, found.n_bursts) == ("classical", "bundled", 49, 48)
    assert found.cka_low <= found.cka <= found.cka_high
    assert found.layers is not None
    assert [len(found.layers.cka), len(found.layers.cka[0])] == [len(found.layers.first), len(found.layers.second)]
    assert found.layers.second[-1] == "last"
    main(["list", "--json"])
    assert json.loads(capsys.readouterr().out) == {"audits": []}


def test_fewer_pictures_than_there_are_can_be_asked_for(pictures: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (pictures / "twin.png").unlink()
    assert main(["extractors", "agree", "classical", "bundled", str(pictures), "--images", "44", "-q"]) == 0
    said = capsys.readouterr().out
    assert said.startswith("classical and bundled see these 44 pictures")
    assert "(chance 23.3%)" in said
    assert "CKA of each layer of classical (rows) with each of bundled, on 44 pictures" in said


@pytest.mark.parametrize(
    ("names", "code", "words"),
    [
        (("classical", "classical"), 2, "give the names of two extractors"),
        (("classical", "nonsense"), 4, "nonsense"),
    ],
)
def test_names_that_cannot_be_compared_are_refused_before_the_work(
    pictures: Path, names: tuple[str, str], code: int, words: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["extractors", "agree", *names, str(pictures)]) == code
    assert words in capsys.readouterr().err


def test_too_few_pictures_are_a_sentence(pictures: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for number in range(20):
        (pictures / f"{number:02}.png").unlink()
    assert main(["extractors", "agree", "classical", "bundled", str(pictures), "-q"]) == 2
    assert "at least 40 images" in capsys.readouterr().err
