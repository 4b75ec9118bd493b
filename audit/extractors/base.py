"""What an extractor is: a frozen function from pictures to an embedding and named layers of neurons."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, Protocol, Self, runtime_checkable

import numpy as np
import numpy.typing as npt
from pydantic import BaseModel, ConfigDict, Field, model_validator

from audit.fingerprint import fingerprint

if TYPE_CHECKING:
    from audit.dna import NeuronRanges


class InputSpec(BaseModel):
    """How a picture becomes the extractor's input: uint8 RGB, ``size`` x ``size``.

    fit : ``squash`` resizes both sides to ``size``; ``crop`` resizes the short side and cuts the centre;
        ``pad`` resizes the long side and fills with mid-grey.
    crop : the central share of each side that is kept, (0, 1], before ``squash`` or ``crop``; not for ``pad``. Left out
        where it is 1, so that specifications made before it existed keep their fingerprint.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    size: int
    fit: Literal["squash", "crop", "pad"] = "squash"
    resample: Literal["bilinear", "bicubic", "box"] = "bilinear"
    crop: float = Field(default=1.0, gt=0, le=1, exclude_if=lambda share: share == 1.0)

    @model_validator(mode="after")
    def _padding_keeps_all(self) -> Self:
        if self.fit == "pad" and self.crop != 1.0:
            raise ValueError(f"fit 'pad' keeps the whole picture: crop must be 1, got {self.crop}")
        return self


class Layer(BaseModel):
    """A named tap: ``n_neurons`` channels."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str
    n_neurons: int


class ExtractorSpec(BaseModel):
    """Everything that decides an extractor's numbers; its hash is the extractor's identity."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str
    architecture: str
    weights_sha256: str
    """Hash of the weights file; of nothing (64 zeros) for an extractor without weights."""
    input: InputSpec
    dtype: Literal["float32", "bfloat16", "float16"] = "float32"
    dimension: int
    layers: tuple[Layer, ...]
    ranges_sha256: str
    """Hash of the neuron ranges that Visual DNA counts in."""
    version: int = 1

    @property
    def fingerprint(self) -> str:
        """SHA-256 of this specification, 64 hexadecimal digits."""
        return fingerprint("extractor", self)


class ExtractorInfo(BaseModel):
    """An extractor, or a family of them, as shown to people.

    name : what to type, placeholders in capitals
    needs : what must be there before it runs
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str
    summary: str
    needs: str


@dataclass(frozen=True)
class Features:
    """What an extractor says about a batch of b pictures.

    Attributes
    ----------
    embedding : float32 (b, d)
        Not yet normalised. A row with NaN, infinity or zero length is quarantined by the caller.
    layers : mapping of str to float32 (b, positions, channels)
        One entry per layer of the specification, in its order.
    """

    embedding: npt.NDArray[np.float32]
    layers: Mapping[str, npt.NDArray[np.float32]]


class Extractor(Protocol):
    """A loaded extractor. ``features`` is deterministic: equal batches give equal bytes, on any thread count.

    ``features`` may be called from several threads at once; each call computes with one intra-op thread, so that
    the caller parallelises over batches and results do not depend on how many cores there are.
    """

    @property
    def spec(self) -> ExtractorSpec:
        """What decides its numbers, and its fingerprint."""
        ...

    @property
    def ranges(self) -> NeuronRanges:
        """Where each neuron lives; Visual DNA counts in these ranges."""
        ...

    def features(self, batch: npt.NDArray[np.uint8]) -> Features:
        """Embed uint8 pictures (b, size, size, 3), RGB."""
        ...


TEMPERATURE = 100.0
"""What the cosine of a picture and a text is multiplied by where its encoder does not say: CLIP's own."""


@runtime_checkable
class TextEncoder(Protocol):
    """What an extractor also is when texts have a place in the space of its embedding.

    It may have a number ``temperature`` too: what its training multiplied cosines by before the softmax over texts.
    """

    def embed_text(self, prompts: Sequence[str]) -> npt.NDArray[np.float32]:
        """Embed n texts, float32 (n, d), not normalised; near what they describe by cosine."""
        ...


def temperature_of(encoder: TextEncoder) -> float:
    """What cosines of pictures and texts are multiplied by to be log-odds."""
    return float(getattr(encoder, "temperature", TEMPERATURE))
