"""Weights of neurons: which of them a comparison listens to, saved, versioned and named by what they hold.

Made from layers, from a list, from an attribute (:func:`of_attribute`: pictures that have it against pictures that
have it not, checked on pictures held out), or so that attributes are silenced (:func:`silencing`).

Source: Ramtoula et al., "Visual DNA", CVPR 2023, section 4.3 (neurons selected by an attribute, and removed to lose
sensitivity to one); the families of neurons by the largest statistic as in :mod:`audit.maths.permutation`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal, Self

import numpy as np
import numpy.typing as npt
from pydantic import BaseModel, ConfigDict, Field, model_validator

from audit.dna.ranges import NeuronRanges
from audit.errors import ConfigError, FingerprintMismatchError, TooFewImagesError
from audit.maths.attributes import Attribute, learn
from audit.maths.histograms import Doubles
from audit.maths.silencing import ridge_nnls
from audit.saved import LONGEST_NAME, Saved, name_of

RIDGE = 1e-4
"""How strongly silencing weights are drawn to those they start from; rows are scaled to a distance of 1."""
STRICT = 10.0
"""How much more a silenced attribute counts than a kept one."""
LEFT = 0.5
"""Share of its distance that may be left of an attribute that is called silenced, on what it was learnt from."""
MIN_IMAGES = 20
LEAST, LARGEST = 1e-100, 1e100
"""A weight is 0 or between these, so that sums and shares of weights are numbers."""


class Evidence(BaseModel):
    """How an attribute's weights did on pictures that were not learnt from."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    n_learnt: tuple[int, int]
    """Pictures with and without the attribute that were learnt from."""
    n_held_out: tuple[int, int]
    auc: float
    """How often a held-out picture with it scores higher than one without; 0.5 is guessing."""
    low: float
    high: float


class NeuronWeights(Saved):
    """A weight for every neuron of one extractor.

    extractor, ranges : fingerprints; the weights fit no other
    layers : mapping of layer name to one weight >= 0 for each of its neurons
    made : how, in words
    """

    kind = "neuron-weights"
    noun = "saved neuron weights"

    version: Literal[1] = 1
    name: str = Field(min_length=1, max_length=LONGEST_NAME)
    extractor: str
    ranges: str
    made: str
    layers: dict[str, tuple[float, ...]]
    evidence: Evidence | None = None

    @model_validator(mode="after")
    def _counts(self) -> Self:
        weights = [w for layer in self.layers.values() for w in layer]
        if any(not w >= 0 for w in weights):
            raise ValueError(f"the weights {self.name!r} hold one that is negative or no number")
        if any(w and not (LEAST <= w <= LARGEST) for w in weights):
            raise ValueError(f"the weights {self.name!r} hold one that is neither 0 nor from {LEAST:g} to {LARGEST:g}")
        return self

    def array(self, ranges: NeuronRanges, extractor: str) -> Doubles:
        """Weight of every neuron, float64 (N,).

        Raises
        ------
        FingerprintMismatchError
            If they are of another extractor or other ranges.
        ConfigError
            If they are not one for each neuron.
        """
        for what, own, asked in (
            ("extractor", self.extractor, extractor),
            ("neuron ranges", self.ranges, ranges.sha256),
        ):
            if own != asked:
                raise FingerprintMismatchError(f"the {what} of the weights {self.name!r} and of the DNA", own, asked)
        sizes = {name: len(known.low) for name, known in ranges.layers.items()}
        if sizes != {name: len(layer) for name, layer in self.layers.items()}:
            told = ", ".join(f"{name} ({n})" for name, n in sizes.items())
            raise ConfigError(f"the weights {self.name!r} are not one for each neuron; layers (and neurons) are {told}")
        return np.concatenate([np.zeros(0), *(np.array(self.layers[name], np.float64) for name in ranges.layers)])


def given(value: Any) -> NeuronWeights | None:
    """Weights as a configuration holds them: what was saved, as plain values with its fingerprint.

    Raises
    ------
    ConfigError
        If they are none, or were changed after they were saved.
    """
    if value is None or isinstance(value, NeuronWeights):
        return value
    if not isinstance(value, Mapping):
        raise ConfigError(
            f"neuron weights are the object that assay dna select saved, not {type(value).__name__}; only in a "
            "configuration file of the command line can they be the name of its file"
        )
    return NeuronWeights.from_plain(value)


def of_layers(ranges: NeuronRanges, extractor: str, layers: Sequence[str]) -> NeuronWeights:
    """Every neuron of the layers, each layer counting alike.

    Raises
    ------
    ConfigError
        If there is no such layer.
    """
    return of_neurons(ranges, extractor, layers, name=" + ".join(layers))


