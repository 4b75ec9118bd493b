"""Everything the numerical core can refuse, in one tree.

::

    AuditError
    ├── ConfigError (ValueError)               a setting or argument that cannot be used
    ├── PictureError (ValueError)              one picture that cannot become pixels; carries a reason code
    ├── ExtractorError (RuntimeError)          an extractor that cannot be had
    │   ├── UnknownExtractorError (LookupError)      no extractor of that name
    │   └── WeightsUnavailableError (OSError)        its weights are neither here nor downloadable
    ├── FingerprintMismatchError (ValueError)  two stores that must not be compared
    └── TooFewImagesError (ValueError)         an analysis that has nothing to say at this n
"""

from __future__ import annotations


class AuditError(Exception):
    """Root of every error raised by :mod:`audit`."""


class ConfigError(AuditError, ValueError):
    """A setting or argument that cannot be used."""


class PictureError(AuditError, ValueError):
    """One picture that cannot become pixels.

    Attributes
    ----------
    reason : str
        A code of :data:`audit.pictures.reasons.REASONS`, stable across versions.
    detail : str
        What was seen, in words.
    """

    def __init__(self, reason: str, detail: str) -> None:
        super().__init__(f"{reason}: {detail}")
        self.reason = reason
        self.detail = detail


class ExtractorError(AuditError, RuntimeError):
    """An extractor that cannot be had.

    Attributes
    ----------
    name : str
        The extractor's name as it was asked for.
    """

    def __init__(self, name: str, message: str) -> None:
        super().__init__(message)
        self.name = name


class UnknownExtractorError(ExtractorError, LookupError):
    """No extractor of that name is registered."""


class WeightsUnavailableError(ExtractorError, OSError):
    """The extractor's weights are neither on this machine nor downloadable from it."""


class FingerprintMismatchError(AuditError, ValueError):
    """Two stores made by different extractors, weights, preprocessing or ranges.

    Attributes
    ----------
    left, right : str
        The two fingerprints.
    """

    def __init__(self, what: str, left: str, right: str) -> None:
        super().__init__(
            f"{what} differ: {left[:12]} against {right[:12]}. They can only be compared when both "
            "were made with the same extractor, weights and preprocessing: embed both again with one extractor. "
            "Embeddings, not neurons, can also be compared through a translation learnt from shared pictures: "
            "assay extractors translate OLD NEW SOURCE --out FILE."
        )
        self.left = left
        self.right = right


class TooFewImagesError(AuditError, ValueError):
    """An analysis that has nothing to say at this number of images.

    Attributes
    ----------
    n, needed : int
        How many images there are, and how many it takes.
    """

    def __init__(self, what: str, n: int, needed: int) -> None:
        super().__init__(f"{what} needs at least {needed} images; there are {n}.")
        self.n = n
        self.needed = needed
