"""Datasets of audits as one text names them."""

from __future__ import annotations


def named(text: str) -> tuple[str, str | None]:
    """The audit and the dataset that ``AUDIT`` or ``AUDIT:DATASET`` means; no dataset is the first.

    >>> named("a01b7d3c"), named("a01b7d3c:night: 2")
    (('a01b7d3c', None), ('a01b7d3c', 'night: 2'))
    """
    audit, _, dataset = text.partition(":")
    return audit, dataset or None