def of_neurons(ranges: NeuronRanges, extractor: str, chosen: Sequence[str], *, name: str) -> NeuronWeights:
    """Neurons by name, ``layer`` or ``layer:number``; those of one layer share the layer's weight.

    Raises
    ------
    ConfigError
        If none is chosen, or there is no such layer or neuron.
    """
    if not chosen:
        raise ConfigError("no neuron was chosen; name layers or neurons, such as last or last:17")
    weights = {layer: np.zeros(len(known.low)) for layer, known in ranges.layers.items()}
    for one in chosen:
        layer, _, number = one.rpartition(":") if one not in weights else (one, "", "")
        if layer not in weights or (number and not (number.isdecimal() and int(number) < len(weights[layer]))):
            known = ", ".join(f"{layer} ({len(w)})" for layer, w in weights.items())
            raise ConfigError(f"there is no neuron or layer {one!r}; the layers (and their neurons) are {known}")
        weights[layer][int(number) if number else slice(None)] = 1.0
    whole = np.concatenate([w / max(w.sum(), 1) for w in weights.values()])
    return saved(ranges, extractor, whole, name=name, made=f"chosen: {', '.join(chosen)}")


def of_attribute(
    ranges: NeuronRanges,
    extractor: str,
    having: npt.NDArray[np.floating],
    lacking: npt.NDArray[np.floating],
    rng: np.random.Generator,
    *,
    name: str,
) -> NeuronWeights:
    """Weights learnt from pictures that have an attribute and pictures that have it not; half of each is held out.

    Parameters
    ----------
    having, lacking : float (n, N)
        Image means of every neuron (:class:`audit.model.Neurons`).

    Raises
    ------
    TooFewImagesError
        With fewer than 20 pictures on a side.
    ConfigError
        If no neuron tells the two apart beyond chance.
    """
    fewest = min(len(having), len(lacking))
    if fewest < MIN_IMAGES:
        raise TooFewImagesError("learning an attribute, on each side,", fewest, MIN_IMAGES)
    found: Attribute | None = learn(having, lacking, ~ranges.dead, rng)
    if found is None:
        raise ConfigError(f"no neuron tells pictures with {name!r} from pictures without it, beyond chance")
    n = int((found.weights > 0).sum())
    evidence = Evidence(
        n_learnt=found.n_learnt, n_held_out=found.n_held_out, auc=found.auc, low=found.low, high=found.high
    )
    made = f"learnt from pictures with and without: {n} neurons beyond chance (family-wise level 0.05)"
    return saved(ranges, extractor, found.weights, name=name, made=made, evidence=evidence)


def silencing(
    ranges: NeuronRanges, extractor: str, attributes: Mapping[str, Doubles], silenced: Sequence[str], start: Doubles
) -> NeuronWeights:
    """Weights under which attributes move the distance no more, while the others move it as before.

    min over w ≥ 0 of Σ_s (10 · w·d_s)² + Σ_k (w·d_k - 1)² + ρ ‖w - w₀‖², each row scaled so that w₀·d = 1.

    Parameters
    ----------
    attributes : mapping of name to float64 (N,)
        How far each neuron is moved by an attribute: best its unbiased squared Cramér distance
        (:func:`audit.maths.distances.cramer`), which is 0 on average where the attribute does nothing; negative
        counts as 0.
    silenced : names of those to silence
    start : float64 (N,), >= 0
        The weights w₀ in use before.

    Raises
    ------
    ConfigError
        If a name is not among the attributes, or nothing would be left to listen to.
    """
    unknown = [name for name in silenced if name not in attributes]
    if unknown or not silenced:
        raise ConfigError(f"nothing to silence, or unknown: {unknown}; attributes are {', '.join(attributes)}")
    base = start / start.sum()
    moved = [np.maximum(d, 0.0) for d in attributes.values()]
    rows = np.stack([d / max(float(d @ base), np.finfo(float).tiny) for d in moved])
    is_silenced = np.array([name in silenced for name in attributes])
    scaled = rows * np.where(is_silenced, STRICT, 1.0)[:, None]
    found = ridge_nnls(scaled, np.where(is_silenced, 0.0, 1.0), base, RIDGE * len(base))
    left = rows[is_silenced] @ (found / max(float(found.sum()), np.finfo(float).tiny))
    if not found.any() or left.max() > LEFT:
        raise ConfigError(f"too many neurons answer to {', '.join(silenced)}: it cannot be silenced by weights")
    kept = [name for name in attributes if name not in silenced]
    made = f"silencing {', '.join(silenced)}; keeping {', '.join(kept) or 'nothing in particular'}"
    return saved(ranges, extractor, found / found.sum(), name="without " + " and ".join(silenced), made=made)


def saved(
    ranges: NeuronRanges, extractor: str, weights: Doubles, *, name: str, made: str, evidence: Evidence | None = None
) -> NeuronWeights:
    """Weights of every neuron, float64 (N,), as an object that can be saved."""
    rounded = np.round(weights, 12)
    layers = {layer: tuple(rounded[rows].tolist()) for layer, rows in ranges.slices.items()}
    return NeuronWeights(
        name=name_of(name), extractor=extractor, ranges=ranges.sha256, made=made, layers=layers, evidence=evidence
    )
