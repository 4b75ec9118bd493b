"""Which extractors exist and how a name becomes one.

A name is ``scheme`` or ``scheme:rest``. Other distributions add schemes through the entry-point group
``assay.extractors``; each entry point names a :class:`Scheme`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import lru_cache
from importlib import import_module
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from typing import TYPE_CHECKING, Any

from audit.errors import ExtractorError, UnknownExtractorError
from audit.extractors import _chosen
from audit.extractors._names import OPTIONS, PRE, split_options
from audit.extractors.base import Extractor, ExtractorInfo, ExtractorSpec

if TYPE_CHECKING:
    from audit.dna import NeuronRanges

ENTRY_POINTS = "assay.extractors"


@dataclass(frozen=True)
class Scheme:
    """A family of extractors whose names start alike.

    Attributes
    ----------
    info : ExtractorInfo
        Shown to people; ``info.name`` up to the first colon is the scheme.
    load : (rest of the name) -> Extractor
        May be slow; called once per name and process.
    resolve : (rest of the name) -> ExtractorSpec
        The same specification, as cheaply as possible.
    is_file : bool
        The rest of the name is the path of a whole model, which says itself what it computes.
    embeds_text : (rest of the name) -> bool
        Whether the extractor is a :class:`audit.extractors.base.TextEncoder` too, without loading it.
    """

    info: ExtractorInfo
    load: Callable[[str], Extractor]
    resolve: Callable[[str], ExtractorSpec]
    is_file: bool = False
    embeds_text: Callable[[str], bool] = lambda _: False

    @property
    def name(self) -> str:
        """What names of this family start with."""
        return self.info.name.partition(":")[0]


def load_extractor(name: str) -> Extractor:
    """The extractor of that name, ready to run.

    Parameters
    ----------
    name : str
        ``bundled``, ``classical``, ``openclip:MODEL/PRETRAINED-or-PATH``, ``timm:MODEL[/PATH]``, ``torch:PATH``,
        ``onnx:PATH``, or what a plug-in adds.

    Raises
    ------
    UnknownExtractorError
        If there is none; the message lists those there are.
    WeightsUnavailableError
        If its weights are neither here nor downloadable.
    """
    scheme, rest = _parse(name)
    return _chosen.applied(scheme.load(rest))


def resolve_spec(name: str) -> ExtractorSpec:
    """The specification that :func:`load_extractor` would give, without embedding anything.

    Raises
    ------
    UnknownExtractorError, WeightsUnavailableError
        As :func:`load_extractor`.
    """
    scheme, rest = _parse(name)
    return _chosen.resolved(scheme.resolve(rest))


def keep_ranges(name: str, ranges: NeuronRanges) -> ExtractorSpec:
    """Let an extractor count in these ranges from now on, on this machine. Returns its new specification.

    Raises
    ------
    UnknownExtractorError, WeightsUnavailableError
        As :func:`load_extractor`.
    ValueError
        If the ranges are not of its layers.
    """
    scheme, rest = _parse(name)
    return _chosen.keep(scheme.resolve(rest), ranges)


def forget_ranges(name: str) -> ExtractorSpec:
    """Let an extractor count in its own ranges again. Returns its own specification.

    Raises
    ------
    UnknownExtractorError, WeightsUnavailableError
        As :func:`load_extractor`.
    """
    scheme, rest = _parse(name)
    spec = scheme.resolve(rest)
    _chosen.forget(spec)
    return spec


def model_file(name: str) -> Path | None:
    """The file of an extractor that is a whole model of somebody's making; None for weights of a known architecture.

    Raises
    ------
    UnknownExtractorError
        As :func:`load_extractor`.
    """
    scheme, rest = _parse(name)
    return Path(split_options(name, rest, OPTIONS)[0]).expanduser() if scheme.is_file else None


def embeds_text(name: str) -> bool:
    """Whether texts have a place in the space of an extractor's embedding."""
    scheme, rest = _parse(name)
    return scheme.embeds_text(rest)


def describe_extractors() -> tuple[ExtractorInfo, ...]:
    """Every extractor there is, the bundled one first."""
    return tuple(scheme.info for scheme in _schemes().values())


