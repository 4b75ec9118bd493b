"""Stores of two extractors compared through a saved translation, by the command line over the real service."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import yaml
from PIL import Image

from api.cli import main
from audit.analyses.base import analyses
from audit.errors import ConfigError
from audit.translation import Translation
from storage.settings import Settings
from tests.extractor_models import DESCRIPTION, Models
from workers.service import Service
from workers.translating import kept

Said = pytest.CaptureFixture[str]
ASKED = ("two_sample", "visual_dna", "class_shares", "class_parts")


def drawn(folder: Path, seed: int, n: int, tint: int = 0) -> Path:
    """Small pictures of coloured stripes with noise of a strength of its own in every channel, in two classes."""
    rng = np.random.default_rng(seed)
    for number in range(n):
        place = folder / "ab"[number % 2]
        place.mkdir(parents=True, exist_ok=True)
        across, down = np.meshgrid(np.arange(32), np.arange(32))
        turn = rng.uniform(0, np.pi)
        waves = np.sin((np.cos(turn) * across + np.sin(turn) * down) * rng.uniform(0.2, 2.5))[:, :, None]
        pixels = rng.uniform(40, 160, 3) + waves * rng.uniform(-60, 60, 3) + [tint, 0, 0]
        pixels = pixels + rng.normal(size=(32, 32, 3)) * rng.uniform(0, 60, 3)
        Image.fromarray(np.clip(pixels, 0, 255).astype(np.uint8)).save(place / f"{number:04}.png")
    return folder


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home with pictures, two extractors and a translation between them."""
    place = tmp_path_factory.mktemp("translation")
    old = Path(Models(place).named("torch:PATH").partition(":")[2])
    shutil.copy(old, place / "other.pt2")
    told = DESCRIPTION | {"std": [0.22, 0.3, 0.36], "mean": [0.48, 0.4, 0.33]}
    (place / "other.yaml").write_text(yaml.safe_dump(told))
    drawn(place / "store", 0, 700)
    drawn(place / "alike", 1, 120)
    drawn(place / "redder", 2, 120, tint=60)
    return place


