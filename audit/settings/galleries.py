"""The pictures that show a class as it is usually seen, and those that show it as it hardly ever is."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from audit.model import DatasetView
from audit.settings.attributes import MISSING, Attribute
from audit.settings.results import Gallery
from audit.settings.verdicts import Cell, Labelled, States
from audit.shown import picture

N_EACH = 3
N_CLASSES = 6
RARE = 0.25
"""A setting that less than this share of a class is in is shown as rare, whatever its verdict."""

Float64 = npt.NDArray[np.float64]


def rarity(data: Labelled, attributes: Sequence[Attribute], cells: Sequence[Cell]) -> Float64:
    """How rare the settings of each image are for its class, float64 (n, n_attributes), in bits, 0 at least.

    −log2 of the smoothed share, of the rarest value where an image has several; 0 where the setting is missing.
    """
    share = {(c.label, c.attribute, c.value): max(c.p, 1e-6) for c in cells if c.value != MISSING}
    found = np.zeros((len(data), len(attributes)))
    for k, attribute in enumerate(attributes):
        bits = np.array(
            [[-np.log2(share.get((c, attribute.name, v), 1.0)) for v in attribute.values] for c in data.classes]
        )
        found[:, k] = np.where(attribute.members, bits[data.label], 0.0).max(axis=1, initial=0.0)
    return np.maximum(found, 0.0)


def galleries(
    view: DatasetView, data: Labelled, attributes: Sequence[Attribute], rare: Float64, states: States
) -> tuple[Gallery, ...]:
    """The most usual and the rarest pictures of each class that has rare ones, the classes with most uncommon first.

    Parameters
    ----------
    rare : float64 (n, n_attributes)
        Of :func:`rarity`.
    states : States
    """
    found = []
    total, is_rare = rare.sum(axis=1), (rare > -np.log2(RARE)).any(axis=1)
    known = np.stack([a.is_known for a in attributes], axis=1).all(axis=1) if attributes else np.zeros(len(data), bool)
    for c, label in enumerate(data.classes):
        inside = data.label == c
        odd, usual = np.flatnonzero(inside & is_rare), np.flatnonzero(inside & ~is_rare & known)
        if not len(odd):
            continue
        usual, odd = usual[np.argsort(total[usual], kind="stable")], odd[np.argsort(-total[odd], kind="stable")]
        found.append(
            Gallery(
                label=label,
                n=int(inside.sum()),
                n_rare=len(odd),
                n_uncommon=int((states.n_uncommon[odd] > 0).sum()),
                common=tuple(picture(view, int(i), "usual: " + said(attributes, int(i))) for i in usual[:N_EACH]),
                rare=tuple(picture(view, int(i), _rare(attributes, rare, int(i))) for i in odd[:N_EACH]),
            )
        )
    return tuple(sorted(found, key=lambda one: (-one.n_uncommon, -one.n_rare, one.label))[:N_CLASSES])


def said(attributes: Sequence[Attribute], row: int) -> str:
    """The settings of one image in words: ``place = water, time = night``; what texts do not tell is left out."""
    told = [attribute.shown(row) for attribute in attributes if attribute.source != "text" or attribute.is_known[row]]
    return ", ".join(told) or "no setting told"


def _rare(attributes: Sequence[Attribute], rare: Float64, row: int) -> str:
    """What is rare about one image, with the share of its class."""
    odd = np.flatnonzero(rare[row] > -np.log2(RARE)).tolist()
    return "rare: " + ", ".join(f"{attributes[k].shown(row)} ({2.0 ** -rare[row, k]:.0%})" for k in odd)
