"""What the folders in a picture's path mean: its split, its label, and levels that are neither.

The rules, in order:

1. Folders that every picture shares at the top (a wrapper such as ``dataset/``) mean nothing, as long as a folder
   remains below them; a folder named like a split is never a wrapper.
2. A level is the split if every picture that reaches it has a split's name there (``train``, ``val``, ``test`` and the
   other names in :data:`SPLITS`, in any case).
3. Of what remains, the folder the picture lies in is its label; levels above it become ``meta.folder_1``, and so on.
4. A picture with no folder left has no label.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from storage.sources.names import display

SPLITS = {
    b"train": "train",
    b"training": "train",
    b"val": "val",
    b"valid": "val",
    b"validation": "val",
    b"dev": "val",
    b"test": "test",
    b"testing": "test",
    b"eval": "test",
}
"""Folder name in lower case → the split it means."""

Folders = tuple[bytes, ...]


@dataclass(frozen=True)
class Place:
    """What the folders of one path say."""

    label: str | None
    split: str | None
    levels: tuple[str, ...]


@dataclass(frozen=True)
class Layout:
    """How the folders of a dataset are read.

    Attributes
    ----------
    n_wrappers : int
        Folders at the top that every picture shares.
    split_level : int or None
        Which level below the root holds the split, counted from 0.
    n_levels : int
        How many levels are neither wrapper, split nor label, at most.
    """

    n_wrappers: int
    split_level: int | None
    n_levels: int

    def place(self, path: bytes) -> Place:
        """Read the folders of one path."""
        folders = split_folders(path)
        split = None
        level = self.split_level
        if level is not None and level < len(folders):
            split = SPLITS.get(folders[level].lower(), display(folders[level]))
        rest = [display(f) for i, f in enumerate(folders) if i >= self.n_wrappers and i != level]
        return Place(rest[-1] if rest else None, split, tuple(rest[:-1]))

    def describe(self) -> str:
        """Say what was decided."""
        split = "no split" if self.split_level is None else f"split from folder {self.split_level + 1}"
        wrapper = f"; the first {self.n_wrappers} folder(s) hold everything and mean nothing" if self.n_wrappers else ""
        return f"label from the folder a picture lies in, {split}{wrapper}"


def split_folders(path: bytes) -> Folders:
    """Folders of a raw path, outermost first, without empty ones and ``.``."""
    return tuple(part for part in path.split(b"/")[:-1] if part not in {b"", b"."})


def detect(paths: Iterable[bytes], *, with_split: bool = True) -> Layout:
    """Decide what the folders mean from the paths of everything that may be a picture."""
    kinds = sorted({split_folders(path) for path in paths})
    n_wrappers = _count_wrappers(kinds)
    level = _find_split(kinds, n_wrappers) if with_split else None
    longest = max((len(folders) for folders in kinds), default=0)
    n_levels = longest - n_wrappers - (level is not None) - 1
    return Layout(n_wrappers, level, max(0, n_levels))


def _count_wrappers(kinds: Sequence[Folders]) -> int:
    count = 0
    while kinds and min(map(len, kinds)) >= count + 2:
        names = {folders[count] for folders in kinds}
        if len(names) > 1 or next(iter(names)).lower() in SPLITS:
            break
        count += 1
    return count


def _find_split(kinds: Sequence[Folders], start: int) -> int | None:
    for level in range(start, max(map(len, kinds), default=0)):
        names = {folders[level].lower() for folders in kinds if len(folders) > level}
        if names <= SPLITS.keys():
            return level
    return None


def pick(path: bytes, number: int) -> str | None:
    """Take the Nth folder of a path (1 is the outermost, -1 the innermost); None when there are fewer."""
    folders = split_folders(path)
    index = number - 1 if number > 0 else number
    return display(folders[index]) if -len(folders) <= index < len(folders) else None
