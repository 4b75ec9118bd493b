"""Train the bundled extractor: the teacher's network learns to see at 128 pixels what the teacher sees at 224.

    python -m infra.train_extractor.train --data FOLDER --out build/extractor [--steps 2500]

FOLDER holds ``tiny-imagenet-train.parquet`` (column ``image``) and ``weights/mobilenetv2_imagenet_trunk.safetensors``.
Labels are not read. The run writes ``network.safetensors`` (float16), ``log.jsonl`` and ``run.json`` (seed, settings,
hashes). Every random choice follows from the seed; that a run repeats byte for byte has not been tried.

Losses, all between averages over places of the same part of the picture: the cosine between student's and teacher's
embedding, and the squared differences of the last map and of three stages in units of the teacher's variance (A. Romero
et al., "FitNets", ICLR 2015). The weights kept are a running average over steps (B. Polyak, A. Juditsky, 1992), and of
that and the weights training started from the mean: it knows what both know (M. Wortsman et al., "Robust fine-tuning of
zero-shot models", CVPR 2022).
"""

from __future__ import annotations

import argparse
import hashlib
import io
import json
import time
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import torch
import torch.nn.functional as F  # noqa: N812 (its customary name)
from PIL import Image
from safetensors.torch import save_file
from torch import Tensor

from audit.extractors._mobilenet import Network, Trunk
from audit.extractors.bundled import PREPROCESSING
from infra.train_extractor.teacher import read_teacher
from infra.train_extractor.views import draw, resized

PICTURES = "tiny-imagenet-train.parquet"
TEACHER = "weights/mobilenetv2_imagenet_trunk.safetensors"


@dataclass(frozen=True)
class Recipe:
    """Everything that decides the weights, but for the machine."""

    seed: int = 0
    steps: int = 2500
    batch: int = 64
    student_side: int = 128
    teacher_side: int = 224
    dimension: int = 384
    peak_rate: float = 4e-4
    warm_up: int = 100
    decay: float = 0.01
    average: float = 0.998
    map_weight: float = 0.3
    stage_weight: float = 0.1
    stages: tuple[int, ...] = (3, 4, 6)
    n_axes: int = 8000
    whitening: float = 0.5
    damping: float = 0.01
    n_held_out: int = 1000
    start_share: float = 0.5


