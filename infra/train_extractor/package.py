"""Calibrate the neuron ranges of trained weights and put both into the package.

    python -m infra.train_extractor.package --data FOLDER --run build/extractor

Half of the calibration pictures are single ones, blown up from 64 pixels; half are mosaics of four, as sharp as the
network can see: real pictures are of either kind.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
import torch
from safetensors import safe_open
from safetensors.numpy import save_file

from audit.dna import NeuronRanges
from audit.extractors._calibration import calibrate
from audit.extractors._network import forward
from audit.extractors._torch import TorchRun
from audit.extractors.bundled import PREPROCESSING, SIDE, WEIGHTS, range_tensors
from audit.extractors.bundled import forward as bundled_forward
from infra.train_extractor.train import PICTURES, read_pictures
from infra.train_extractor.views import resized

N_EACH = 1000
SEED = 0
STATEMENT = (
    f"{N_EACH} pictures of the Tiny-ImageNet training set and {N_EACH} mosaics of four of them, drawn with seed {SEED}"
)


def main() -> None:
    """Read the weights, calibrate, write the file of the package."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--run", type=Path, default=Path("build/extractor"))
    parser.add_argument("--out", type=Path, default=WEIGHTS)
    options = parser.parse_args()
    weights = options.run / "network.safetensors"
    ranges = ranges_of(weights, read_pictures(options.data / PICTURES))
    with safe_open(weights, "np") as stored:
        tensors = {name: stored.get_tensor(name) for name in stored.keys()}  # noqa: SIM118 (it is no mapping)
        recipe = stored.metadata()["recipe"]
    about = {"calibration": STATEMENT, "recipe": recipe, "licence": "Apache-2.0"}
    save_file({**tensors, **range_tensors(ranges)}, options.out, about)


def ranges_of(weights: Path, pictures: torch.Tensor) -> NeuronRanges:
    """Ranges of every neuron on the calibration pictures."""
    run = TorchRun(bundled_forward("cpu", weights), "cpu")
    chosen = torch.from_numpy(np.random.default_rng(SEED).permutation(len(pictures))[: 5 * N_EACH])
    alone, quarters = pictures[chosen[:N_EACH]], pictures[chosen[N_EACH:]]
    rows = [torch.cat([quarters[i::4] for i in pair], dim=3) for pair in ((0, 1), (2, 3))]
    shown = [resized(alone.float() / 255, SIDE), torch.cat(rows, dim=2).float() / 255]
    batch = (torch.cat(shown) * 255).round().to(torch.uint8).permute(0, 2, 3, 1).contiguous().numpy()
    parts = (forward(PREPROCESSING, run, batch[i : i + 50]).layers for i in range(0, len(batch), 50))
    return calibrate(list(parts), STATEMENT)


if __name__ == "__main__":
    main()
