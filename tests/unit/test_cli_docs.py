"""Every command, option and exit code is documented, and nothing that does not exist."""

from __future__ import annotations

import re
from pathlib import Path
from typing import get_args

import click
import pytest
import typer

from api.cli import words
from api.cli.app import app
from api.cli.exits import Exit
from storage.sources import SourceSpec

TEXT = (Path(__file__).resolve().parents[2] / "docs" / "cli.md").read_text("utf-8")
ROOT = typer.main.get_command(app)
COMMANDS = sorted(ROOT.commands)  # type: ignore[attr-defined]
INNER = [(name, inner) for name in COMMANDS for inner in getattr(ROOT.commands[name], "commands", ())]  # type: ignore[attr-defined]


def section(name: str) -> str:
    """The text a command's options may be documented in: its own heading, and what audit and compare share."""
    parts = re.split(r"^### ", TEXT, flags=re.MULTILINE)
    own = next(part for part in parts if re.match(rf"`assay {name}[ `]", part))
    shared = next(part for part in parts if part.startswith("`assay compare")) if name == "audit" else ""
    return own + shared


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_has_a_heading(name: str) -> None:
    assert re.search(rf"^### `assay {name}[ `]", TEXT, re.MULTILINE)


def test_every_heading_is_a_command() -> None:
    assert sorted(re.findall(r"^### `assay ([a-z]+)", TEXT, re.MULTILINE)) == COMMANDS


@pytest.mark.parametrize("name", COMMANDS)
def test_every_option_of_a_command_is_documented_under_it(name: str) -> None:
    text = section(name)
    options = [
        option
        for parameter in ROOT.commands[name].params  # type: ignore[attr-defined]
        if isinstance(parameter, click.Option) or hasattr(parameter, "is_flag")
        for option in parameter.opts
        if option not in {"--help", "-h"}
    ]
    assert [option for option in options if f"`{option}" not in text and option != "-k"] == []


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_and_option_has_help(name: str) -> None:
    command = ROOT.commands[name]  # type: ignore[attr-defined]
    assert command.help
    assert [parameter.name for parameter in command.params if not parameter.help] == []


@pytest.mark.parametrize(("name", "inner"), INNER)
def test_every_command_of_a_command_is_documented_under_it(name: str, inner: str) -> None:
    command = ROOT.commands[name].commands[inner]  # type: ignore[attr-defined]
    text = section(name)
    options = [option for parameter in command.params for option in parameter.opts if option.startswith("--")]
    assert f"`assay {name} {inner}" in text
    assert command.help
    assert [parameter.name for parameter in command.params if not parameter.help] == []
    assert [option for option in options if f"`{option}" not in text and option != "--help"] == []


def test_every_exit_code_is_documented() -> None:
    assert re.findall(r"^\| `(\d+)` \|", TEXT, re.MULTILINE) == [str(int(code)) for code in Exit]


def test_the_kinds_offered_are_those_that_sources_know() -> None:
    assert set(get_args(words.Kind)) == set(get_args(SourceSpec.model_fields["kind"].annotation))
