"""Small networks with random weights, written to files once, for tests of extractors."""

from __future__ import annotations

import json
from pathlib import Path

CLIP = {
    "embed_dim": 16,
    "vision_cfg": {"image_size": 32, "layers": 4, "width": 32, "patch_size": 8, "head_width": 16},
    "text_cfg": {"context_length": 8, "vocab_size": 64, "width": 16, "heads": 2, "layers": 1},
}


class Models:
    """Files of random weights in a folder, made when they are first asked for."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def named(self, name: str) -> str:
        """The name with PATH replaced by that of weights of this model."""
        scheme, _, rest = name.partition(":")
        if "PATH" not in name:
            return name
        model = rest.partition("/")[0]
        make = {"openclip": self._openclip, "timm": self._timm}[scheme]
        return name.replace("PATH", str(make(model)))

    def _openclip(self, model: str) -> Path:
        import torch
        from safetensors.torch import save_file

        from audit.extractors.openclip import _open_clip

        (self.folder / f"{model}.json").write_text(json.dumps(CLIP))
        open_clip = _open_clip()
        open_clip.add_model_config(self.folder)
        torch.manual_seed(0)
        save_file(open_clip.create_model(model).state_dict(), self.folder / f"{model}.safetensors")
        return self.folder / f"{model}.safetensors"

    def _timm(self, model: str) -> Path:
        import torch
        from safetensors.torch import save_file

        from audit.extractors.timm import _timm

        torch.manual_seed(0)
        save_file(_timm().create_model(model).state_dict(), self.folder / f"{model}.safetensors")
        return self.folder / f"{model}.safetensors"
