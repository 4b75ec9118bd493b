"""Visual DNA written by the published library: its ``.json`` and ``.npz`` pair, read into the same comparison.

The library keeps three kinds: ``histogram`` (counts per neuron and bin, of z in [-1, 1]), ``gaussian`` (mean and
variance per neuron over images) and ``layer-gaussian`` (mean and covariance per layer). None says how images vary, so
nothing that is read here has a floor, a p-value or an interval: "no uncertainty available". The library also stores
no ranges; two files are comparable when their extractors and bins are the same, which is all that can be checked.

Source: library ``vdna`` 0.1.1, ``vdnas/vdna_base.py``, ``vdna_hist.py``, ``vdna_gauss.py``, ``vdna_layer_gauss.py``.
"""

from __future__ import annotations

import io
import json
import zipfile
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from audit.dna.comparing import NO_UNCERTAINTY
from audit.dna.files import ABOUT, about_of, parquet_bytes, read_parquet
from audit.errors import ConfigError, FingerprintMismatchError
from audit.maths import peer
from audit.maths.histograms import Doubles

KINDS = ("histogram", "gaussian", "layer-gaussian")
FORM = b"peer-1"
_DAMAGED = (
    KeyError,
    TypeError,
    ValueError,
    ArithmeticError,
    AttributeError,
    RuntimeError,
    OSError,
    EOFError,
    zipfile.BadZipFile,
    zlib.error,
)
"""What reading damaged JSON or a damaged archive can raise."""
_ARRAYS = {"histogram": ("",), "gaussian": ("mu-", "var-"), "layer-gaussian": ("mu-", "sigma-")}

_SCHEMA = pa.schema(
    [
        pa.field("layer", pa.string(), nullable=False),
        pa.field("shape", pa.list_(pa.int32()), nullable=False),
        pa.field("values", pa.list_(pa.float64()), nullable=False),
    ]
)
"""Counts up to 2**53 are exact as float64."""


@dataclass(frozen=True, eq=False)
class PeerDna:
    """Visual DNA of the published library.

    Attributes
    ----------
    kind : str
        One of ``histogram``, ``gaussian``, ``layer-gaussian``.
    extractor : str
        The library's name of its feature extractor.
    n_images : int
    n_bins : int
        0 unless a histogram.
    layers : mapping of layer name to its arrays
        ``histogram``: counts int64 (c, n_bins). ``gaussian``: mean and variance, float64 (c,) each. ``layer-gaussian``:
        mean float64 (c,) and covariance float64 (c, c).
    """

    kind: str
    extractor: str
    n_images: int
    n_bins: int
    layers: Mapping[str, tuple[npt.NDArray[Any], ...]]


@dataclass(frozen=True)
class PeerComparison:
    """The published library's own distance of two of its DNA.

    Attributes
    ----------
    measure : str
        ``EMD`` in bins, ``NFD`` or ``FD``.
    distance : float
        EMD and NFD: plain mean over all neurons; FD: mean over layers.
    layers : mapping of layer name to float
    neurons : mapping of layer name to float64 (c,); empty for FD
    note : str
        Why there is no uncertainty.
    """

    measure: str
    distance: float
    layers: Mapping[str, float]
    neurons: Mapping[str, Doubles]
    note: str = NO_UNCERTAINTY


def read_peer(about: bytes, arrays: bytes) -> PeerDna:
    """Read a pair of files of the published library.

    Parameters
    ----------
    about, arrays : bytes
        Of the ``.json`` and of the ``.npz``; no pickled object is ever loaded.

    Raises
    ------
    ConfigError
        If they are not such a pair, do not fit each other, or hold counts that cannot be (negative: the library
        counts in 32 bits, which wrap beyond two thousand million positions).
    """
    try:
        said = json.loads(about)
        kind, extractor, listed = said["type"], str(said["feature_extractor_name"]), dict(said["neurons_list"])
        n_images, neurons = int(said["num_images"]), {str(layer): int(c) for layer, c in listed.items()}
        with np.load(io.BytesIO(arrays), allow_pickle=False) as stored:
            found = {name: stored[name] for name in stored.files}
    except _DAMAGED as error:
        raise ConfigError(f"not a .json and .npz pair of the published Visual DNA library: {error}") from None
    if kind not in KINDS:
        raise ConfigError(f"a Visual DNA of the kind {kind!r} cannot be compared; kinds are {', '.join(KINDS)}")
    if n_images < 0 or not neurons:
        raise ConfigError(f"a Visual DNA of {n_images} images and {len(neurons)} layers; it takes one layer at least")
    wanted = [prefix + layer for layer in neurons for prefix in _ARRAYS[kind]]
    absent = [name for name in wanted if name not in found]
    if absent:
        raise ConfigError(f"the .npz lacks {', '.join(absent[:5])} that the .json names; are the two of one DNA?")
    layers = {layer: _layer(kind, layer, c, found) for layer, c in neurons.items()}
    bins = {arrays[0].shape[1] for arrays in layers.values()} if kind == "histogram" else {0}
    if len(bins) > 1:
        raise ConfigError(f"the layers have different numbers of bins: {', '.join(map(str, sorted(bins)))}")
    return PeerDna(kind, extractor, n_images, bins.pop(), layers)


