"""A small pair of towers for text and pictures, trained on real pictures with captions of known labels.

An OpenCLIP model of a configuration of its own: MobileNetV2 trained on ImageNet (frozen, from the shared folder) with a
linear projection, and a transformer of two layers for text. Only the projection and the text tower learn, from pooled
features that are computed once. Everything goes into one checkpoint with its configuration beside it: what a user's own
``openclip:MODEL/PATH`` is. Written to a cache folder, never committed.

Source of the loss: Radford et al., "Learning Transferable Visual Models From Natural Language Supervision", 2021,
figure 3; captions that are equal are each other's positives (Yang et al., "UniCL", CVPR 2022).
"""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from audit.extractors.base import InputSpec
from audit.pictures.process import process
from audit.settings.prompts import texts_of
from tests.bench.real_pictures import shared_data
from tests.bench.text_pictures import PHRASES, SIDE, Shown, pictures

MODEL = "mobilenet-small-text"
CONFIG = {
    "embed_dim": 64,
    "vision_cfg": {
        "timm_model_name": "mobilenetv2_100",
        "timm_model_pretrained": False,
        "timm_pool": "avg",
        "timm_proj": "linear",
        "image_size": SIDE,
    },
    "text_cfg": {"context_length": 20, "vocab_size": 49408, "width": 128, "heads": 4, "layers": 2},
}
N_STEPS, BATCH = 800, 128
WITH_SETTING = 0.7
"""Share of captions that name the setting where it is known."""
WEIGHTS = {"drawn": 1.0, "waterbirds": 1.0, "weather": 1.0, "daynight": 0.5, "tiny": 1.5}
"""How often a set is shown, beside the others."""

Floats = npt.NDArray[np.float32]


def extractor_name(cache: Path) -> str:
    """The name of the trained pair for ``--extractor``; it is trained first if the cache does not hold it."""
    cache.mkdir(parents=True, exist_ok=True)
    path = cache.resolve() / f"{MODEL}.safetensors"
    path.with_suffix(".json").write_text(json.dumps(CONFIG, indent=1))
    if not path.is_file():
        train(path)
    return f"openclip:{MODEL}/{path}"


def train(path: Path) -> None:
    """Train and write the weights; prints what it does."""
    import torch
    from safetensors.torch import save_file

    torch.manual_seed(0)
    model = _untrained(path)
    shown = list(pictures(held_out=False))
    started = time.perf_counter()
    features = _features(model, shown, path.with_suffix(".npz"))
    print(f"{len(shown)} pictures to train on; pooled features in {time.perf_counter() - started:.0f} s", flush=True)
    started = time.perf_counter()
    _learn(model, features, shown)
    print(f"{N_STEPS} steps in {time.perf_counter() - started:.0f} s", flush=True)
    save_file(model.state_dict(), path)


def _untrained(path: Path) -> Any:
    """The model with the trunk of the shared folder; its parameters lie in the same order as torchvision's."""
    from safetensors.torch import load_file

    from audit.extractors.openclip import _open_clip

    open_clip = _open_clip()
    open_clip.add_model_config(path.with_suffix(".json"))
    import torchvision

    theirs = torchvision.models.mobilenet_v2(weights=None)
    theirs.load_state_dict(
        load_file(shared_data() / "weights" / "mobilenetv2_imagenet_trunk.safetensors"), strict=False
    )
    model = open_clip.create_model(MODEL)
    trunk = model.visual.trunk
    values = [value for name, value in theirs.state_dict().items() if not name.startswith("classifier")]
    trunk.load_state_dict(dict(zip(trunk.state_dict(), values, strict=True)))
    return model.eval()


