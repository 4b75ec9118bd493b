"""Small networks with random weights, written to files once, for tests of extractors."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import yaml

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
        make = {"openclip": self._openclip, "timm": self._timm, "torch": self._torch, "onnx": self._onnx}[scheme]
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

    def _torch(self, _: str) -> Path:
        import torch

        path, free = self.folder / "small.pt2", {"images": {0: torch.export.Dim("b", min=1, max=64)}}
        torch.export.save(torch.export.export(small_network(), (torch.zeros(2, 3, 32, 32),), dynamic_shapes=free), path)
        path.with_suffix(".yaml").write_text(yaml.safe_dump(DESCRIPTION))
        return path

    def _onnx(self, _: str) -> Path:
        path = small_graph(self.folder / "graph.onnx")
        path.with_suffix(".yaml").write_text(yaml.safe_dump(DESCRIPTION))
        return path

    def _timm(self, model: str) -> Path:
        import torch
        from safetensors.torch import save_file

        from audit.extractors.timm import _timm

        torch.manual_seed(0)
        save_file(_timm().create_model(model).state_dict(), self.folder / f"{model}.safetensors")
        return self.folder / f"{model}.safetensors"


DESCRIPTION: dict[str, Any] = {
    "input": {"size": 32, "fit": "crop", "resample": "bicubic"},
    "mean": [0.5, 0.4, 0.3],
    "std": [0.2, 0.3, 0.4],
    "layers": [{"output": "stage1"}, {"output": "stage2"}],
}
"""What :func:`small_network` takes and gives, as the file beside a model."""


def small_network(form: str = "dict") -> Any:
    """Two convolutions with the same random weights at every call, whose outputs are a ``dict`` or a ``tuple``."""
    import torch

    class Small(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.first = torch.nn.Conv2d(3, 8, 3, stride=2, padding=1)
            self.second = torch.nn.Conv2d(8, 16, 3, stride=2, padding=1)

        def forward(self, images: torch.Tensor) -> Any:
            stage1 = self.first(images).relu()
            stage2 = self.second(stage1).relu()
            embedding = stage2.mean((2, 3))
            if form == "tuple":
                return embedding, stage1, stage2
            return {"embedding": embedding, "stage1": stage1, "stage2": stage2}

    torch.manual_seed(0)
    return Small().eval().requires_grad_(False)


def small_graph(path: Path, *, n_pictures: int | str = "b", side: int | str = 32, beside: bool = False) -> Path:
    """:func:`small_network` as an ONNX graph; ``beside`` keeps its larger weights in a file of their own."""
    import onnx
    from onnx import TensorProto, helper, numpy_helper

    state = {name: value.numpy() for name, value in small_network().state_dict().items()}
    weights = [numpy_helper.from_array(value, name) for name, value in state.items()]
    same = {"strides": [2, 2], "pads": [1, 1, 1, 1], "kernel_shape": [3, 3]}
    nodes = [
        helper.make_node("Conv", ["images", "first.weight", "first.bias"], ["one"], **same),
        helper.make_node("Relu", ["one"], ["stage1"]),
        helper.make_node("Conv", ["stage1", "second.weight", "second.bias"], ["two"], **same),
        helper.make_node("Relu", ["two"], ["stage2"]),
        helper.make_node("GlobalAveragePool", ["stage2"], ["mean"]),
        helper.make_node("Flatten", ["mean"], ["embedding"]),
    ]
    images = helper.make_tensor_value_info("images", TensorProto.FLOAT, [n_pictures, 3, side, side])
    outputs = [helper.make_tensor_value_info(n, TensorProto.FLOAT, None) for n in ("embedding", "stage1", "stage2")]
    graph = helper.make_graph(nodes, "small", [images], outputs, weights)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    onnx.save(model, path, save_as_external_data=beside, location=f"{path.name}.data", size_threshold=0)
    return path
