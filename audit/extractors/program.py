"""A torch program as an extractor: ``torch:PATH`` of an exported program (.pt2) or TorchScript (.pt, .ts).

Both are files that say themselves how to compute, so nothing of the model has to be importable here. Modules inside
them cannot be tapped (TorchScript takes no hooks): layers are what the program returns beside the embedding.

Every pickle in a .pt2 is first read as weights only, and a file with pickled objects or machine code is refused; but a
program is still a program: only one from somebody you trust should be run.
"""

from __future__ import annotations

import io
import json
import warnings
import zipfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from pickle import UnpicklingError
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from audit.errors import ExtractorError
from audit.extractors import _files
from audit.extractors._description import Description, read_description
from audit.extractors._names import BF16, split_options
from audit.extractors._network import Identity, Network, carded, resolved
from audit.extractors._torch import device, frozen, to_numpy
from audit.extractors.base import ExtractorSpec

if TYPE_CHECKING:
    import torch

VERSION = 1
_EXPORTED, _SCRIPTED = (".pt2",), (".pt", ".ts")
_TENSORS = ("weight_", "tensor_")
"""How files of plain tensors in an exported program are called."""

Floats = npt.NDArray[np.float32]


@dataclass(frozen=True)
class Program:
    """A program's file and its description; ``name`` is the extractor's as it was asked for."""

    name: str
    path: Path
    description: Description
    options: frozenset[str]

    @property
    def identity(self) -> Identity:
        """What the extractor is called and made of."""
        sha256 = _files.sha256(self.path)
        return self.description.identity("torch", self.path, sha256, version=VERSION, options=self.options)


class TorchProgram(Network):
    """A torch program on the best device at hand; see :func:`load`."""

    def __init__(self, program: Program) -> None:
        known, chosen = program.identity, device()
        run = program.description.run(_outputs(_loaded(program, chosen), program, chosen))
        preprocessing = program.description.preprocessing
        super().__init__(preprocessing, run, carded(known, preprocessing, run))


def load(rest: str) -> TorchProgram:
    """The extractor ``torch:PATH``; the first time it also calibrates the neuron ranges.

    Raises
    ------
    WeightsUnavailableError
        If there is no such file.
    ExtractorError
        If the file or the description beside it cannot be used.
    """
    return TorchProgram(find(rest))


def resolve(rest: str) -> ExtractorSpec:
    """The specification of :func:`load`; only hashes the file when it was loaded on this machine before."""
    return resolved(find(rest).identity, lambda: load(rest))


def find(rest: str) -> Program:
    """The program of ``PATH[#bf16]``, with its description read and checked."""
    name = f"torch:{rest}"
    path, options = split_options(name, rest, [BF16])
    file = Path(path).expanduser()
    description = read_description(name, file)
    if file.suffix not in (*_EXPORTED, *_SCRIPTED):
        raise ExtractorError(name, f"{file.name} must end in .pt2 (exported) or .pt or .ts (TorchScript)")
    return Program(name, file, description, options)


def _loaded(program: Program, chosen: str) -> Callable[[torch.Tensor], Any]:
    import torch
    from torch.export.passes import move_to_device_pass

    try:
        if program.path.suffix in _EXPORTED:
            _check_archive(program.path)
            exported = torch.export.load(program.path)
            return (exported if chosen == "cpu" else move_to_device_pass(exported, chosen)).module()
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", message=".*torch.jit.load.* is deprecated", category=DeprecationWarning)
            scripted: Any = torch.jit.load(program.path, map_location=chosen)  # type: ignore[no-untyped-call]
        return scripted.eval()  # type: ignore[no-any-return]
    except (OSError, RuntimeError, ValueError, KeyError, UnpicklingError, zipfile.BadZipFile) as error:
        message = f"{program.path} does not hold a program that can be read: {str(error)[:500]}"
        raise ExtractorError(program.name, message) from error


def _check_archive(path: Path) -> None:
    """Refuse an exported program that unpickles anything but tensors, or brings machine code.

    Raises
    ------
    ValueError, UnpicklingError, zipfile.BadZipFile
    """
    import torch

    with zipfile.ZipFile(path) as archive:
        for member in archive.namelist():
            if member.endswith((".so", ".dll", ".dylib", ".o")):
                raise ValueError(f"it brings machine code ({member})")
            if member.endswith(".pt") and archive.getinfo(member).file_size:
                torch.load(io.BytesIO(archive.read(member)), weights_only=True)
            if member.endswith("_config.json"):
                config = json.loads(archive.read(member)).get("config", {})
                for key, payload in config.items():
                    if payload["use_pickle"] or not payload["path_name"].startswith(_TENSORS):
                        raise ValueError(f"it holds pickled objects ({key}): export it with plain tensors")


def _outputs(program: Callable[[Any], Any], asked: Program, chosen: str) -> Callable[[Floats], Mapping[str, Floats]]:
    """The program from normalised pixels to those of its outputs that are used, by name."""
    import torch

    description, dtype = asked.description, asked.identity.dtype

    def outputs(pixels: Floats) -> dict[str, Floats]:
        with frozen(chosen, dtype):
            try:
                output = program(torch.from_numpy(pixels).to(chosen))
            except (RuntimeError, AssertionError) as error:
                raise ValueError(f"it cannot take {pixels.shape}: {str(error)[:300]}") from error
            return {name: to_numpy(value).copy() for name, value in _named(output, description).items()}

    return outputs


def _named(output: Any, description: Description) -> Mapping[str, torch.Tensor]:
    if isinstance(output, Mapping):
        return output
    parts = output if isinstance(output, tuple | list) else (output,)
    names = description.outputs or (description.embedding,)
    if len(parts) != len(names):
        raise ValueError(f"it returns {len(parts)} outputs, but its description names {len(names)}: see 'outputs'")
    return dict(zip(names, parts, strict=True))
