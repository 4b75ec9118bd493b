"""The commands of ``assay``, put together."""

from __future__ import annotations

from typing import Annotated

import typer

from api.cli import (
    about,
    agreeing,
    calibrating,
    cleaning,
    demonstration,
    dna,
    layers,
    reading,
    running,
    serving,
    translating,
    verdicts,
)

LOOK = "Look at what was found"
SERVE = "Serve"
ABOUT = "About this installation"

app = typer.Typer(
    name="assay",
    help="Audit and compare image datasets: what is wrong, what a model will wrongly learn, how two differ.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _version(wanted: bool) -> None:
    if wanted:
        about.version()
        raise typer.Exit


@app.callback()
def assay(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    """Audit and compare image datasets: what is wrong, what a model will wrongly learn, how two differ."""


app.command("audit")(running.audit)
app.command("compare")(running.compare)
app.command("list", rich_help_panel=LOOK)(reading.list_audits)
app.command("report", rich_help_panel=LOOK)(reading.report)
app.command("outliers", rich_help_panel=LOOK)(reading.outliers)
app.command("neighbours", rich_help_panel=LOOK)(reading.neighbours)
app.command("verdict", rich_help_panel=LOOK)(verdicts.verdict)
app.add_typer(dna.app, name="dna", rich_help_panel=LOOK)
app.command("serve", rich_help_panel=SERVE)(serving.serve)
app.command("clean", rich_help_panel=SERVE)(cleaning.clean)
app.command("worker", rich_help_panel=SERVE)(serving.worker)
extractors = typer.Typer()
extractors.callback(invoke_without_command=True)(about.extractors)
extractors.command("calibrate")(calibrating.calibrate)
extractors.command("agree")(agreeing.agree)
extractors.command("layers")(layers.layers)
extractors.command("translate")(translating.translate)
app.add_typer(extractors, name="extractors", rich_help_panel=ABOUT)
app.command("analyses", rich_help_panel=ABOUT)(about.analyses)
app.command("doctor", rich_help_panel=ABOUT)(about.doctor)
app.command("version", rich_help_panel=ABOUT)(about.version)
app.command("demo", rich_help_panel=ABOUT)(demonstration.demo)
