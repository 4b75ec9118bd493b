"""Configuration files: read, and checked before anything slow."""

from __future__ import annotations

from pathlib import Path

import pytest

from api.cli.configfile import MAX_BYTES, read_config
from audit.dna.weights import of_layers
from audit.errors import ConfigError
from tests.views import RANGES


def test_toml_is_read(tmp_path: Path) -> None:
    (tmp_path / "a.toml").write_text("seed = 7\n[analyses.outliers]\nk = 20\n")
    assert read_config(tmp_path / "a.toml") == {"seed": 7, "analyses": {"outliers": {"k": 20}}}


def test_json_is_read(tmp_path: Path) -> None:
    (tmp_path / "a.json").write_text('{"seed": 7}')
    assert read_config(tmp_path / "a.json") == {"seed": 7}


@pytest.mark.parametrize(
    ("name", "text", "said"),
    [
        ("a.json", "{", "not valid JSON"),
        ("a.toml", "seed = ", "not valid TOML"),
        ("a.json", "[1]", "object at its top, not list"),
        ("a.yaml", "seed: 7", "give a .json or .toml file"),
        ("a.json", "[" * 100_000, "not valid JSON"),
        ("a.json", " " * (MAX_BYTES + 1), "larger than"),
    ],
)
def test_what_is_no_configuration_is_refused_with_the_reason(tmp_path: Path, name: str, text: str, said: str) -> None:
    (tmp_path / name).write_text(text)
    with pytest.raises(ConfigError, match=said):
        read_config(tmp_path / name)


def test_a_file_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="No such file"):
        read_config(tmp_path / "absent.toml")


def test_the_file_of_weights_that_it_names_is_read_from_beside_it(tmp_path: Path) -> None:
    weights = of_layers(RANGES, "e", ["late"])
    (tmp_path / "late.json").write_bytes(weights.to_json())
    (tmp_path / "a.toml").write_text('[analyses.visual_dna]\nweights = "late.json"\nn_shown = 2\n')
    found = read_config(tmp_path / "a.toml")["analyses"]["visual_dna"]
    assert found == {"weights": weights.plain(), "n_shown": 2}


def test_weights_given_whole_are_left_as_they_are(tmp_path: Path) -> None:
    (tmp_path / "a.json").write_text('{"analyses": {"visual_dna": {"weights": {"name": "x"}}}}')
    assert read_config(tmp_path / "a.json")["analyses"]["visual_dna"]["weights"] == {"name": "x"}


@pytest.mark.parametrize(("text", "said"), [(None, "cannot be read: No such file"), ("{}", "not saved neuron weights")])
def test_weights_that_cannot_be_read_are_refused(tmp_path: Path, text: str | None, said: str) -> None:
    if text is not None:
        (tmp_path / "late.json").write_text(text)
    (tmp_path / "a.toml").write_text('[analyses.visual_dna]\nweights = "late.json"\n')
    with pytest.raises(ConfigError, match=said):
        read_config(tmp_path / "a.toml")
