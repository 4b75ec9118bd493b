"""A Visual DNA as a person names it: a file, or a dataset of an audit."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from api.cli.exits import CommandError, Exit
from api.cli.opening import find_audit, opened

if TYPE_CHECKING:
    from audit.dna import Dna
    from audit.dna.compact import Compact
    from audit.dna.peer_files import PeerDna
    from audit.model import DatasetView

SUFFIXES = (".parquet", ".json")


def read_dna(name: str) -> Dna | Compact | PeerDna:
    """The DNA of a file, or of a dataset of an audit.

    Parameters
    ----------
    name : str
        A ``.parquet`` file, the ``.json`` of the published library (its ``.npz`` lies beside it), or an audit with,
        after a colon, one of its datasets.

    Raises
    ------
    CommandError, ConfigError
    """
    from audit.dna.bursts import dna_of

    path = Path(name)
    if not is_file(name):
        return dna_of(audited(name))
    if path.suffix == ".json":
        from audit.dna.peer_files import read_peer

        return read_peer(_bytes(path), _bytes(path.with_suffix(".npz")))
    return _parquet(_bytes(path))


def _parquet(data: bytes) -> Dna | Compact | PeerDna:
    from audit.dna import compact, files, peer_files

    form = files.form_of(data)
    if form == compact.FORM:
        return compact.from_bytes(data)
    return peer_files.from_bytes(data) if form == peer_files.FORM else files.from_bytes(data)


def whole(name: str) -> Dna | DatasetView:
    """A dataset of an audit, with its DNA and neurons, or the whole DNA of a file; refuse what is not whole."""
    from audit.dna import Dna

    if not is_file(name):
        return audited(name)
    found = read_dna(name)
    if not isinstance(found, Dna):
        raise CommandError(
            Exit.USAGE, f"{name} is not a whole Visual DNA; give an audit or a file of assay dna export."
        )
    return found


def is_file(name: str) -> bool:
    """Whether a name is that of a file, and not of an audit."""
    return Path(name).suffix in SUFFIXES


def audited(name: str) -> DatasetView:
    """The dataset that ``AUDIT`` or ``AUDIT:DATASET`` means, with its DNA and neurons."""
    audit, _, dataset = name.partition(":")
    with opened() as service:
        return service.dna(find_audit(service, audit).id, dataset or None)


def _bytes(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise CommandError(Exit.USAGE, f"{path} cannot be read: {error.strerror}.") from None


def write(path: Path, data: bytes) -> None:
    """Write a file, whole or not at all."""
    part = path.with_name(f".{path.name}.part")
    try:
        part.write_bytes(data)
        part.replace(path)
    except OSError as error:
        raise CommandError(Exit.USAGE, f"--out {path} cannot be written: {error.strerror}.") from None
