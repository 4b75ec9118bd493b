"""``assay extractors translate``: learn how stores of two extractors can be compared, from pictures both have seen."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from api.cli.agreeing import Json, seen_by_both
from api.cli.dna_sources import write
from api.cli.exits import CommandError, Exit
from api.cli.opening import LAST, find_audit, say, write_json
from api.cli.places import check_writable
from api.cli.running import GroupFrom, ImagesRoot, KindOption, Quiet, Seed

if TYPE_CHECKING:
    from collections.abc import Sequence

    from audit.translation import Half, Translation
    from storage.records import AuditRequest
    from workers.service import Service


def translate(  # noqa: PLR0913, PLR0917 - options of a command
    old: Annotated[str, typer.Argument(metavar="OLD", help="Name of the extractor of the reference.")],
    new: Annotated[str, typer.Argument(metavar="NEW", help="Name of the extractor of the candidate.")],
    source: Annotated[str, typer.Argument(metavar="SOURCE", help="Pictures to learn from, best of the reference.")],
    out: Annotated[Path, typer.Option(metavar="FILE", help="File to write.")],
    images: Annotated[int, typer.Option(min=600, max=20_000, help="Most pictures to learn from.")] = 3000,
    kind: KindOption = "auto",
    images_root: ImagesRoot = None,
    group_from: GroupFrom = "auto",
    seed: Seed = None,
    as_json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Learn a translation between two extractors, so that stores made by them can be compared, and save it.

    What either of them has embedded before is not embedded again.
    """
    import numpy as np

    from audit.translation import learn

    check_writable("--out", out.parent)
    where = {"kind": kind, "images_root": images_root, "group_from": group_from}
    learnt_on, views = seen_by_both((old, new), source, where, images, quiet=quiet)
    made = learn(views, learnt_on, np.random.default_rng(seed or 0))
    write(out, made.to_json())
    _tell(made, out, as_json=as_json)


def _tell(made: Translation, out: Path, *, as_json: bool) -> None:
    if as_json:
        write_json(described(made))
        return
    say(f"{made.sentence}\n")
    say(f"check        {made.check.words}")
    ends = f"{made.correlations[0]:.2f} down to {made.correlations[-1]:.2f}"
    say(f"correlation  {ends} by direction, on pictures held out")
    say(f"saved        {out}: assay compare REFERENCE CANDIDATE --translation {out}")


def described(made: Translation) -> dict[str, object]:
    """What is said of a translation to machines: everything but the numbers that map."""
    left_out = {"old": {"mean", "matrix", "seen"}, "new": {"mean", "matrix", "seen"}}
    about = made.model_dump(mode="json", exclude=left_out)
    return {**about, "sentence": made.sentence, "fingerprint": made.fingerprint}


def compared_through(
    service: Service, path: Path, sources: Sequence[str], request: AuditRequest
) -> tuple[AuditRequest, dict[str, str]]:
    """The request through a saved translation, and the datasets among the sources that are named by an audit.

    Raises
    ------
    CommandError
        If the file cannot be read.
    ConfigError
        If it is no translation, or an audit's store was made by another extractor than the translation says there.
    """
    try:
        made = service.keep_translation(path.read_bytes())
    except OSError as error:
        raise CommandError(Exit.USAGE, f"--translation {path} cannot be read: {error.strerror}.") from None
    halves = (made.old, made.new)
    known = {
        source: _stored(service, source, made, half)
        for source, half in zip(sources, halves, strict=True)
        if source and not Path(source).exists()
    }
    return request.model_copy(update={"translation": made.fingerprint}), known


def _stored(service: Service, name: str, made: Translation, half: Half) -> str:
    """Id of the dataset that ``AUDIT`` or ``AUDIT:DATASET`` means, whose store is by the extractor of that half."""
    from audit.errors import ConfigError

    audit, _, dataset = name.partition(":")
    if looks_like_path(audit):
        raise CommandError(Exit.SOURCE, f"there is nothing at {name}; with --translation it may also be an audit.")
    id_, made_by = service.store(find_audit(service, audit).id, dataset or None)
    if made_by == half.fingerprint:
        return id_
    if made_by in {made.old.fingerprint, made.new.fingerprint}:
        told = "the other extractor of the translation: the reference is by OLD, the candidate by NEW; swap the two"
    else:
        told = f"neither of the translation's extractors, {made.old.extractor} and {made.new.extractor}"
    raise ConfigError(f"the store of {name} is by {told}")


def looks_like_path(name: str) -> bool:
    """Whether what was typed cannot mean an audit: ``last``, or an id or its beginning, which are hexadecimal."""
    return name != LAST and re.fullmatch("[0-9a-f]+", name) is None
