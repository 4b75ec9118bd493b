"""``assay extractors agree``: whether two extractors see the pictures of a dataset alike."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from api.cli.exits import CommandError, Exit
from api.cli.opening import opened, say, write_json
from api.cli.running import GroupFrom, ImagesRoot, KindOption, Quiet, Seed, follow

if TYPE_CHECKING:
    from collections.abc import Mapping

    from audit.agreement import Agreement, Layers, Translated
    from audit.model import DatasetView
    from workers.service import Service

Json = Annotated[bool, typer.Option("--json", help="Print one JSON object for machines.")]

N_NEIGHBOURS = 20


def agree(  # noqa: PLR0913, PLR0917 - options of a command
    first: Annotated[str, typer.Argument(metavar="A", help="Name of an extractor.")],
    second: Annotated[str, typer.Argument(metavar="B", help="Name of another.")],
    source: Annotated[str, typer.Argument(metavar="SOURCE", help="Folder, archive, manifest, Parquet or COCO file.")],
    images: Annotated[int, typer.Option(min=40, max=5000, help="Most pictures to compare on.")] = 2000,
    kind: KindOption = "auto",
    images_root: ImagesRoot = None,
    group_from: GroupFrom = "auto",
    seed: Seed = None,
    as_json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Compare two extractors on the same pictures: do they see alike, and can one stand in for the other?

    What either of them has embedded before is not embedded again.
    """
    import numpy as np

    from audit.agreement import agree as compared

    where = {"kind": kind, "images_root": images_root, "group_from": group_from}
    _, views = seen_by_both((first, second), source, where, images, quiet=quiet)
    _tell(compared(views, np.random.default_rng(seed or 0)), as_json=as_json)


def seen_by_both(
    extractors: tuple[str, str], source: str, where: Mapping[str, str | None], n_images: int, *, quiet: bool
) -> tuple[str, list[DatasetView]]:
    """The name of a dataset, and at most n images of it under either extractor.

    Raises
    ------
    CommandError
        If both are one.
    """
    from audit.extractors import resolve_spec
    from storage.sources import SourceSpec

    if extractors[0] == extractors[1]:
        raise CommandError(Exit.USAGE, f"{extractors[0]} is given twice; give the names of two extractors.")
    for name in extractors:
        resolve_spec(name)
    spec = SourceSpec.model_validate({"uri": source, "label_from": "none", "split_from": "none", **where})
    with opened() as service:
        dataset = service.submit_dataset(spec)
        return dataset.name, [_embedded(service, dataset.id, name, n_images, quiet=quiet) for name in extractors]


def _embedded(service: Service, dataset_id: str, extractor: str, n_images: int, *, quiet: bool) -> DatasetView:
    """At most n images of a dataset under an extractor, by an audit that asks nothing and is not kept.

    Those with the smallest content hashes are taken: a random choice that names and order have no part in.
    """
    from audit.analyses.base import analyses
    from storage.records import AuditRequest

    request = AuditRequest(extractor=extractor, skip=tuple(one.name for one in analyses(datasets=1)))
    submitted = service.submit_audit([dataset_id], request)
    try:
        ended = follow(service, submitted, quiet=quiet)
        return _view(service, ended.id, extractor, n_images)
    finally:
        service.delete_audit(submitted.id)


def _view(service: Service, audit_id: str, extractor: str, n_images: int) -> DatasetView:
    import numpy as np
    import pyarrow.compute as pc

    from audit.extractors import resolve_spec
    from audit.maths.neighbours import nearest
    from audit.maths.rows import take_neurons
    from audit.model import OK, DatasetView, Embeddings

    images, embeddings = service.table(audit_id, "images"), service.table(audit_id, "embeddings")
    stored = service.dna(audit_id)
    usable = images.filter(pc.equal(images.column("status"), OK))
    keys = zip(usable.column("content_hash").to_pylist(), usable.column("image_id").to_pylist(), strict=True)
    ids = sorted(image for _, image in sorted(keys)[:n_images])
    usable = usable.take(pc.index_in(_array(ids), value_set=usable.column("image_id").combine_chunks()))
    chosen = embeddings.take(pc.index_in(_array(ids), value_set=embeddings.column("image_id").combine_chunks()))
    flat = chosen.column("embedding").combine_chunks().flatten().to_numpy(zero_copy_only=False)
    vectors = np.ascontiguousarray(flat.reshape(len(ids), -1), dtype=np.float32)
    place = pc.index_in(_array(ids), value_set=stored.images.column("image_id").combine_chunks()).to_numpy()
    return DatasetView(
        name=extractor,
        fingerprint="",
        images=usable,
        excluded=images.slice(0, 0),
        embeddings=Embeddings(vectors, extractor, resolve_spec(extractor).fingerprint),
        neighbours=nearest(vectors, min(N_NEIGHBOURS, max(len(ids) - 1, 0)), threads=1),
        neurons=stored.neurons and take_neurons(stored.neurons, place.astype(np.int64)),
    )


def _array(ids: list[str]) -> object:
    import pyarrow as pa

    return pa.array(ids, pa.string())


def _tell(found: Agreement, *, as_json: bool) -> None:
    if as_json:
        write_json(found.model_dump(mode="json") | {"sentence": found.sentence})
        return
    interval = f"95 % interval {found.cka_low:.2f} to {found.cka_high:.2f}"
    say(f"{found.sentence}\n")
    say(f"CKA    {found.cka:.2f} ({interval}); 0 is unrelated, 1 the same")
    say(f"SVCCA  {found.svcca:.2f}, where {found.svcca_chance:.2f} is chance with {found.n_images:,} pictures")
    for one in found.translations:
        say(_translation(one))
    if found.layers is not None:
        say(_layers(found.layers, found.first, found.second))


def _layers(layers: Layers, first: str, second: str) -> str:
    """The matrix of CKA by layer as a small table; the largest of each row is starred."""
    width = max(map(len, layers.first))
    cells = [f"{name:>9.9}" for name in layers.second]
    lines = [f"\nCKA of each layer of {first} (rows) with each of {second}, on {layers.n_images:,} pictures"]
    lines.append(f"{'':<{width}}" + "".join(cells))
    for name, row in zip(layers.first, layers.cka, strict=True):
        lines.append(f"{name:<{width}}" + "".join(f"{one:>8.2f}{'*' if one == max(row) else ' '}" for one in row))
    return "\n".join(line.rstrip() for line in lines)


def _translation(one: Translated) -> str:
    can = "can" if one.is_usable else "cannot"
    cosine = f"{one.cosine:.2f} ({one.cosine_low:.2f} to {one.cosine_high:.2f})"
    shared = f"{one.shared:.0%} ({one.shared_low:.0%} to {one.shared_high:.0%})"
    return (
        f"{one.source} into {one.target}: {can} be translated. On pictures it was not learnt from, the cosine to the "
        f"truth is {cosine}, and {shared} of the 10 nearest pictures are kept (chance {one.chance:.1%})."
    )
