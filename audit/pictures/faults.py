"""The faults a picture can show by itself or beside the others: statistic, direction, bounds and words of each."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Literal

Issue = Literal[
    "dark",
    "washed_out",
    "low_contrast",
    "blurry",
    "low_information",
    "low_resolution",
    "odd_size",
    "odd_aspect",
    "grey",
    "border",
]


@dataclass(frozen=True)
class Fault:
    """One kind of fault.

    Attributes
    ----------
    statistic : str
        A column of :data:`audit.pictures.statistics.PICTURE_SCHEMA`.
    side : -1 or 1
        1 when high values are bad, -1 when low ones are.
    lenient, strict : float
        The threshold is never milder than ``lenient`` and never stricter than ``strict``, in units of the statistic
        (of its ratio to the median, for ``from_median``).
    title : str
        How the table calls it.
    words : str
        Completes "3 pictures ...".
    action : str
    why : str
        What the lenient bound means.
    measure : str
        What is written under a picture; ``{value}`` is the statistic (or its ratio to the median).
    is_log : bool
        The tail is drawn on the logarithm of the statistic.
    from_median : bool
        What counts is the ratio to the dataset's median, whichever way.
    is_relative : bool
        It only means something beside the others, so it must be rare.
    """

    statistic: str
    side: Literal[-1, 1]
    lenient: float
    strict: float
    title: str
    words: str
    action: str
    why: str
    measure: str
    is_log: bool = False
    from_median: bool = False
    is_relative: bool = False

    def caption(self, value: float) -> str:
        """The measured value in words.

        >>> FAULTS["dark"].caption(0.0275)
        'brightest parts 3%'
        """
        return self.measure.format(value=value)


FAULTS: Mapping[Issue, Fault] = MappingProxyType(
    {
        "dark": Fault(
            "brightness_p95", -1, 0.35, 0.10, "Dark", "{are} dark",
            "Brighten them if the content can still be seen; otherwise remove them.",
            "95 % of the pixels give less than a tenth of the display's light (sRGB .35)",
            "brightest parts {value:.0%}",
        ),
        "washed_out": Fault(
            "brightness_p01", 1, 0.50, 0.70, "Washed out", "{are} washed out or overexposed",
            "Stretch their tones if there is detail left; otherwise remove them.",
            "even the darkest percent of the pixels is brighter than mid-grey",
            "darkest parts {value:.0%}",
        ),
        "low_contrast": Fault(
            "contrast_range", -1, 0.30, 0.25, "Low contrast", "{have} little contrast",
            "Stretch their tones, or remove them if nothing can be made out.",
            "98 % of the pixels lie within 30 % of the tonal range",
            "tones span {value:.0%}",
        ),
        "blurry": Fault(
            "sharpness", -1, 1.5, 1.3, "Blurry", "{are} blurred everywhere",
            "Replace them by sharp ones, or remove them.",
            "even the sharpest part looks like an edge blurred by 0.9 working pixels or more: 1 / sqrt(1.5^2 - 1)",
            "sharpness {value:.2f} (1 is least)",
            is_log=True,
        ),
        "low_information": Fault(
            "entropy", -1, 0.4, 0.1, "Nearly empty", "{are} nearly empty",
            "Remove them unless a blank picture is meant.",
            "less than 0.4 bits per pixel: about 95 % of the pixels have one value",
            "{value:.2f} bits per pixel",
        ),
        "low_resolution": Fault(
            "short_side", -1, 64.0, 16.0, "Very small", "{are} very small",
            "Find the originals, or remove them.",
            "a short side below 64 pixels is less than common extractors look at",
            "short side {value:.0f} pixels",
            is_log=True, is_relative=True,
        ),
        "odd_size": Fault(
            "megapixels", 1, 16.0, 4096.0, "Odd size", "{have} an unusual number of pixels",
            "Check where they come from; a model can learn the size instead of the content.",
            "16 times more or fewer pixels than the median picture",
            "{value:.1f} times off the usual size",
            is_log=True, from_median=True, is_relative=True,
        ),
        "odd_aspect": Fault(
            "aspect", 1, 2.5, 8.0, "Odd shape", "{have} an unusual shape",
            "Crop them, or make sure that resizing does not distort them.",
            "2.5 times wider or narrower than the median picture",
            "{value:.1f} times off the usual shape",
            is_log=True, from_median=True, is_relative=True,
        ),
        "grey": Fault(
            "chroma_p99", -1, 0.02, 0.02, "Grey among colour", "{are} grey among colour pictures",
            "Check where they come from; make all grey if colour does not matter.",
            "colour channels differ by at most 5 levels of 255, what compression alone can cause",
            "strongest colour {value:.0%}",
            is_relative=True,
        ),
        "border": Fault(
            "border_share", 1, 0.05, 0.25, "Framed", "{have} a plain frame or bars",
            "Cut the frame off; a model can learn it instead of the content.",
            "a twentieth of the area is frame",
            "frame {value:.0%} of the area",
            is_relative=True,
        ),
    }
)  # fmt: skip
"""Every fault, in the order in which the report names them."""
