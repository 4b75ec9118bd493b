"""An ONNX graph as an extractor: ``onnx:PATH``, run by ONNX Runtime on the CPU, one thread a call.

Source: the ONNX format (onnx.ai); the graph is data, and no custom operators are loaded.
"""

from __future__ import annotations

import mmap
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from audit.errors import ExtractorError
from audit.extractors import _files
from audit.extractors._description import Description, read_description
from audit.extractors._names import split_options
from audit.extractors._network import Identity, Network, carded, resolved
from audit.extractors.base import ExtractorSpec
from audit.fingerprint import fingerprint

VERSION = 1
_ERROR = 3
_LOCATION = re.compile(rb"\x0a\x08location\x12([\x01-\x7f])")
"""How a tensor kept in another file names it, in the protocol buffers of the graph."""

Floats = npt.NDArray[np.float32]


@dataclass(frozen=True)
class Graph:
    """A graph's file and its description; ``name`` is the extractor's as it was asked for."""

    name: str
    path: Path
    description: Description

    @property
    def identity(self) -> Identity:
        """What the extractor is called and made of, weights in files of their own included."""
        sha256, stat = _files.sha256(self.path), self.path.stat()
        beside = _external(self.path, stat.st_size, stat.st_mtime_ns)
        if beside:
            sha256 = fingerprint("files", [sha256, {one: _files.sha256(self.path.parent / one) for one in beside}])
        return self.description.identity("onnx", self.path, sha256, version=VERSION, options=frozenset())


class OnnxGraph(Network):
    """An ONNX graph; see :func:`load`."""

    def __init__(self, graph: Graph) -> None:
        run = graph.description.run(_outputs(graph))
        preprocessing = graph.description.preprocessing
        super().__init__(preprocessing, run, carded(graph.identity, preprocessing, run))


def load(rest: str) -> OnnxGraph:
    """The extractor ``onnx:PATH``; the first time it also calibrates the neuron ranges.

    Raises
    ------
    WeightsUnavailableError
        If there is no such file.
    ExtractorError
        If ONNX Runtime is not installed, or the file or the description beside it cannot be used.
    """
    return OnnxGraph(find(rest))


def resolve(rest: str) -> ExtractorSpec:
    """The specification of :func:`load`; only hashes the file when it was loaded on this machine before."""
    return resolved(find(rest).identity, lambda: load(rest))


def find(rest: str) -> Graph:
    """The graph of ``PATH``, with its description read and checked."""
    name = f"onnx:{rest}"
    file = Path(split_options(name, rest, ())[0]).expanduser()
    _runtime(name)
    return Graph(name, file, read_description(name, file))


def _outputs(graph: Graph) -> Callable[[Floats], Mapping[str, Floats]]:
    session, faults = _session(graph)
    (taken,) = session.get_inputs()
    wanted, alone = list(graph.description.wanted), taken.shape[0] == 1

    def outputs(pixels: Floats) -> dict[str, Floats]:
        batches = np.split(pixels, len(pixels)) if alone else [pixels]
        try:
            parts = [session.run(wanted, {taken.name: batch}) for batch in batches]
        except faults as error:
            raise ValueError(f"it cannot take {pixels.shape}: {str(error)[:300]}") from error
        return {name: np.concatenate([part[i] for part in parts]).astype(np.float32) for i, name in enumerate(wanted)}

    return outputs


def _session(graph: Graph) -> tuple[Any, tuple[type[Exception], ...]]:
    runtime, faults = _runtime(graph.name)
    options = runtime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.use_deterministic_compute = True
    options.log_severity_level = _ERROR
    try:
        session = runtime.InferenceSession(str(graph.path), options, providers=["CPUExecutionProvider"])
    except faults as error:
        message = f"{graph.path} does not hold a graph that can be run: {str(error)[:500]}"
        raise ExtractorError(graph.name, message) from error
    _check(graph, session)
    return session, faults


def _check(graph: Graph, session: Any) -> None:
    """Refuse a graph whose input or outputs are not what the description says."""
    size, inputs = graph.description.input.size, session.get_inputs()
    if len(inputs) != 1 or inputs[0].type != "tensor(float)" or not _takes(list(inputs[0].shape), size):
        seen = ", ".join(f"{one.name}: {one.type} {one.shape}" for one in inputs)
        message = f"{graph.path} must take one float input (b, 3, {size}, {size}), as described; it takes {seen}"
        raise ExtractorError(graph.name, message)
    there = [one.name for one in session.get_outputs()]
    missing = [name for name in graph.description.wanted if name not in there]
    if missing:
        message = f"{graph.path} has no output {missing[0]!r}; it has: {', '.join(there)}"
        raise ExtractorError(graph.name, message)


def _takes(shape: list[Any], size: int) -> bool:
    """Whether an input of this shape, in which free sides are names or nothing, takes square pictures."""
    wanted = (3, size, size)
    return len(shape) == 1 + len(wanted) and all(
        side == want for side, want in zip(shape[1:], wanted, strict=True) if isinstance(side, int)
    )


@lru_cache(maxsize=64)
def _external(path: Path, size: int, _mtime_ns: int) -> tuple[str, ...]:
    """Names of the files beside a graph that hold its larger weights."""
    if not size:
        return ()
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
        named = {data[one.end() : one.end() + one.group(1)[0]] for one in _LOCATION.finditer(data)}
    names = sorted(name.decode("utf-8", "replace") for name in named)
    return tuple(name for name in names if (path.parent / name).is_file())


def _runtime(name: str) -> tuple[Any, tuple[type[Exception], ...]]:
    try:
        import onnxruntime
        from onnxruntime.capi import onnxruntime_pybind11_state as state
    except ImportError as error:
        message = "onnx: extractors need ONNX Runtime, which is not installed: pip install 'assay-datasets[onnx]'"
        raise ExtractorError(name, message) from error
    known = ("Fail", "InvalidArgument", "InvalidGraph", "InvalidProtobuf", "NoSuchFile", "NotImplemented")
    return onnxruntime, tuple(getattr(state, one) for one in (*known, "RuntimeException", "NoModel"))
