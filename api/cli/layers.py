"""``assay extractors layers``: what each layer of an extractor keeps of pictures of one's own."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from api.cli.opening import opened, say, write_json
from api.cli.running import GroupFrom, ImagesRoot, KindOption, LabelFrom, Quiet

if TYPE_CHECKING:
    from audit.extractors.layer_card import Estimate, LayerCard, LayerQuality
    from storage.sources import SourceSpec

Json = Annotated[bool, typer.Option("--json", help="Print one JSON object for machines.")]

UNKNOWN = "–"
LEAST_WIDTH = 100
"""A narrower terminal breaks lines; cut names and numbers would be worse."""
_COLUMNS = ("layer", "neurons", "neigh-\nbours", "linear\nprobe", "own\nview", "invar-\niance", "dimen-\nsion")
_ENTROPY = ("entropy", "… in a\npicture")


def layers(  # noqa: PLR0913, PLR0917 (options)
    name: Annotated[str, typer.Argument(metavar="NAME", help="Name of the extractor.")],
    source: Annotated[str, typer.Argument(metavar="SOURCE", help="Folder, archive, manifest, Parquet or COCO file.")],
    n: Annotated[int, typer.Option("--n", min=50, max=5_000, help="Most pictures to look at.")] = 500,
    label_from: LabelFrom = "auto",
    group_from: GroupFrom = "auto",
    kind: KindOption = "auto",
    images_root: ImagesRoot = None,
    as_json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Show what each layer of an extractor keeps of your pictures, and which one suits them best.

    It is advice: nothing is kept, and audits go on as before.
    """
    from audit.extractors import resolve_spec
    from storage.sources import SourceSpec

    resolve_spec(name)
    spec = SourceSpec.model_validate(
        {"uri": source, "kind": kind, "images_root": images_root, "label_from": label_from, "group_from": group_from}
    )
    card = _measured(name, spec, n, quiet=quiet)
    if as_json:
        write_json(card.model_dump(mode="json"))
    else:
        _tell(card)


def _measured(name: str, spec: SourceSpec, n: int, *, quiet: bool) -> LayerCard:
    from api.cli.progress import shown
    from storage.records import Progress

    with opened() as service, shown(quiet=quiet) as show:
        dataset = service.submit_dataset(spec)
        service.wait_dataset(dataset.id, lambda record: show(record.progress))
        return service.layers(
            dataset.id,
            name,
            n_images=n,
            on_progress=lambda done, total: show(Progress(stage="layers", done=done, total=total, unit="images")),
        )


def _tell(card: LayerCard) -> None:
    from rich.box import SIMPLE_HEAD
    from rich.console import Console
    from rich.table import Table

    say(f"{card.sentence}\n{card.action}\n")
    table = Table(box=SIMPLE_HEAD, pad_edge=False, padding=(0, 1, 0, 0))
    for place, column in enumerate((*_COLUMNS, *_ENTROPY)):
        table.add_column(column, justify="right" if place else "left", no_wrap=True)
    for layer in card.layers:
        table.add_row(*_cells(layer), style="bold" if layer.name == card.best else None)
    Console(width=max(LEAST_WIDTH, Console().width)).print(table)
    say(_foot(card))


def _cells(layer: LayerQuality) -> list[str]:
    shares = [_percent(found) for found in (layer.neighbours, layer.linear, layer.own_view)]
    numbers = [
        _number(layer.invariance.value, 2),
        _number(layer.dimension.value, 1),
        _number(layer.entropy, 2),
        _number(layer.picture_entropy.value, 2),
    ]
    return [layer.name, str(layer.n_neurons), *shares, *numbers]


def _percent(found: Estimate) -> str:
    if found.value is None or found.low is None or found.high is None:
        return UNKNOWN
    return f"{100 * found.value:.0f} {100 * found.low:.0f}–{100 * found.high:.0f}"


def _number(value: float | None, digits: int) -> str:
    return UNKNOWN if value is None else f"{value:.{digits}f}"


def _foot(card: LayerCard) -> str:
    probes = card.note or f"{card.n_classes} classes, of {card.n_labelled} pictures."
    return (
        f"{card.n_images} pictures of {card.dataset!r}, {card.n_bursts} of them different. {probes}\n"
        "neighbours, linear probe: % of pictures whose class is named rightly by the 10 nearest pictures, by a linear "
        "rule.\n"
        "own view: % that are recognised after cropping, mirroring and other light. All with 95 % intervals.\n"
        "invariance: 1 if such changes do not matter, 0 if a changed picture is like any other.\n"
        "dimension: in how many ways the pictures differ. entropy: 0 if all are alike, 1 if as varied as can be.\n"
        "Intervals of the last four are in --json."
    )
