"""The published Visual DNA library and this one side by side, in one run, on the same activations, one thread.

    PYTHONPATH=. python tests/bench/bench_dna_peer.py --peer FOLDER

FOLDER holds the unpacked wheel of ``vdna`` 0.1.1; of what it imports only torch and NumPy run here. Activations have
the shape of a ViT-B/16 (13 layers of 768 neurons, 197 places), drawn from a normal distribution with one mean per
picture. Fitting is timed over batches of 8 pictures, comparing over two DNA of 9 984 neurons. Every figure is a median.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np
import torch
from threadpoolctl import threadpool_limits

from audit.dna import Dna, DnaCounter, LayerRanges, NeuronRanges, compact, files
from audit.dna.comparing import compare
from audit.dna.matrix import distance_matrix
from audit.maths import distances

LAYERS = [f"block_{i}" for i in range(13)]
NOT_RUN = ("torchvision", "torchvision.transforms", "torchvision.utils", "huggingface_hub")
"""What the peer imports to read pictures and to fetch weights."""
CHANNELS, PLACES, BATCH, N_BATCHES = 768, 197, 8, 3


def activations(seed: int) -> dict[str, np.ndarray]:
    """A batch, float32 (b, places, c) of every layer."""
    rng = np.random.default_rng(seed)
    return {
        name: (
            rng.normal(size=(BATCH, 1, CHANNELS)) + rng.standard_normal((BATCH, PLACES, CHANNELS), np.float32)
        ).astype(np.float32)
        for name in LAYERS
    }


class Loader:
    """What the peer takes for a data loader: batches, and a dataset of which only the length is asked."""

    def __init__(self, batches: list[dict[str, np.ndarray]]) -> None:
        self.batches = [
            {name: torch.from_numpy(v.transpose(0, 2, 1)[..., None].copy()) for name, v in batch.items()}
            for batch in batches
        ]
        self.dataset = [torch.zeros(3, 4, 4)] * (BATCH * len(batches))

    def __iter__(self) -> Iterator[dict[str, torch.Tensor]]:
        return iter([dict(batch) for batch in self.batches])


def peer_fit(batches: list[dict[str, np.ndarray]]) -> tuple[Any, float]:
    """The peer's histogram DNA of batches, and seconds for a picture."""
    from vdna.networks.feature_extraction_model import FeatureExtractionModel
    from vdna.utils.settings import DataSettings, ExtractionSettings, NetworkSettings
    from vdna.vdnas import get_vdna

    loader = Loader(batches)

    class Fed(FeatureExtractionModel):
        def get_dataloader(self, data_settings: object) -> Loader:
            return loader

        def get_batch_features(self, batch: dict[str, torch.Tensor], device: object) -> dict[str, torch.Tensor]:
            return batch

    ends = {
        key: {name: dict.fromkeys(range(CHANNELS), value) for name in LAYERS}
        for key, value in (("mins_per_neuron", -4.0), ("maxs_per_neuron", 4.0))
    }
    network = NetworkSettings(neurons_per_layer=dict.fromkeys(LAYERS, CHANNELS), expected_size=(4, 4))
    fed = Fed(network, ExtractionSettings(device="cpu", n_sample_images=0, verbose=False), ends)
    made = get_vdna("histogram-1000")
    start = time.perf_counter()
    try:
        made.fill_vdna(fed, DataSettings(source="none"))
    except (RuntimeError, IndexError):
        if not made.data:
            features, made.num_images = fed_features(fed, loader)
            made._fit_distribution(features)
    return made, (time.perf_counter() - start) / (BATCH * len(batches))


def fed_features(fed: Any, loader: Loader) -> tuple[dict[str, torch.Tensor], int]:
    """The peer's own counting, where it stumbles over having no sample images to show."""
    from vdna.utils.stats import histogram_per_channel

    total: dict[str, torch.Tensor] = {}
    for batch in loader:
        for name, values in batch.items():
            scaled = (values - fed.norm_means_per_layer[name]) / fed.norm_stds_per_layer[name]
            part = histogram_per_channel(scaled, 1000, [-1.0, 1.0])
            total[name] = total[name] + part if name in total else part
    return total, len(loader.dataset)