def _layer(kind: str, layer: str, c: int, found: Mapping[str, npt.NDArray[Any]]) -> tuple[npt.NDArray[Any], ...]:
    arrays = tuple(found[prefix + layer] for prefix in _ARRAYS[kind])
    wanted = {"gaussian": [(c,), (c,)], "layer-gaussian": [(c,), (c, c)]}
    shapes = [array.shape for array in arrays]
    fits = shapes[0][:1] == (c,) and len(shapes[0]) == 2 and shapes[0][1] > 0
    if c < 1 or not (fits if kind == "histogram" else shapes == wanted[kind]):
        said = ", ".join(str(shape) for shape in shapes)
        raise ConfigError(f"the layer {layer!r} has {c} neurons in the .json and shapes {said} in the .npz")
    if any(array.dtype.kind not in "iuf" or not np.isfinite(array).all() for array in arrays):
        raise ConfigError(f"the layer {layer!r} holds something that is no number")
    return _counts(layer, arrays[0]) if kind == "histogram" else _normals(kind, layer, arrays)


def _counts(layer: str, stored: npt.NDArray[Any]) -> tuple[npt.NDArray[Any], ...]:
    if (stored < 0).any():
        raise ConfigError(f"the layer {layer!r} has negative counts: they passed 2**31 and wrapped when written")
    if (stored > 2**53).any() or (stored != np.floor(stored)).any():
        raise ConfigError(f"the layer {layer!r} has counts that are no whole numbers up to 2**53")
    if not stored.any(axis=1).all():
        raise ConfigError(f"the layer {layer!r} has a neuron without any count: there is nothing to compare")
    return (stored.astype(np.int64),)


def _normals(kind: str, layer: str, arrays: tuple[npt.NDArray[Any], ...]) -> tuple[npt.NDArray[Any], ...]:
    mean, spread = (array.astype(np.float64) for array in arrays)
    if ((spread if kind == "gaussian" else np.diag(spread)) < 0).any():
        raise ConfigError(f"the layer {layer!r} has a negative variance")
    return mean, spread


def compare_peer(left: PeerDna, right: PeerDna) -> PeerComparison:
    """The library's own distance: EMD of histograms, NFD of ``gaussian``, FD of ``layer-gaussian``.

    Raises
    ------
    FingerprintMismatchError
        If extractors differ.
    ConfigError
        If kinds, bins or layers differ.
    """
    if left.extractor != right.extractor:
        raise FingerprintMismatchError("the extractors of two Visual DNA", left.extractor, right.extractor)
    same = (left.kind, left.n_bins, list(left.layers)) == (right.kind, right.n_bins, list(right.layers))
    if not same:
        raise ConfigError("two Visual DNA of the published library must have one kind, number of bins and layers")
    if left.kind == "layer-gaussian":
        layers = {name: _frechet(left.layers[name], right.layers[name]) for name in left.layers}
        return PeerComparison("FD", float(np.mean(list(layers.values()))), layers, {})
    measure, distance = ("EMD", _emd) if left.kind == "histogram" else ("NFD", _normal)
    neurons = {name: distance(left.layers[name], right.layers[name]) for name in left.layers}
    total = float(np.concatenate(list(neurons.values())).mean())
    return PeerComparison(measure, total, {name: float(v.mean()) for name, v in neurons.items()}, neurons)


def _emd(left: tuple[npt.NDArray[Any], ...], right: tuple[npt.NDArray[Any], ...]) -> Doubles:
    return peer.emd(left[0], right[0])


def _normal(left: tuple[npt.NDArray[Any], ...], right: tuple[npt.NDArray[Any], ...]) -> Doubles:
    return peer.normal_distance((left[0], right[0]), (left[1], right[1]))


def _frechet(left: tuple[npt.NDArray[Any], ...], right: tuple[npt.NDArray[Any], ...]) -> float:
    return peer.frechet((left[0], right[0]), (left[1], right[1]))


def to_bytes(dna: PeerDna) -> bytes:
    """An imported DNA as one Parquet file: a row per array of a layer, marked "no uncertainty available"."""
    rows: list[dict[str, Any]] = [
        {"layer": layer, "shape": list(array.shape), "values": array.astype(np.float64).ravel()}
        for layer, arrays in dna.layers.items()
        for array in arrays
    ]
    about = {name: getattr(dna, name) for name in ("kind", "extractor", "n_images", "n_bins")} | {
        "note": NO_UNCERTAINTY
    }
    schema = _SCHEMA.with_metadata({ABOUT: json.dumps(about, sort_keys=True)})
    return parquet_bytes(pa.Table.from_pylist(rows, schema=schema), FORM)


def from_bytes(data: bytes) -> PeerDna:
    """The imported DNA that :func:`to_bytes` wrote.

    Raises
    ------
    ConfigError
        If the file is not one.
    """
    table = read_parquet(data, FORM, "imported Visual DNA")
    about = about_of(table)
    if table.schema.names != _SCHEMA.names or not {"kind", "extractor", "n_images", "n_bins"} <= about.keys():
        raise ConfigError("an imported Visual DNA file whose columns or metadata are not those of the form")
    kind = np.int64 if about["kind"] == "histogram" else np.float64
    layers: dict[str, tuple[npt.NDArray[Any], ...]] = {}
    for row in table.to_pylist():
        array = np.array(row["values"]).reshape(row["shape"]).astype(kind)
        layers[row["layer"]] = (*layers.get(row["layer"], ()), array)
    return PeerDna(about["kind"], about["extractor"], about["n_images"], about["n_bins"], layers)
