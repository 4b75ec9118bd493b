"""Where pictures come from: folders, archives, manifests, Parquet with pictures inside, COCO annotations."""

from storage.sources.base import Entry, Kind, Source, SourceLimits, SourceSpec, pin
from storage.sources.opening import open_source

__all__ = ["Entry", "Kind", "Source", "SourceLimits", "SourceSpec", "open_source", "pin"]
