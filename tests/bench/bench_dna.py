"""How much Visual DNA adds to a forward pass, and what merging and comparing cost.

``PYTHONPATH=. python -m tests.bench.bench_dna [--rounds 15] [--extractors classical bundled vit]``

One thread, its processor time, drawn pictures; forwarding and counting take turns, so that a ratio is of one moment.
``vit`` is ViT-B/16 with random weights, four blocks tapped, class token and patches apart; of it, what tapping itself
adds to the bare network is told too.
"""

from __future__ import annotations

import argparse
import statistics
from collections.abc import Callable
from functools import partial
from time import thread_time
from typing import Any

from threadpoolctl import threadpool_limits

from audit.dna import DnaCounter, merge
from audit.extractors import load_extractor
from audit.extractors._calibration import calibrate, thinned
from audit.extractors._network import Network
from audit.extractors._network import forward as normalised
from audit.extractors._torch import TorchRun
from audit.extractors.base import ExtractorSpec, InputSpec, Layer
from audit.extractors.timm import _timm, preprocessing_of, tapped
from audit.maths import distances
from audit.scenes import calibration_pictures

BATCH = {"classical": 32, "bundled": 32, "vit": 4}


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--extractors", nargs="+", default=list(BATCH))
    arguments = parser.parse_args()
    with threadpool_limits(1):
        for name in arguments.extractors:
            extractor, bare = _vit() if name == "vit" else (load_extractor(name), None)
            _measure(name, extractor, arguments.rounds, bare)


def _measure(name: str, extractor: Any, rounds: int, bare: Callable[[Any], object] | None) -> None:
    batch = calibration_pictures(BATCH[name], extractor.spec.input.size)
    counter = DnaCounter(extractor.ranges, extractor.spec.fingerprint)
    layers = extractor.features(batch).layers
    n_values = sum(values.size for values in layers.values())
    counter.add(layers)
    steps = {
        "forward": lambda: extractor.features(batch),
        "counting": lambda: counter.add(layers),
        **({"bare": lambda: bare(batch)} if bare else {}),
    }
    spent: dict[str, list[float]] = {step: [] for step in steps}
    for _ in range(rounds):
        for step, work in steps.items():
            spent[step].append(_seconds(work))
    per_picture = {step: statistics.median(times) / len(batch) * 1e3 for step, times in spent.items()}
    share = _ratio(spent["counting"], spent["forward"])
    nanoseconds = statistics.median(spent["counting"]) / n_values * 1e9
    print(f"{name}: forward {per_picture['forward']:.2f} ms a picture, counting {per_picture['counting']:.3f} ms,")
    print(
        f"  {share:.2%} of the forward pass, {nanoseconds:.1f} ns an activation of {n_values // len(batch)} a picture"
    )
    if bare:
        tapping = _ratio(spent["forward"], spent["bare"])
        print(f"  the bare network {per_picture['bare']:.2f} ms; with its taps {tapping:.3f} times as long")
    dna = counter.dna()
    print(f"  merging {_seconds(lambda: merge([dna] * 20)) / 20 * 1e3:.2f} ms a part of {dna.ranges.n_neurons} neurons")
    print(f"  comparing {_seconds(lambda: (distances.wasserstein(dna, dna), distances.floor(dna, dna))) * 1e3:.1f} ms")


def _seconds(work: Callable[[], object]) -> float:
    start = thread_time()
    work()
    return thread_time() - start


def _ratio(above: list[float], below: list[float]) -> float:
    return statistics.median(a / b for a, b in zip(above, below, strict=True))


def _vit() -> tuple[Network, Callable[[Any], object]]:
    """ViT-B/16 with random weights as an extractor, and the network without taps."""
    name = "vit_base_patch16_224"
    model = _timm().create_model(name, pretrained=False, num_classes=0).eval()
    preprocessing = preprocessing_of(name, model)
    run = TorchRun(tapped(name, model, preprocessing.input.size), "cpu")
    seen = normalised(preprocessing, run, calibration_pictures(16, preprocessing.input.size)).layers
    spec = ExtractorSpec(
        name=name,
        architecture=name,
        weights_sha256="0" * 64,
        input=InputSpec(size=preprocessing.input.size),
        dimension=768,
        layers=tuple(Layer(name=layer, n_neurons=values.shape[2]) for layer, values in seen.items()),
        ranges_sha256="",
    )
    network = Network(preprocessing, run, (spec, calibrate([thinned(seen)], "drawn scenes")))
    return network, partial(normalised, preprocessing, TorchRun(lambda pixels: (model(pixels), {}), "cpu"))


if __name__ == "__main__":
    main()
