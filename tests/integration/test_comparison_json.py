"""``assay compare --json`` over the real service: one object with every number that is promised."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from api.cli import main

LEFT_OUT = ("cross_leakage", "differences", "class_shares")


def drawn(folder: Path, seed: int, tint: int) -> Path:
    """44 pictures of noise in two classes."""
    rng = np.random.default_rng(seed)
    for number in range(44):
        place = folder / "ab"[number % 2]
        place.mkdir(parents=True, exist_ok=True)
        pixels = rng.integers(0, 200, (24, 24, 3)) * rng.random(3) + [tint, 0, 0]
        Image.fromarray(pixels.astype(np.uint8)).save(place / f"{number:02}.png")
    return folder


def test_the_numbers_of_a_comparison_are_one_object(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("ASSAY_HOME", str(tmp_path / "home"))
    folders = [str(drawn(tmp_path / name, seed, 50 * seed)) for seed, name in enumerate(("old", "new"))]
    skipped = [word for name in LEFT_OUT for word in ("--skip", name)]
    assert main(["compare", *folders, "--extractor", "classical", "--json", "-q", *skipped]) == 0
    value = json.loads(capsys.readouterr().out)
    assert value["failed"] == {}
    assert 0 <= value["two_sample"]["auc_low"] <= value["two_sample"]["auc"] <= 1
    assert 0 < value["two_sample"]["p_value"] <= 1
    frechet = value["frechet"]
    assert 0 <= frechet["null_low"] <= frechet["null_high"]
    assert frechet["value"] > 0
    assert frechet["infinite_low"] <= frechet["infinite"] <= frechet["infinite_high"]
    for name in ("kid", "cmmd"):
        assert value[name]["low"] <= value[name]["value"] <= value[name]["high"]
        assert value[name]["null_low"] <= value[name]["null_high"]
    assert {value["coverage"][way]["value"] is None for way in ("precision", "recall", "density", "coverage")} == {
        False
    }
    assert value["dna"]["distance"] > 0
    assert all(distance >= 0 for distance in value["dna"]["layers"].values())
    assert value["class_parts"]["p_value"] > 0
