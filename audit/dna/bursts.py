"""Which images of two datasets hang together, for comparing their Visual DNA."""

from __future__ import annotations

from collections.abc import Sequence

from audit.dna.compact import Compact, compact
from audit.dna.state import Dna
from audit.errors import ConfigError
from audit.maths.burst_tests import ByImage
from audit.maths.design_effect import design_effect
from audit.maths.rows import arrange, bursts
from audit.model import DatasetView


def by_image(views: Sequence[DatasetView]) -> tuple[ByImage, ByImage] | None:
    """The images of the reference and of the candidate with their bursts.

    Images of a burst are copies, near copies or share a value of the group column (:func:`audit.maths.rows.bursts`),
    as far as the views hold these. None where a view does not hold its neurons by image, or its Visual DNA is of
    other images.
    """
    reference, candidate = (_of(view) for view in views)
    return None if reference is None or candidate is None else (reference, candidate)


def compact_of(view: DatasetView) -> Compact:
    """The query form of a dataset's DNA, its floor widened where its images hang together.

    Raises
    ------
    ConfigError
        If it was embedded without DNA.
    """
    images = _of(view)
    return compact(dna_of(view), None if images is None else design_effect(images.values, images.bursts))


def dna_of(view: DatasetView) -> Dna:
    """The DNA of a dataset; errors as :func:`compact_of`."""
    if view.dna is None:
        raise ConfigError(f"{view.name!r} holds no Visual DNA; audit the dataset again")
    return view.dna


def _of(view: DatasetView) -> ByImage | None:
    """The images of one dataset with their bursts, as :func:`by_image` says."""
    if view.neurons is None or view.dna is None or view.dna.size != len(view):
        return None
    ordered = arrange(view)
    return None if ordered.neurons is None else ByImage(ordered.neurons.values, bursts(ordered))
