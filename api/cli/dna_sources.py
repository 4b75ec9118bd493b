"""A Visual DNA as a person names it: a file, or a dataset of an audit."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from api.cli.exits import CommandError, Exit
from api.cli.opening import find_audit, opened

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from audit.dna import Dna
    from audit.dna.compact import Compact
    from audit.dna.peer_files import PeerDna
    from audit.maths.burst_tests import ByImage
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
    path = Path(name)
    if path.suffix not in SUFFIXES:
        found = audited(name).dna
        if found is None:
            raise CommandError(Exit.FAILED, f"the audit {name!r} holds no Visual DNA; audit the dataset again.")
        return found
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


def whole_dna(name: str) -> Dna:
    """As :func:`read_dna`, and refuse what is not whole."""
    from audit.dna import Dna

    found = read_dna(name)
    if not isinstance(found, Dna):
        raise CommandError(
            Exit.USAGE, f"{name} is not a whole Visual DNA; give an audit or a file of assay dna export."
        )
    return found


def audited(name: str) -> DatasetView:
    """The dataset that ``AUDIT`` or ``AUDIT:DATASET`` means, with its DNA and neurons."""
    audit, _, dataset = name.partition(":")
    with opened() as service:
        return service.dna(find_audit(service, audit).id, dataset or None)


def images_of(names: tuple[str, str]) -> tuple[ByImage, ByImage] | None:
    """The images of two datasets of audits with their bursts; None where one of them is a file."""
    from audit.dna.bursts import by_image

    return None if any(Path(name).suffix in SUFFIXES for name in names) else by_image([audited(name) for name in names])


def parted(name: str, condition: str) -> tuple[Dna, NDArray[np.float64], NDArray[np.float64]]:
    """The DNA of an audit's dataset, and the image means of its pictures with a value and of those with another.

    Parameters
    ----------
    condition : str
        ``COLUMN=VALUE``; columns are label, split and meta.NAME. Pictures without any value are left out.

    Returns
    -------
    dna, having, lacking : Dna and two float64 (n, N)
    """
    import numpy as np

    column, _, value = condition.partition("=")
    view = audited(name)
    if view.dna is None or view.neurons is None:
        raise CommandError(Exit.FAILED, f"the audit {name!r} holds no neurons by image; audit the dataset again.")
    values = [None if one is None else str(one) for one in view.column(column)]
    masks = [
        np.array([one is not None and (one == value) is has for one in values], dtype=bool) for has in (True, False)
    ]
    if not masks[0].any() or not masks[1].any():
        raise CommandError(
            Exit.USAGE,
            f"pictures with {condition} and with another value are needed; columns are label, split, meta.NAME.",
        )
    having, lacking = (np.asarray(view.neurons.values[mask], np.float64) for mask in masks)
    return view.dna, having, lacking


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
