"""Two datasets of audits compared within each value of a column that both have."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from api.cli.dna_sources import SUFFIXES, audited
from api.cli.exits import CommandError, Exit

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


def within(
    names: tuple[str, str], column: str, weights: NDArray[np.float64], rng: np.random.Generator
) -> list[dict[str, Any]]:
    """Distance, chance level and p-value for each value, the widest first.

    Parameters
    ----------
    names : reference and candidate, ``AUDIT`` or ``AUDIT:DATASET``
    column : str
        ``label``, ``split`` or ``meta.NAME``.
    weights : float64 (N,)
        Of each neuron.

    Raises
    ------
    CommandError
        If one of them is a file, or no value has enough pictures on both sides.
    """
    from audit.dna.classes import FEWEST, within_values

    files = [name for name in names if name.endswith(SUFFIXES)]
    if files:
        raise CommandError(Exit.USAGE, f"--by takes two audits, which know their pictures; {files[0]} is a file.")
    views = [audited(name) for name in names]
    found = within_values((views[0], views[1]), column, weights, rng)
    if not found:
        known = sorted({name for view in views for name in _columns(view.images.column_names)})
        raise CommandError(
            Exit.USAGE,
            f"no value of {column!r} has {FEWEST} pictures in both datasets; columns are {', '.join(known) or 'none'}.",
        )
    return [one.model_dump(mode="json") for one in found]


def _columns(names: list[str]) -> list[str]:
    return [name for name in names if name in ("label", "split") or name.startswith("meta.")]