def own_fit(batches: list[dict[str, np.ndarray]]) -> tuple[Dna, float]:
    """The DNA of batches, and seconds for a picture."""
    one = LayerRanges(np.full(CHANNELS, -4.8, np.float32), np.full(CHANNELS, 4.8, np.float32), np.zeros(CHANNELS, bool))
    counter = DnaCounter(NeuronRanges(dict.fromkeys(LAYERS, one), "bench"), "bench")
    start = time.perf_counter()
    for batch in batches:
        counter.add(batch)
    return counter.dna(), (time.perf_counter() - start) / (BATCH * len(batches))


def median_seconds(function: Callable[[], object], n: int = 7) -> float:
    """Median of n calls after one that is not counted."""
    function()
    seconds = []
    for _ in range(n):
        start = time.perf_counter()
        function()
        seconds.append(time.perf_counter() - start)
    return statistics.median(seconds)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--peer", type=Path, required=True)
    sys.path.insert(0, str(parser.parse_args().peer))
    for name in NOT_RUN:
        sys.modules[name] = mock.MagicMock()
    torch.set_num_threads(1)
    with threadpool_limits(1):
        _measure()


def _measure() -> None:
    from vdna import EMD

    own_fit([activations(0)])
    batches = [[activations(10 * side + i) for i in range(N_BATCHES)] for side in range(2)]
    theirs, ours = [peer_fit(one) for one in batches], [own_fit(one) for one in batches]
    t_fit, o_fit = (statistics.median(seconds for _, seconds in side) for side in (theirs, ours))
    print(f"fitting    peer {t_fit * 1e3:8.2f} ms a picture, own {o_fit * 1e3:7.2f} ms: {t_fit / o_fit:6.1f} times")
    left, right = (made for made, _ in theirs)
    a, b = (made for made, _ in ours)
    small = [compact.compact(a), compact.compact(b)]
    t = median_seconds(lambda: EMD(left, right))
    for name, function in (
        ("distance of compact forms", lambda: distance_matrix(small)),
        ("distance of whole DNA", lambda: distances.wasserstein(a, b)),
        ("with floor, p-value and interval", lambda: compare(a, b, np.random.default_rng(0))),
    ):
        o = median_seconds(function)
        print(f"comparing  peer {t * 1e3:8.2f} ms, own {o * 1e3:9.2f} ms: {t / o:6.1f} times ({name})")
    print(f"distances  peer {float(EMD(left, right)):.4f} bins of 1 000, own {_plain(a, b):.4f}")
    with tempfile.TemporaryDirectory() as folder:
        left._save_dist_data(Path(folder) / "peer.npz")
        n_bytes = (Path(folder) / "peer.npz").stat().st_size
    print(
        f"file       peer {n_bytes / 1e6:.2f} MB, own whole {len(files.to_bytes(a)) / 1e6:.2f} MB, "
        f"compact {len(compact.to_bytes(small[0])) / 1e6:.2f} MB ({BATCH * N_BATCHES} pictures)"
    )
    held = sum(v.numel() * v.element_size() for v in left.data.values())
    own = sum(getattr(a, name).nbytes for name in ("counts", "tails", "spread", "buckets")) + 4 * a.n_images.nbytes
    print(f"memory     peer {held / 1e6:.1f} MB, own {own / 1e6:.1f} MB, whatever the number of pictures")


def _plain(a: Dna, b: Dna) -> float:
    """The peer's aggregation: plain mean over neurons, in thousandths of the range."""
    return float(distances.wasserstein(a, b).mean() * 1000 / 126)


if __name__ == "__main__":
    main()
