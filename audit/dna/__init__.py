"""Visual DNA: how the activations of every neuron of an extractor are distributed over a dataset.

The state is made of integers only, so that parts merge exactly, in any order. Docs: docs/visual-dna.md.

Source: Ramtoula, Gadd, Newman, De Martini, "Visual DNA: Representing and Comparing Images using Distributions of
Neuron Activations", CVPR 2023.

Limits: sums stay exact up to 2**23 images and 2**41 positions even if every activation lies 130 ranges away from
its neuron's range (and far beyond for ordinary ones); a merge that could pass int64 is refused.
"""

from audit.dna.counter import DnaCounter, NeuronsByImage
from audit.dna.merging import check_comparable, merge
from audit.dna.ranges import LayerRanges, NeuronRanges
from audit.dna.state import DNA_SCHEMA, DNA_VERSION, Dna
from audit.maths.histograms import N_BUCKETS

__all__ = [
    "DNA_SCHEMA",
    "DNA_VERSION",
    "N_BUCKETS",
    "Dna",
    "DnaCounter",
    "LayerRanges",
    "NeuronRanges",
    "NeuronsByImage",
    "check_comparable",
    "merge",
]
