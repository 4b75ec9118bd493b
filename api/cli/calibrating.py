"""``assay extractors calibrate``: neuron ranges of an extractor from pictures of one's own."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from api.cli.exits import CommandError, Exit
from api.cli.opening import opened, say, write_json
from api.cli.running import ImagesRoot, KindOption, Quiet

if TYPE_CHECKING:
    from audit.extractors import ExtractorSpec
    from storage.sources import SourceSpec

Json = Annotated[bool, typer.Option("--json", help="Print one JSON object for machines.")]


def calibrate(
    name: Annotated[str, typer.Argument(metavar="NAME", help="Name of the extractor.")],
    source: Annotated[
        str | None, typer.Argument(metavar="SOURCE", help="Folder, archive, manifest, Parquet or COCO file.")
    ] = None,
    images: Annotated[int, typer.Option(min=32, max=10_000, help="Most pictures to look at.")] = 1000,
    kind: KindOption = "auto",
    images_root: ImagesRoot = None,
    reset: Annotated[bool, typer.Option("--reset", help="Go back to the extractor's own ranges.")] = False,
    as_json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Find an extractor's neuron ranges on pictures of your own, and use them from now on, on this machine.

    What was embedded before keeps its fingerprint; it is embedded again when it is next audited.
    """
    from audit.extractors import forget_ranges, resolve_spec
    from storage.sources import SourceSpec

    if (source is None) != reset:
        raise CommandError(Exit.USAGE, "give a SOURCE to calibrate on, or --reset to go back; not both.")
    if source is None:
        _tell(name, forget_ranges(name), "the extractor's own ranges", as_json=as_json)
        return
    resolve_spec(name)
    spec = SourceSpec.model_validate(
        {"uri": source, "kind": kind, "images_root": images_root, "label_from": "none", "split_from": "none"}
    )
    found, said = _calibrated(name, spec, images, quiet=quiet)
    _tell(name, found, said, as_json=as_json)


def _calibrated(name: str, spec: SourceSpec, images: int, *, quiet: bool) -> tuple[ExtractorSpec, str]:
    from api.cli.progress import shown
    from storage.records import Progress

    with opened() as service, shown(quiet=quiet) as show:
        dataset = service.submit_dataset(spec)
        service.wait_dataset(dataset.id, lambda record: show(record.progress))
        return service.calibrate(
            dataset.id,
            name,
            n_images=images,
            on_progress=lambda done, total: show(Progress(stage="calibrate", done=done, total=total, unit="images")),
        )


def _tell(name: str, spec: ExtractorSpec, said: str, *, as_json: bool) -> None:
    if as_json:
        write_json({"extractor": name, "fingerprint": spec.fingerprint, "calibration": said})
    else:
        say(f"{name} counts in ranges from {said}.\nIts fingerprint is {spec.fingerprint}.")
