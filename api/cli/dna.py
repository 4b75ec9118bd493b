"""``assay dna``: look at stored Visual DNA, compare it, choose neurons, take it elsewhere."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from api.cli.dna_sources import audited, is_file, read_dna, whole, write
from api.cli.exits import CommandError, Exit
from api.cli.opening import say, write_json

if TYPE_CHECKING:
    from audit.dna import Dna
    from audit.dna.compact import Compact
    from audit.dna.peer_files import PeerDna
    from audit.dna.weights import NeuronWeights
    from audit.model import DatasetView

WHICH = "An audit, AUDIT:DATASET, a .parquet of assay dna export, or the published library's .json."

Json = Annotated[bool, typer.Option("--json", help="Print one JSON object for machines.")]
Out = Annotated[Path, typer.Option(metavar="FILE", help="File to write.")]
Seed = Annotated[int, typer.Option(min=0, max=2**63 - 1, help="Seed of permutations and resamples.")]
Which = Annotated[str, typer.Argument(metavar="DNA", help=WHICH)]

app = typer.Typer(no_args_is_help=True, help="Look at Visual DNA, compare it, choose neurons, take it elsewhere.")


@app.command()
def show(dna: Which, as_json: Json = False) -> None:
    """Say what a Visual DNA holds: images, layers, neurons, extractor."""
    found = _described(read_dna(dna))
    if as_json:
        write_json(found)
        return
    layers = ", ".join(f"{name} {n}" for name, n in found["layers"].items())
    say(f"{found['form']}, {found['n_images']:,} images\nextractor {found['extractor']}\nneurons by layer: {layers}")
    if found["note"]:
        say(found["note"])


def _described(dna: Dna | Compact | PeerDna) -> dict[str, Any]:
    from audit.dna import Dna
    from audit.dna.comparing import NO_UNCERTAINTY
    from audit.dna.peer_files import PeerDna

    if isinstance(dna, PeerDna):
        sizes = {name: len(arrays[0]) for name, arrays in dna.layers.items()}
        about = {"form": f"imported {dna.kind}", "n_images": dna.n_images, "note": NO_UNCERTAINTY}
        return {**about, "extractor": dna.extractor, "layers": sizes}
    slices = dna.ranges.slices if isinstance(dna, Dna) else dna.layers
    sizes = {name: rows.stop - rows.start for name, rows in slices.items()}
    form = "whole" if isinstance(dna, Dna) else "compact"
    return {"form": form, "n_images": dna.size, "note": "", "extractor": dna.extractor, "layers": sizes}


@app.command()
def compare(
    reference: Which,
    candidate: Which,
    weights: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Saved neuron weights of assay dna select.")
    ] = None,
    layers: Annotated[
        list[str] | None, typer.Option("--layer", metavar="LAYER", help="Listen to this layer only; may be repeated.")
    ] = None,
    by: Annotated[
        str,
        typer.Option(metavar="COLUMN", help="Within each value that both audits have: label, split, meta.NAME."),
    ] = "",
    seed: Seed = 0,
    as_json: Json = False,
) -> None:
    """Compare two Visual DNA: distance, what sampling alone gives, interval and p-value."""
    imported = _imported(reference, candidate)
    if imported is not None:
        if weights is not None or layers or by:
            raise CommandError(
                Exit.USAGE, "imported Visual DNA is compared as the library does, without --weights, --layer or --by."
            )
        from audit.dna.peer_files import compare_peer

        _tell_peer(vars(compare_peer(*imported)), as_json=as_json)
        return
    from audit.dna.asking import Question, answer

    chosen = None if weights is None else _weights(weights)
    question = Question(weights=chosen, layers=tuple(layers or ()), by=by, seed=seed)
    found = answer((_asked(reference, by), _asked(candidate, by)), question)
    if as_json:
        write_json(found)
    else:
        _tell(found)


def _imported(reference: str, candidate: str) -> tuple[PeerDna, PeerDna] | None:
    """Both, if both are files of the published library."""
    from audit.dna.peer_files import PeerDna

    if not (is_file(reference) and is_file(candidate)):
        return None
    left, right = read_dna(reference), read_dna(candidate)
    return (left, right) if isinstance(left, PeerDna) and isinstance(right, PeerDna) else None


def _asked(name: str, by: str) -> Dna | DatasetView:
    if by and is_file(name):
        raise CommandError(Exit.USAGE, f"--by takes two audits, which know their pictures; {name} is a file.")
    return whole(name)


def _weights(path: Path) -> NeuronWeights:
    from audit.dna.weights import NeuronWeights

    try:
        return NeuronWeights.from_json(path.read_bytes())
    except OSError as error:
        raise CommandError(Exit.USAGE, f"--weights {path} cannot be read: {error.strerror}.") from None


def _tell(found: dict[str, Any]) -> None:
    if found["corrected"] is None:
        say(f"Not compared: {found['p_value_note']}")
        return
    interval = "" if found["low"] is None else f" [{found['low']:.3f}, {found['high']:.3f}]"
    say(f"beyond sampling  {found['corrected']:.3f}{interval} SD of the reference")
    say(f"measured         {found['distance']:.3f}, of which sampling alone gives {found['floor']:.3f}")
    p = found["p_value"]
    say(f"p-value          {found['p_value_note'] if p is None else f'{p:.3f}'}")
    say(f"bursts           {_bursts(found)}")
    for name, distance in found["layers"].items():
        say(f"{name:<17}{distance:.3f}")
    if found["within"]:
        say("\nwithin           beyond chance, measured, by chance (in SD of image means), p, pictures")
    for one in found["within"]:
        numbers = "  ".join(f"{one[name]:.3f}" for name in ("corrected", "distance", "floor", "p_value"))
        say(f"{one['label']:<17}{numbers}  {one['n_images'][0]} against {one['n_images'][1]}")


def _bursts(found: dict[str, Any]) -> str:
    """How many independent pictures or sequences there are, and what they cost."""
    if found["n_bursts"] is None:
        return "not known of a file: images are taken as independent, so copies and sequences make it too sure"
    sides = zip(found["n_bursts"], found["design_effect"], strict=True)
    return " against ".join(f"{n:,} (variance of independent images x {effect:.1f})" for n, effect in sides)


def _tell_peer(found: dict[str, Any], *, as_json: bool) -> None:
    said = {name: found[name] for name in ("measure", "distance", "layers", "note")}
    if as_json:
        write_json(said)
        return
    say(f"{said['measure']} {said['distance']:.6g}, as the published library computes it; {said['note']}")
    for name, distance in said["layers"].items():
        say(f"{name:<17}{distance:.6g}")


@app.command()
def matrix(
    dna: Annotated[list[str], typer.Argument(metavar="DNA...", help=WHICH)],
    as_json: Json = False,
) -> None:
    """Distances between all of several Visual DNA, beyond sampling; row by row in SD of the row's dataset."""
    from audit.dna.asking import matrix as distances
    from audit.dna.peer_files import PeerDna

    forms = []
    for found in (read_dna(name) if is_file(name) else audited(name) for name in dna):
        if isinstance(found, PeerDna):
            raise CommandError(
                Exit.USAGE, "imported Visual DNA has no place in a matrix; compare two with assay dna compare."
            )
        forms.append(found)
    tables = distances(forms)
    if as_json:
        write_json({"names": dna, **tables})
        return
    for name, row in zip(dna, tables["corrected"], strict=True):
        say("  ".join([*(f"{'-' if value is None else format(value, '.3f'):>7}" for value in row), name]))
    if any(None in row for row in tables["corrected"]):
        say("- where a dataset has fewer than two images")