def _parse(name: str) -> tuple[Scheme, str]:
    prefix, colon, rest = name.partition(":")
    schemes = _schemes()
    scheme = schemes.get(prefix)
    takes_rest = scheme is not None and ":" in scheme.info.name
    if scheme is None or takes_rest != bool(colon) or takes_rest != bool(rest):
        known = ", ".join(scheme.info.name for scheme in schemes.values())
        raise UnknownExtractorError(name, f"there is no extractor {name!r}; there are: {known}")
    return scheme, rest


@lru_cache(maxsize=1)
def _schemes() -> dict[str, Scheme]:
    points = sorted(entry_points(group=ENTRY_POINTS), key=lambda point: point.name)
    found = [_bundled(), _classical(), *_networks(), *(_plugged(point) for point in points)]
    schemes: dict[str, Scheme] = {}
    for scheme in found:
        schemes.setdefault(scheme.name, scheme)
    return schemes


def _plugged(point: EntryPoint) -> Scheme:
    """The scheme of a plug-in; one that cannot be had is listed with the reason and stops nothing else."""
    try:
        plugged: Any = point.load()
        if isinstance(plugged, Scheme):
            return plugged
        problem = f"it must name a Scheme, got {type(plugged).__name__}"
    except (ImportError, AttributeError) as error:
        problem = f"it cannot be imported ({error})"
    message = f"the plug-in {point.name!r} ({point.value}, group {ENTRY_POINTS}) cannot be used: {problem}"

    def refuse(_: str) -> Any:
        raise ExtractorError(point.name, f"{message}; repair or uninstall it")

    return Scheme(ExtractorInfo(name=point.name, summary=message, needs="its repair"), refuse, refuse)


def _bundled() -> Scheme:
    info = ExtractorInfo(
        name="bundled",
        summary="A small learned network that ships in the package: objects, scenes, textures.",
        needs="nothing",
    )
    return _lazy("audit.extractors.bundled", info)


def _classical() -> Scheme:
    def load(_: str) -> Extractor:
        from audit.extractors.classical import load

        return load()

    info = ExtractorInfo(
        name="classical",
        summary="Colour, texture and edges in cells; no network, no accelerator, about 1 000 pictures/s a core.",
        needs="nothing",
    )
    return Scheme(info, load, lambda rest: load(rest).spec)


def _networks() -> list[Scheme]:
    openclip = ExtractorInfo(
        name="openclip:MODEL/PRETRAINED-or-PATH",
        summary="Image tower of any OpenCLIP model, with layers tapped by hooks. Options: #pre, #bf16, #size=N.",
        needs="weights: a pretrained tag (downloaded once) or the path of a .safetensors file",
    )
    timm = ExtractorInfo(
        name="timm:MODEL[/PATH]",
        summary="Any timm model: convolutional, transformer, hybrid. Options: #bf16, #size=N.",
        needs="weights: downloaded once, or the path of a .safetensors file",
    )
    program = ExtractorInfo(
        name="torch:PATH",
        summary="A torch program of your own: exported (.pt2) or TorchScript (.pt, .ts). Option: #bf16.",
        needs="the file and a .yaml beside it that describes input and outputs; it runs as a program",
    )
    graph = ExtractorInfo(
        name="onnx:PATH",
        summary="An ONNX graph of your own, run by ONNX Runtime on the CPU.",
        needs="the file, a .yaml beside it that describes input and outputs, and the extra 'onnx'",
    )
    return [
        replace(_lazy("audit.extractors.openclip", openclip), embeds_text=lambda rest: f"#{PRE}" not in rest),
        _lazy("audit.extractors.timm", timm),
        _lazy("audit.extractors.program", program, is_file=True),
        _lazy("audit.extractors.onnx", graph, is_file=True),
    ]


def _lazy(module: str, info: ExtractorInfo, *, is_file: bool = False) -> Scheme:
    """A scheme whose module, with ``load`` and ``resolve``, is imported at its first use."""

    def load(rest: str) -> Extractor:
        loaded: Extractor = import_module(module).load(rest)
        return loaded

    def resolve(rest: str) -> ExtractorSpec:
        spec: ExtractorSpec = import_module(module).resolve(rest)
        return spec

    return Scheme(info, load, resolve, is_file)
