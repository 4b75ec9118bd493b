"""What the settings analysis found, small enough to be stored as JSON; the whole lists are its tables."""

from __future__ import annotations

from audit.analyses.base import Result
from audit.report import Picture
from audit.settings.attributes import Source
from audit.settings.config import SettingsConfig


class About(Result):
    """One setting that was looked at."""

    name: str
    source: Source
    n_values: int
    n_known: int
    shared: float
    """Adjusted mutual information of the setting and the class: 0 none, 1 one says the other."""
    is_measured: bool = True
    """Whether its values are known well enough for intervals, verdicts and findings."""
    note: str = ""
    """What a reader has to know about where it comes from."""
    confusion: tuple[tuple[str, str, int], ...] = ()
    """What people saw, what the text said, and of how many audited images."""


class Tie(Result):
    """A class that is shown in one setting far more often than the other classes are."""

    label: str
    attribute: str
    source: Source
    value: str
    n: int
    """Images of the class of which the setting is known."""
    n_value: int
    """Of these, images in the setting."""
    smoothed: float
    """Posterior mean of the share, with its credible interval."""
    low: float
    high: float
    elsewhere: float
    """Share of the images of all other classes that are in the setting."""
    p_max_t: float
    pictures: tuple[Picture, ...]
    exceptions: tuple[Picture, ...]

    @property
    def share(self) -> float:
        """Share of the images of the class that are in the setting."""
        return self.n_value / self.n


class ContextGroup(Result):
    """Pictures whose surroundings look alike."""

    name: str
    n: int
    classes: tuple[tuple[str, int, int], ...]
    """Class, its images in the group, its images in all; the classes with most of their images here first."""
    pictures: tuple[Picture, ...]


class Contexts(Result):
    """Whether groups of surroundings were found, and how sure they are."""

    reason: str = ""
    """Why there are none."""
    stability: tuple[tuple[int, float], ...] = ()
    """Numbers of groups tried, and the agreement between resamples."""
    chosen: int = 0
    agreement: float = 0.0
    n_one_sided: int = 0
    """Classes that lie almost wholly in one group."""
    n_classes: int = 0
    groups: tuple[ContextGroup, ...] = ()

    @property
    def follow_classes(self) -> bool:
        """Whether most classes lie in one group each, so that the group may be the object itself."""
        return 2 * self.n_one_sided >= max(self.n_classes, 1)


class Gallery(Result):
    """The pictures of a class in its most common and in its rarest settings."""

    label: str
    n: int
    n_rare: int
    """Images in a setting that less than a quarter of the class is in."""
    n_uncommon: int
    """Of these, images in a setting that is uncommon beyond doubt."""
    common: tuple[Picture, ...]
    rare: tuple[Picture, ...]


TopRow = tuple[str, str, str, int, int, float, float | None, float | None, float]
"""Class, attribute, value, n, n known of the class, share, low, high, p_max_t."""


class GapRow(Result):
    """Accuracy in common settings less accuracy in uncommon ones; see :class:`audit.settings.gaps.Gap`."""

    label: str
    attribute: str
    n_common: int
    n_uncommon: int
    accuracy_common: float | None
    accuracy_uncommon: float | None
    gap: float | None
    low: float | None
    high: float | None
    corrected: float | None
    corrected_low: float | None
    corrected_high: float | None
    interval: str
    note: str


class SettingsResult(Result):
    """What was found, small; the whole table is ``settings``."""

    config: SettingsConfig
    n: int
    attributes: tuple[About, ...]
    ignored: dict[str, str]
    """Metadata columns that are no settings, with the reason."""
    n_cells: int
    n_uncommon_cells: int
    n_uncommon_images: int
    dominant: tuple[Tie, ...]
    """Nearly always in the setting, which is hardly seen elsewhere."""
    leaning: tuple[Tie, ...]
    """Less than nearly always, but far more often than the others."""
    uncommon: tuple[Picture, ...]
    galleries: tuple[Gallery, ...]
    contexts: Contexts
    gaps: tuple[GapRow, ...]
    """Of all classes first; those of single classes with the largest gaps follow. Empty without predictions."""
    top: tuple[TopRow, ...]
    """The strongest associations."""
