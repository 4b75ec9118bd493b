"""A short YAML file beside a model that says what the model itself does not: its input, and what its outputs are."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

import numpy as np
import numpy.typing as npt
import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from audit.errors import ExtractorError, WeightsUnavailableError
from audit.extractors._layers import Form, cut
from audit.extractors._network import Identity, Preprocessing, Run, identity
from audit.extractors.base import InputSpec
from audit.fingerprint import fingerprint

EXAMPLE = """\
input: {size: 224, fit: crop, crop: 0.875, resample: bicubic}
mean: [0.485, 0.456, 0.406]
std: [0.229, 0.224, 0.225]
embedding: embedding
layers:
  - {output: stage4, form: map}
"""

Floats = npt.NDArray[np.float32]
Outputs = Mapping[str, Floats]
Channels = tuple[float, float, float]
Positive = Annotated[float, Field(gt=0)]


class LayerDescription(BaseModel):
    """An output that is a layer, and what it is made of; see :class:`audit.extractors._layers.Form`."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    output: str = Field(min_length=1)
    form: Literal["map", "map_last", "tokens", "vector"] = "map"
    class_tokens: int = Field(default=0, ge=0)
    registers: int = Field(default=0, ge=0)

    @property
    def cut(self) -> Form:
        """The form that the output is cut by."""
        return Form(self.form, self.class_tokens, self.registers)


class Description(BaseModel):
    """What the YAML file beside a model holds.

    Attributes
    ----------
    name : str
        What the extractor is called in reports; the file's name by default.
    input : InputSpec
    mean, std : three numbers
        Of the channels after division by 255; 0 and 1 where the model normalises by itself.
    outputs : names
        Of a torch model that returns a tuple: what its parts are called, in order.
    embedding : str
        The output (b, d) that is the embedding.
    layers : list of LayerDescription
    batch : str
        ``one`` for a model that takes one picture at a time.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str = Field(default="", max_length=100, pattern=r"^[^\s#:/]*$")
    input: InputSpec
    mean: Channels = (0.0, 0.0, 0.0)
    std: tuple[Positive, Positive, Positive] = (1.0, 1.0, 1.0)
    outputs: tuple[str, ...] = ()
    embedding: str = "embedding"
    layers: tuple[LayerDescription, ...] = Field(min_length=1)
    batch: Literal["any", "one"] = "any"

    @property
    def preprocessing(self) -> Preprocessing:
        """How a picture becomes the model's input."""
        return Preprocessing(self.input, self.mean, self.std)

    @property
    def wanted(self) -> tuple[str, ...]:
        """Names of the outputs that are used, each once, the embedding first."""
        return tuple(dict.fromkeys([self.embedding, *(layer.output for layer in self.layers)]))

    def identity(self, family: str, path: Path, sha256: str, *, version: int, options: frozenset[str]) -> Identity:
        """The identity of the model in ``path``; where it lies is no part of that."""
        architecture = f"{family} model, described by {fingerprint('extractor-description', self)[:16]}"
        called = self.name or path.stem
        return identity(family, called, sha256, version=version, options=options, architecture=architecture)

    def run(self, outputs: Callable[[Floats], Outputs]) -> Run:
        """The model as a function from pixels to embedding and layers.

        Parameters
        ----------
        outputs : callable
            Pixels float32 (b, 3, size, size) to every output by name; raises ValueError if the model cannot take them.
        """

        def run(pixels: Floats) -> tuple[Floats, dict[str, Floats]]:
            found = _one_by_one(outputs, pixels) if self.batch == "one" else outputs(pixels)
            missing = [name for name in self.wanted if name not in found]
            if missing:
                raise ValueError(f"the model has no output {missing[0]!r}; it has: {', '.join(found)}")
            embedding = found[self.embedding]
            if embedding.shape[:1] != pixels.shape[:1] or embedding.ndim != 2:
                raise ValueError(f"the output {self.embedding!r} is {embedding.shape}, but an embedding is (b, d)")
            layers: dict[str, Floats] = {}
            for layer in self.layers:
                layers |= cut(layer.output, found[layer.output], layer.cut)
            return embedding, layers

        return run


def _one_by_one(outputs: Callable[[Floats], Outputs], pixels: Floats) -> Outputs:
    parts = [outputs(pixels[i : i + 1]) for i in range(len(pixels))]
    return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}


def read_description(name: str, path: Path) -> Description:
    """The description beside a model file, which must be there itself.

    Raises
    ------
    WeightsUnavailableError
        If there is no such model.
    ExtractorError
        If there is no description beside it, or it cannot be used; the message names the key.
    """
    if not path.is_file():
        raise WeightsUnavailableError(name, f"there is no model {str(path)!r}; give the path of a file that exists")
    beside = path.with_suffix(".yaml")
    try:
        return Description.model_validate(yaml.safe_load(beside.read_text("utf-8")))
    except FileNotFoundError as error:
        message = f"{path.name} needs a description beside it: write {str(beside)!r}, for example\n{EXAMPLE}"
        raise ExtractorError(name, message) from error
    except ValidationError as error:
        raise ExtractorError(name, f"{str(beside)!r} cannot be used: {_first(error)}") from error
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise ExtractorError(name, f"{str(beside)!r} cannot be read as YAML: {error}") from error


def _first(error: ValidationError) -> str:
    first: Any = error.errors()[0]
    where = ".".join(str(part) for part in first["loc"]) or "the file"
    return f"{where}: {first['msg']} (got {first['input']!r})"
