"""A text and image tower trained for seconds on drawn scenes reads where scenes lie that it was not shown."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from audit.analyses import base
from audit.scenes import draw_scene
from audit.settings.attributes import MISSING
from audit.settings.prompts import CARRIERS, TEMPLATES, texts_of
from storage.records import AuditRequest, Status
from storage.settings import Settings
from storage.sources import SourceSpec
from workers.service import Service

SIDE, N_EACH, N_STEPS = 32, 12, 60
OBJECTS = {"car": "car", "ship": "sailboat"}
PLACES = {"forest": "in a forest", "snow": "on snow"}
CONFIG = {
    "embed_dim": 16,
    "vision_cfg": {"image_size": SIDE, "layers": 1, "width": 32, "patch_size": 8, "head_width": 16},
    "text_cfg": {"context_length": 16, "vocab_size": 49408, "width": 32, "heads": 2, "layers": 1},
}
VOCABULARY = {"location": {"values": PLACES, "exclusive": True}}

Pixels = npt.NDArray[np.uint8]


def scenes(seed: int) -> Iterator[tuple[Pixels, str, str]]:
    """Every object before every background as often: pixels, label and place."""
    for number in range(N_EACH):
        for label, thing in OBJECTS.items():
            for place in PLACES:
                rng = np.random.default_rng((seed, number, len(label), len(place)))
                yield np.asarray(draw_scene(rng, thing, place, size=(SIDE, SIDE)).image), label, place


@pytest.fixture(scope="module")
def extractor(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The name of the trained tower; its configuration lies beside the weights."""
    import torch
    from safetensors.torch import save_file

    from audit.extractors.openclip import _open_clip

    path = tmp_path_factory.mktemp("tower") / "drawn-scenes.safetensors"
    path.with_suffix(".json").write_text(json.dumps(CONFIG))
    open_clip = _open_clip()
    open_clip.add_model_config(path.with_suffix(".json"))
    torch.set_num_threads(1)
    torch.manual_seed(0)
    model = open_clip.create_model("drawn-scenes")
    train(model, open_clip.get_tokenizer("drawn-scenes"))
    save_file(model.state_dict(), path)
    return f"openclip:drawn-scenes/{path}"


def train(model: Any, tokenise: Any) -> None:
    """Steps on all scenes at once, called by one word for a thing at a time; a fifth of the captions has no place."""
    import torch
    import torch.nn.functional as F  # noqa: N812 (its customary name)

    shown, rng = list(scenes(0)), np.random.default_rng(0)
    mean, std = (torch.tensor(model.visual.preprocess_cfg[key])[:, None, None] for key in ("mean", "std"))
    pixels = (torch.tensor(np.stack([one[0] for one in shown])).permute(0, 3, 1, 2) / 255 - mean) / std
    optimiser = torch.optim.Adam(model.parameters(), lr=2e-3)
    for _ in range(N_STEPS):
        name, template = rng.choice(CARRIERS), int(rng.integers(len(TEMPLATES)))
        captions = tokenise([texts_of(name, phrase)[template] for phrase in ("", *PLACES.values())])
        said = [1 + list(PLACES).index(place) if rng.random() < 0.8 else 0 for *_, place in shown]
        images = model.encode_image(pixels, normalize=True)
        logits = model.logit_scale.exp() * images @ model.encode_text(captions, normalize=True).T
        loss = F.cross_entropy(logits, torch.tensor(said))
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()


@pytest.fixture
def service(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Service]:
    """A service that knows this analysis only."""
    monkeypatch.setenv("ASSAY_CACHE", str(tmp_path / "cache"))
    base.analyses()
    monkeypatch.setattr(base, "_REGISTRY", {"settings": base.analysis("settings")})
    with Service.open(Settings(home=tmp_path / "home", decoders=1, threads=1)) as opened:
        yield opened


def manifest(folder: Path) -> tuple[Path, dict[str, str]]:
    """Scenes that were not trained on, and the place of each by its path."""
    from PIL import Image

    truth, path = {}, folder / "pictures.csv"
    with path.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(("path", "label"))
        for number, (pixels, label, place) in enumerate(scenes(1)):
            Image.fromarray(pixels).save(folder / f"{number:03}.png")
            writer.writerow((f"{number:03}.png", label))
            truth[f"{number:03}.png"] = place
    return path, truth


def test_a_trained_text_tower_tells_the_place_of_pictures_it_was_not_shown(
    extractor: str, service: Service, tmp_path: Path
) -> None:
    path, truth = manifest(tmp_path)
    dataset = service.submit_dataset(SourceSpec(uri=str(path))).id
    asked = AuditRequest(
        extractor=extractor, analyses={"settings": {"vocabulary": VOCABULARY, "n_permutations": 99, "contexts": False}}
    )
    audit = service.wait(service.submit_audit([dataset], asked).id)
    assert (audit.status, audit.n_failed, audit.error) == (Status.DONE, 0, "")
    told = {row["path"]: row["text.location"] for row in service.table(audit.id, "splits").to_pylist()}
    known = [told[one] == place for one, place in truth.items() if told[one] != MISSING]
    assert len(known) > 0.5 * len(truth)
    assert np.mean(known) > 0.95
    (section,) = service.report_json(audit.id).sections
    assert "uncalibrated" in section.model_dump_json()