@app.command()
def select(
    dna: Which,
    out: Out,
    neurons: Annotated[
        list[str] | None, typer.Option("--neurons", metavar="LAYER[:N]", help="A layer or one neuron; may be repeated.")
    ] = None,
    having: Annotated[
        str | None,
        typer.Option(metavar="COLUMN=VALUE", help="Learn from an audit's pictures with this value against the others."),
    ] = None,
    without: Annotated[
        str | None,
        typer.Option(metavar="COLUMN=VALUE", help="Silence what tells pictures with this value from the others."),
    ] = None,
    name: Annotated[str, typer.Option(help="What the weights are called.")] = "",
    seed: Seed = 0,
    as_json: Json = False,
) -> None:
    """Choose neurons, by name or by an attribute that pictures have, and save their weights."""
    if sum(option is not None for option in (neurons, having, without)) != 1:
        raise CommandError(Exit.USAGE, "give one of --neurons, --having and --without.")
    from audit.dna.asking import Choice, choose

    if is_file(dna) and neurons is None:
        raise CommandError(
            Exit.USAGE, f"--having and --without take an audit, which knows its pictures; {dna} is a file."
        )
    chosen = None if neurons is None else tuple(neurons)
    made = choose(whole(dna), Choice(neurons=chosen, having=having, without=without, name=name, seed=seed))
    write(out, made.to_json())
    _tell_weights(made, as_json=as_json)


def _tell_weights(made: NeuronWeights, *, as_json: bool) -> None:
    evidence = None if made.evidence is None else made.evidence.model_dump(mode="json")
    counts = {name: sum(weight > 0 for weight in layer) for name, layer in made.layers.items()}
    if as_json:
        write_json({"name": made.name, "fingerprint": made.fingerprint, "neurons": counts, "evidence": evidence})
        return
    say(f"{made.name}: {made.made}\nneurons by layer: " + ", ".join(f"{name} {n}" for name, n in counts.items()))
    if made.evidence is not None:
        found = made.evidence
        say(f"on pictures held out, AUC {found.auc:.3f} [{found.low:.3f}, {found.high:.3f}]")


@app.command("export")
def export(
    dna: Which,
    out: Out,
    small: Annotated[
        bool, typer.Option("--compact", help="Only what a matrix takes: no interval or p-value can be had of it.")
    ] = False,
) -> None:
    """Write a Visual DNA to a file that compares anywhere."""
    from audit.dna import compact, files
    from audit.dna.asking import small as small_of
    from audit.dna.asking import whole as whole_of

    held = whole(dna)
    data = compact.to_bytes(small_of(held)) if small else files.to_bytes(whole_of(held))
    write(out, data)
    say(f"{out}: {len(data):,} bytes, {whole_of(held).size:,} images")


@app.command("import")
def import_(
    source: Annotated[
        Path, typer.Argument(metavar="JSON", help="The published library's .json; its .npz lies beside it.")
    ],
    out: Out,
) -> None:
    """Read the published library's pair of files, check it, and write it as one; it has no uncertainty."""
    from audit.dna.peer_files import PeerDna, to_bytes

    found = read_dna(str(source))
    if not isinstance(found, PeerDna):
        raise CommandError(Exit.USAGE, f"{source} is no .json of the published library.")
    write(out, to_bytes(found))
    said = _described(found)
    say(f"{out}: {said['form']}, {said['n_images']:,} images; {said['note']}")