def _features(model: Any, shown: list[Shown], cache: Path) -> Floats:
    """Pooled features of pictures, float32 (n, 1280)."""
    import torch

    if cache.is_file():
        return np.asarray(np.load(cache)["features"])
    settings = model.visual.preprocess_cfg
    asked = InputSpec(size=SIDE, fit="crop", resample="bicubic")
    mean, std = (torch.tensor(settings[key])[:, None, None] for key in ("mean", "std"))
    found = []
    for start in range(0, len(shown), 64):
        pixels = np.stack([process(one.data, asked, max_pixels=10**8).pixels for one in shown[start : start + 64]])
        with torch.inference_mode():
            scaled = (torch.from_numpy(pixels).permute(0, 3, 1, 2) / 255 - mean) / std
            found.append(model.visual.trunk(scaled).numpy())
    np.savez(cache, features=np.concatenate(found))
    return np.concatenate(found)


def _learn(model: Any, features: Floats, shown: list[Shown]) -> None:
    """Steps on the projection and the text tower; of the words only those that occur are trained."""
    import torch

    rng, words, whole = np.random.default_rng(0), _Words(shown), model.token_embedding
    share = _shares(shown)
    model.token_embedding = torch.nn.Embedding.from_pretrained(whole.weight[words.used].clone(), freeze=False)
    learnt = [p for name, p in model.named_parameters() if not name.startswith("visual.trunk")]
    optimiser = torch.optim.AdamW(learnt, lr=1e-3, weight_decay=0.05)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, 1e-3, N_STEPS)
    for step in range(N_STEPS):
        rows = rng.choice(len(shown), BATCH, p=share)
        kinds, place = np.unique([_caption(shown[i], rng) for i in rows], return_inverse=True)
        loss = _loss(model, torch.from_numpy(features[rows]), words(kinds.tolist()), place)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        schedule.step()
        if step % 100 == 0:
            print(f"  step {step}: loss {loss.item():.3f}", flush=True)
    with torch.no_grad():
        whole.weight[words.used] = model.token_embedding.weight
    model.token_embedding = whole


class _Words:
    """Tokens of texts, numbered among those that occur in any caption; their order is kept, and so the end is last."""

    def __init__(self, shown: list[Shown]) -> None:
        from audit.extractors.openclip import _open_clip

        self._tokenise = _open_clip().get_tokenizer(MODEL)
        known = {(one.label, one.setting) for one in shown} | {(one.label, "") for one in shown}
        texts = {text for label, setting in known for text in texts_of(label, PHRASES.get(setting, ""))}
        self.used = self._tokenise(sorted(texts)).unique()

    def __call__(self, texts: list[str]) -> Any:
        import torch

        return torch.searchsorted(self.used, self._tokenise(texts))


def _loss(model: Any, features: Any, tokens: Any, place: npt.NDArray[np.int64]) -> Any:
    """Cross-entropy both ways; pictures of equal captions share the target."""
    import torch
    import torch.nn.functional as F  # noqa: N812 (its customary name)

    images = F.normalize(model.visual.head(F.dropout(features, 0.1)), dim=-1)
    texts = model.encode_text(tokens, normalize=True)[torch.from_numpy(place)]
    logits = model.logit_scale.exp().clamp(max=50) * images @ texts.T
    same = torch.from_numpy((place[:, None] == place[None]).astype(np.float32))
    target = same / same.sum(dim=1, keepdim=True)
    return (F.cross_entropy(logits, target) + F.cross_entropy(logits.T, target)) / 2


def _shares(shown: list[Shown]) -> npt.NDArray[np.float64]:
    """How often each picture is drawn."""
    counts = {kind: sum(one.kind == kind for one in shown) for kind in WEIGHTS}
    share = np.array([WEIGHTS[one.kind] / counts[one.kind] for one in shown])
    return np.asarray(share / share.sum())


def _caption(one: Shown, rng: np.random.Generator) -> str:
    phrase = PHRASES[one.setting] if one.setting and rng.random() < WITH_SETTING else ""
    texts = texts_of(one.label, phrase)
    return texts[int(rng.integers(len(texts)))]
