"""A dataset as an audit stores it, with its Visual DNA and what every neuron gave for each picture."""

from __future__ import annotations

import dataclasses

import numpy as np

from audit.dna import DnaCounter
from audit.model import DatasetView, Neurons
from tests.views import RANGES, make_view


def stored(name: str, shift: float = 0.0, extractor: str = "e") -> DatasetView:
    """Ninety pictures of three classes; those of class dog move neuron 3 of the layer late."""
    rng = np.random.default_rng(len(name))
    late = (0.2 * rng.normal(size=(90, 1, 6)) + shift).astype(np.float32)
    late[60:, 0, 3] += 0.8
    counter = DnaCounter(RANGES, extractor)
    early = (0.2 * rng.normal(size=(90, 3, 4)) + shift).astype(np.float32)
    counter.add({"early": early, "late": late})
    means = np.concatenate([early.mean(axis=1), late[:, 0]], axis=1).astype(np.float16)
    layers = {"early": slice(0, 4), "late": slice(4, 10)}
    neurons = Neurons(values=means, layers=layers, border=np.zeros((90, 0), np.float16), border_layer="")
    return dataclasses.replace(make_view(1, name=name), dna=counter.dna(), neurons=neurons)