def main() -> None:
    """Read, train, write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--out", type=Path, default=Path("build/extractor"))
    for name in ("seed", "steps", "batch"):
        parser.add_argument(f"--{name}", type=int, default=getattr(Recipe, name))
    options = parser.parse_args()
    recipe = Recipe(seed=options.seed, steps=options.steps, batch=options.batch)
    options.out.mkdir(parents=True, exist_ok=True)
    hashes = {name: _sha256(options.data / name) for name in (PICTURES, TEACHER)}
    about = {"recipe": asdict(recipe), "sha256": hashes, "torch": torch.__version__, "device": _device()}
    (options.out / "run.json").write_text(json.dumps(about, indent=2, sort_keys=True) + "\n")
    torch.manual_seed(recipe.seed)
    network = Trainer(recipe, options.data, options.out).run()
    state = {name: value.half().contiguous().cpu() for name, value in network.state_dict().items()}
    save_file(state, options.out / "network.safetensors", {"recipe": json.dumps(about, sort_keys=True)})


class Trainer:
    """One run of a recipe."""

    def __init__(self, recipe: Recipe, data: Path, out: Path) -> None:
        self.recipe, self._out, self._device = recipe, out, _device()
        pictures = read_pictures(data / PICTURES)
        order = torch.from_numpy(np.random.default_rng(recipe.seed).permutation(len(pictures)))
        self._held_out = pictures[order[: recipe.n_held_out]]
        self._pictures = pictures[order[recipe.n_held_out :]]
        self._generator = torch.Generator().manual_seed(recipe.seed)
        self._teacher = _fast(read_teacher(data / TEACHER), self._device)
        weight, bias = self._axes()
        self._head = (weight, bias)
        self._network = Network(recipe.dimension)
        self._network.trunk.load_state_dict(read_teacher(data / TEACHER).state_dict())
        with torch.no_grad():
            self._network.head.weight.copy_(weight)
            self._network.head.bias.copy_(bias)
        self._network = _fast(self._network, self._device)
        self._average = Network(recipe.dimension)
        self._average.load_state_dict(self._network.state_dict())
        self._start = {name: value.clone() for name, value in self._network.state_dict().items()}
        self._average = _fast(self._average, self._device)

    def run(self) -> Network:
        """Train; the network averaged over steps and with its start."""
        recipe = self.recipe
        optimizer = torch.optim.AdamW(self._network.parameters(), lr=recipe.peak_rate, weight_decay=recipe.decay)
        schedule = torch.optim.lr_scheduler.OneCycleLR(
            optimizer, recipe.peak_rate, total_steps=recipe.steps, pct_start=min(0.3, recipe.warm_up / recipe.steps)
        )
        started, losses = time.monotonic(), []
        with (self._out / "log.jsonl").open("w") as log:
            for step in range(recipe.steps + 1):
                if step % 250 == 0:
                    line = {"step": step, "seconds": round(time.monotonic() - started), **self._score()}
                    line["loss"] = float(np.mean(losses)) if losses else None
                    losses = []
                    log.write(json.dumps(line) + "\n")
                    log.flush()
                if step < recipe.steps:
                    losses.append(self._step(optimizer, schedule, step))
        return mixed(self._average, self._start, recipe.start_share)

    def _step(
        self, optimizer: torch.optim.Optimizer, schedule: torch.optim.lr_scheduler.LRScheduler, step: int
    ) -> float:
        recipe = self.recipe
        views = draw(self._pictures, recipe.batch, (recipe.teacher_side, recipe.student_side), self._generator)
        with torch.no_grad():
            taught = self._teacher(_input(views.teacher, self._device))
            wanted = F.linear(taught[-1].mean((2, 3)), *self._head)
        embedding, maps = self._network(_input(views.student, self._device))
        loss = (1 - F.cosine_similarity(embedding, wanted)).mean()
        loss = loss + recipe.map_weight * difference(maps[-1], taught[-1])
        loss = loss + recipe.stage_weight * sum(difference(maps[k], taught[k]) for k in recipe.stages)
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(self._network.parameters(), 1.0)
        optimizer.step()
        schedule.step()
        keep = min(recipe.average, step / (step + 10))
        with torch.no_grad():
            for mean, value in zip(self._average.parameters(), self._network.parameters(), strict=True):
                mean.lerp_(value, 1 - keep)
        return float(loss.detach())

    def _axes(self) -> tuple[Tensor, Tensor]:
        """Weight (d, c) and bias (d,) that turn the teacher's mean features into coordinates on their principal axes,
        each divided by (variance + damping)^(whitening / 2)."""
        features = self._teach(self._pictures[: self.recipe.n_axes]).double()
        mean = features.mean(0)
        variance, axes = torch.linalg.eigh(torch.cov((features - mean).T))
        variance, axes = variance.flip(0)[: self.recipe.dimension], axes.flip(1)[:, : self.recipe.dimension]
        scale = (variance + self.recipe.damping * variance[0]) ** (-self.recipe.whitening / 2)
        weight = (axes * scale).T
        return weight.float().to(self._device), (-weight @ mean).float().to(self._device)

    def _teach(self, pictures: Tensor) -> Tensor:
        side = self.recipe.teacher_side
        with torch.no_grad():
            parts = [
                self._teacher(_input(resized(pictures[i : i + 64].float() / 255, side), self._device))[-1].mean((2, 3))
                for i in range(0, len(pictures), 64)
            ]
        return torch.cat(parts).cpu()

    def _score(self) -> dict[str, float]:
        """Mean cosine between the averaged student's and the teacher's embedding of pictures that no one trained on."""
        if not hasattr(self, "_wanted"):
            self._wanted = F.linear(self._teach(self._held_out).to(self._device), *self._head)
        with torch.no_grad():
            parts = [
                self._average(
                    _input(resized(self._held_out[i : i + 64].float() / 255, self.recipe.student_side), self._device)
                )[0]
                for i in range(0, len(self._held_out), 64)
            ]
        return {"held_out_cosine": float(F.cosine_similarity(torch.cat(parts), self._wanted).mean())}


def mixed(network: Network, start: dict[str, Tensor], share: float) -> Network:
    """The network with a share of each weight taken from ``start``."""
    state = {name: torch.lerp(value, start[name], share) for name, value in network.state_dict().items()}
    network.load_state_dict(state)
    return network


def difference(student: Tensor, teacher: Tensor) -> Tensor:
    """Mean squared difference of maps (b, c, h, w) in units of the teacher's variance of each channel."""
    teacher = F.adaptive_avg_pool2d(teacher, student.shape[2:])
    variance = teacher.var((0, 2, 3), keepdim=True)
    variance = variance + 0.1 * variance.mean()
    return ((student - teacher) ** 2 / variance).mean()


def read_pictures(path: Path) -> Tensor:
    """Every picture of the column ``image``, uint8 (n, 3, 64, 64)."""
    column = pq.read_table(path, columns=["image"]).column("image")
    values = (value.as_py() for value in column)
    arrays = [
        np.asarray(Image.open(io.BytesIO(v if isinstance(v, bytes) else v["bytes"])).convert("RGB")) for v in values
    ]
    return torch.from_numpy(np.stack(arrays)).permute(0, 3, 1, 2)


def _fast(module: Network | Trunk, device: str):
    return module.to(device, memory_format=torch.channels_last)


def _input(pictures: Tensor, device: str) -> Tensor:
    """Pictures float32 (b, 3, s, s) in [0, 1] as the network takes them."""
    mean, std = (torch.tensor(v).view(1, 3, 1, 1) for v in (PREPROCESSING.mean, PREPROCESSING.std))
    return ((pictures - mean) / std).to(device, memory_format=torch.channels_last)


def _device() -> str:
    return "cuda" if torch.cuda.is_available() else "cpu"


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


if __name__ == "__main__":
    main()