@pytest.fixture(autouse=True)
def home(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ASSAY_HOME", str(place / "home"))
    monkeypatch.setenv("ASSAY_CACHE", str(place / "cache"))


@pytest.fixture(scope="module")
def names(place: Path) -> tuple[str, str]:
    return f"torch:{place / 'small.pt2'}", f"torch:{place / 'other.pt2'}"


@pytest.fixture
def saved(place: Path, names: tuple[str, str], capsys: Said) -> Path:
    """The translation, learnt on the pictures of the store."""
    file = place / "saved.json"
    if not file.is_file():
        assert main(["extractors", "translate", *names, str(place / "store"), "--out", str(file), "-q"]) == 0
    capsys.readouterr()
    return file


def audited(place: Path, extractor: str, capsys: Said) -> str:
    skipped = [word for one in analyses(datasets=1) for word in ("--skip", one.name)]
    assert main(["audit", str(place / "store"), "--extractor", extractor, "--json", "-q", *skipped]) == 0
    found: str = json.loads(capsys.readouterr().out)["id"]
    return found


def compare(reference: str, candidate: Path, saved: Path, capsys: Said, *more: str) -> dict[str, object]:
    skipped = [word for one in analyses(datasets=2) if one.name not in ASKED for word in ("--skip", one.name)]
    assert (
        main(["compare", reference, str(candidate), "--translation", str(saved), "--json", "-q", *skipped, *more]) == 0
    )
    value: dict[str, object] = json.loads(capsys.readouterr().out)
    return value


def test_what_is_learnt_is_told_and_names_both_extractors(saved: Path, names: tuple[str, str]) -> None:
    made = Translation.from_json(saved.read_bytes())
    assert (made.old.extractor, made.new.extractor) == names
    assert made.n_learnt + made.n_held_out <= 700
    assert made.check.combined > 0.05


def test_an_audited_store_is_compared_even_where_its_extractor_is_gone(
    place: Path, saved: Path, names: tuple[str, str], capsys: Said
) -> None:
    stored = audited(place, names[0], capsys)
    model = Path(names[0].removeprefix("torch:"))
    away = model.rename(model.with_name("away"))
    value = compare(stored, place / "alike", saved, capsys, "--out", str(place / "out"))
    away.rename(model)
    assert value["failed"] == {}
    assert value["translation"]["refused"] == ""
    assert value["two_sample"]["auc_low"] < 0.6
    assert value["two_sample"]["p_value"] > 0.01
    assert value["dna"]["distance"] is None
    assert value["translation"]["sentence"] in value["verdict"]["sentence"]
    report = json.loads((place / "out" / "report.json").read_text())
    said = {section["id"]: section for section in report["sections"]}
    assert said["translation"] == report["sections"][0]
    assert "neurons of two extractors have nothing in common" in said["visual_dna"]["summary"]
    assert "halves of the shared pictures" in said["two_sample"]["headline"][0]["note"]


def test_a_difference_is_seen_through_the_translation_without_an_audit_before(
    place: Path, saved: Path, capsys: Said
) -> None:
    value = compare(str(place / "store"), place / "redder", saved, capsys)
    assert value["two_sample"]["auc_low"] > 0.6
    assert value["two_sample"]["p_value"] <= 0.01


def test_nothing_is_compared_where_neither_dataset_is_like_the_shared_pictures(
    place: Path, saved: Path, capsys: Said
) -> None:
    drawn(place / "redder-too", 3, 120, tint=60)
    value = compare(str(place / "redder-too"), place / "redder", saved, capsys)
    assert value["translation"]["refused"].startswith("Not compared")
    assert value["two_sample"]["auc"] is None
    assert value["class_parts"]["total"] is None
    assert "translation.refused" in [finding["id"] for finding in value["findings"]]


def test_a_store_of_another_extractor_than_the_translation_says_is_refused(
    place: Path, saved: Path, names: tuple[str, str], capsys: Said
) -> None:
    stored = audited(place, names[1], capsys)
    assert main(["compare", stored, str(place / "alike"), "--translation", str(saved), "-q"]) == 2
    assert "by the other extractor of the translation" in capsys.readouterr().err
    stored = audited(place, "classical", capsys)
    assert main(["compare", stored, str(place / "alike"), "--translation", str(saved), "-q"]) == 2
    assert "by neither of the translation's extractors" in capsys.readouterr().err


def test_a_mistyped_path_is_called_a_path(place: Path, saved: Path, capsys: Said) -> None:
    assert main(["compare", str(place / "stroe"), str(place / "alike"), "--translation", str(saved), "-q"]) == 3
    assert f"there is nothing at {place / 'stroe'}" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("more", "words"),
    [
        (["--extractor", "bundled"], "says the extractors of both"),
        (["--translation", "nowhere.json"], "cannot be read"),
    ],
)
def test_what_cannot_be_meant_is_refused_in_a_sentence(
    place: Path, saved: Path, more: list[str], words: str, capsys: Said
) -> None:
    both = [str(place / "store"), str(place / "alike")]
    assert main(["compare", *both, "--translation", str(saved), *more]) == 2
    assert words in capsys.readouterr().err


def test_a_translation_nobody_names_goes_with_the_garbage_and_a_damaged_one_is_replaced(
    saved: Path, tmp_path: Path
) -> None:
    data = saved.read_bytes()
    with Service.open(Settings(home=tmp_path)) as service:
        made = service.keep_translation(data)
        file = next(tmp_path.glob("blobs/artefacts/translation/*/*/translation.json"))
        file.write_bytes(file.read_bytes().replace(b"correlations", b"c0rrelations"))
        service.keep_translation(data)
        assert kept(service.runtime.artefacts, made.fingerprint) == made
        assert service.collect_garbage(grace_s=3600) == 0
        assert service.collect_garbage(grace_s=-1) == 1
        with pytest.raises(ConfigError, match="give its file first"):
            kept(service.runtime.artefacts, made.fingerprint)
        service.keep_translation(data)
        assert kept(service.runtime.artefacts, made.fingerprint) == made
