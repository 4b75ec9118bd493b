"""What a feature is called in a sentence: words that somebody understands who never saw a neuron."""

from __future__ import annotations

from collections.abc import Sequence

from audit.analyses.base import Result
from audit.spurious.candidates import METADATA, STATISTIC

LOOKS = {
    "brightness_mean": "the brightness",
    "brightness_p01": "the brightness of the darkest parts",
    "brightness_p05": "the brightness of the dark parts",
    "brightness_p50": "the median brightness",
    "brightness_p95": "the brightness of the bright parts",
    "brightness_p99": "the brightness of the brightest parts",
    "contrast_rms": "the contrast",
    "contrast_range": "the distance from dark to bright",
    "black_share": "the share of black",
    "white_share": "the share of white",
    "entropy": "the variety of brightness",
    "red_mean": "the amount of red",
    "green_mean": "the amount of green",
    "blue_mean": "the amount of blue",
    "saturation": "the strength of colours",
    "chroma_p99": "the strength of the strongest colours",
    "colourfulness": "the variety of colours",
    "sharpness": "the sharpness",
    "edge_share": "the amount of edges",
    "corner_top_left": "the brightness of the upper left corner",
    "corner_top_right": "the brightness of the upper right corner",
    "corner_bottom_left": "the brightness of the lower left corner",
    "corner_bottom_right": "the brightness of the lower right corner",
    "border_share": "the width of a uniform frame",
    "aspect": "the ratio of width to height",
    "megapixels": "the number of pixels",
    "short_side": "the length of the shorter side",
    "working_scale": "how much the picture was reduced",
    "bits_per_pixel": "the size of the file for each pixel",
    "jpeg_quality": "the JPEG quality",
}
"""Words for every statistic of :data:`audit.pictures.statistics.STATISTICS`."""


class Named(Result):
    """What goes with a class, in so far as words are made of it."""

    name: str
    kind: str
    sign: int
    """+1 where images of the class have high values, −1 where low."""
    label: str
    levels: tuple[str, ...]
    sizes: tuple[int, int, int, int]
    """Pictures of each group of :data:`audit.spurious.harm.GROUPS`."""

    is_background: bool
    """Whether it is the background as a whole, or told by it alone better than by the object alone."""

    of_two: bool = False
    """Whether there are two classes, so that what is unusual for one is usual for the other."""

    @property
    def level(self) -> str:
        """The levels in one text."""
        return "+".join(self.levels)

    @property
    def inside(self) -> float:
        """Share of the class that has it."""
        return self.sizes[3] / max(1, self.sizes[2] + self.sizes[3])

    @property
    def outside(self) -> float:
        """Share of the other classes that has it."""
        return self.sizes[1] / max(1, self.sizes[0] + self.sizes[1])


def clause(one: Named) -> str:
    """What is so in the pictures that have the feature: ``“place” is “beach”``, ``the sharpness is low``."""
    if one.is_background:
        return "the background is the usual one"
    name, is_state, value = one.name.partition(" = ")
    level = "high" if one.sign > 0 else "low"
    if one.kind == METADATA:
        if is_state:
            return f"“{name}” is {'' if one.sign > 0 else 'not '}“{value}”"
        return f"“{name}” is {level}"
    if one.kind == STATISTIC:
        return f"{LOOKS.get(one.name, one.name)} is {level}"
    does = "" if one.sign > 0 else " do not"
    return f"the pictures{does} share a pattern ({one.name})"


def shares(one: Named) -> str:
    """How many have the feature: ``“place” is “beach” in 95% of its pictures, against 5% of the others``."""
    return f"{clause(one)} in {one.inside:.0%} of its pictures, against {one.outside:.0%} of the others"


def exceptions(one: Named) -> str:
    """The pictures that would tell what a tie costs: ``pictures of “ship” before other backgrounds, and …``."""
    label = f"“{one.label}”"
    if one.is_background:
        return (
            f"pictures of {label} before other backgrounds, and of the others before backgrounds like those of {label}"
        )
    return f"pictures of {label} in which it is not so that {clause(one)}, and pictures of the others in which it is"


def caption(one: Named, label: str, group: int) -> str:
    """What is written under a picture of a group of :data:`audit.spurious.harm.GROUPS`: ``mug, usual background``."""
    has, is_class = bool(group % 2), group >= 2
    if one.is_background:
        if is_class or one.of_two:
            return f"{label}, {'usual' if has == is_class else 'unusual'} background"
        return f"{label}, background like “{one.label}”" if has else f"{label}, another background"
    is_high = has == (one.sign > 0)
    name, is_state, value = one.name.partition(" = ")
    if one.kind == METADATA and is_state:
        return f"{label}, {name}: {'' if is_high else 'not '}{value}"
    if one.kind in (METADATA, STATISTIC):
        return f"{label}, {'high' if is_high else 'low'} value"
    return f"{label}, {'with' if is_high else 'without'} the pattern"


def listed(words: Sequence[str]) -> str:
    """Words in a row: ``a``, ``a and b``, ``a, b and c``."""
    return " and ".join([*([", ".join(words[:-1])] if words[:-1] else []), *words[-1:]])
