"""Exported programs and TorchScript: outputs as layers, the description beside them, clear refusals."""

from __future__ import annotations

import io
import json
import pickle
import warnings
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml

from audit.errors import ExtractorError, WeightsUnavailableError
from audit.extractors import load_extractor, resolve_spec
from tests.extractor_models import DESCRIPTION, small_network


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same network, exported with a dictionary and with a tuple, for one picture only, and as TorchScript."""
    import torch

    folder = tmp_path_factory.mktemp("programs")
    example, free = torch.zeros(2, 3, 32, 32), {"images": {0: torch.export.Dim("b", min=1, max=64)}}
    torch.export.save(torch.export.export(small_network(), (example,), dynamic_shapes=free), folder / "named.pt2")
    pair = torch.export.export(small_network("tuple"), (example,), dynamic_shapes=free)
    torch.export.save(pair, folder / "pair.pt2")
    torch.export.save(torch.export.export(small_network(), (example[:1],)), folder / "single.pt2")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        torch.jit.trace(small_network(), example, strict=False).save(folder / "named.ts")
    for name in ("named", "pair", "single"):
        described(folder / f"{name}.pt2")
    described(folder / "pair.pt2", outputs=["embedding", "stage1", "stage2"])
    described(folder / "single.pt2", batch="one")
    return folder


@pytest.fixture(autouse=True)
def cache(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ASSAY_CACHE", str(folder / "cache"))


def described(path: Path, **changes: Any) -> Path:
    path.with_suffix(".yaml").write_text(yaml.safe_dump({**DESCRIPTION, **changes}))
    return path


def copied(folder: Path, tmp_path: Path, **changes: Any) -> Path:
    path = tmp_path / "model.pt2"
    path.write_bytes((folder / "named.pt2").read_bytes())
    return described(path, **changes)


def batch(n: int) -> np.ndarray:
    return np.random.default_rng(1).integers(0, 256, (n, 32, 32, 3), dtype=np.uint8)


@pytest.mark.parametrize("file", ["named.pt2", "pair.pt2", "single.pt2", "named.ts"])
def test_every_kind_of_program_gives_the_same_numbers(folder: Path, file: str) -> None:
    import torch

    mean, std = (torch.tensor(DESCRIPTION[key]) for key in ("mean", "std"))
    with torch.inference_mode():
        expected = small_network()(((torch.from_numpy(batch(3)) / 255 - mean) / std).permute(0, 3, 1, 2))
    features = load_extractor(f"torch:{folder}/{file}").features(batch(3))
    np.testing.assert_allclose(features.embedding, expected["embedding"].numpy(), atol=1e-5)
    for name in ("stage1", "stage2"):
        np.testing.assert_allclose(features.layers[name], expected[name].flatten(2).mT.numpy(), atol=1e-5)


def test_the_specification_says_what_the_description_says(folder: Path) -> None:
    spec = resolve_spec(f"torch:{folder}/named.pt2")
    assert (spec.name, spec.input.size, spec.input.fit, spec.dimension) == ("torch:named", 32, "crop", 16)
    assert [(layer.name, layer.n_neurons) for layer in spec.layers] == [("stage1", 8), ("stage2", 16)]


def test_another_description_is_another_fingerprint(folder: Path, tmp_path: Path) -> None:
    name = f"torch:{copied(folder, tmp_path)}"
    before = resolve_spec(name)
    copied(folder, tmp_path, mean=[0.1, 0.1, 0.1])
    assert resolve_spec(name).fingerprint != before.fingerprint


def test_a_name_of_ones_own_is_shown(folder: Path, tmp_path: Path) -> None:
    assert resolve_spec(f"torch:{copied(folder, tmp_path, name='birds-2')}").name == "torch:birds-2"


def test_bfloat16_can_be_asked_for(folder: Path) -> None:
    assert resolve_spec(f"torch:{folder}/named.pt2#bf16").dtype == "bfloat16"


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"lyers": []}, "lyers: Extra inputs are not permitted"),
        ({"input": {"size": "large"}}, r"input\.size: .*got 'large'"),
        ({"input": {"size": 32, "crop": 0}}, r"input\.crop"),
        ({"std": [1, 1, 0]}, r"std\.2: Input should be greater than 0"),
        ({"mean": [1, 1]}, r"mean\.2: Field required"),
        ({"layers": []}, "layers: Tuple should have at least 1 item"),
        ({"layers": [{"output": "stage1", "form": "cube"}]}, r"layers\.0\.form: .*got 'cube'"),
        ({"name": "my birds"}, "name: String should match"),
    ],
)
def test_a_description_that_cannot_be_used_names_the_key(
    folder: Path, tmp_path: Path, changes: dict[str, Any], message: str
) -> None:
    with pytest.raises(ExtractorError, match=message):
        resolve_spec(f"torch:{copied(folder, tmp_path, **changes)}")


def test_a_missing_description_shows_an_example(folder: Path, tmp_path: Path) -> None:
    path = copied(folder, tmp_path)
    path.with_suffix(".yaml").unlink()
    with pytest.raises(ExtractorError, match=r"needs a description beside it(.|\n)*embedding: embedding"):
        resolve_spec(f"torch:{path}")


@pytest.mark.parametrize("text", ["{", "!!python/object/apply:os.system [true]", "- 1", ""])
def test_a_description_that_is_no_plain_yaml_mapping_is_refused(folder: Path, tmp_path: Path, text: str) -> None:
    path = copied(folder, tmp_path)
    path.with_suffix(".yaml").write_text(text)
    with pytest.raises(ExtractorError, match=r"cannot be (used|read as YAML)"):
        resolve_spec(f"torch:{path}")


def test_a_missing_program_says_so(tmp_path: Path) -> None:
    with pytest.raises(WeightsUnavailableError, match="there is no model"):
        resolve_spec(f"torch:{tmp_path}/absent.pt2")


def test_another_ending_is_refused(folder: Path, tmp_path: Path) -> None:
    path = described(tmp_path / "model.bin")
    path.write_bytes(b"x")
    with pytest.raises(ExtractorError, match=r"must end in \.pt2"):
        resolve_spec(f"torch:{path}")


def test_an_output_that_is_not_there_lists_those_that_are(folder: Path, tmp_path: Path) -> None:
    path = copied(folder, tmp_path, layers=[{"output": "stage9"}])
    with pytest.raises(ExtractorError, match="no output 'stage9'; it has: embedding, stage1, stage2"):
        load_extractor(f"torch:{path}")


def test_an_output_of_another_form_is_named(folder: Path, tmp_path: Path) -> None:
    path = copied(folder, tmp_path, layers=[{"output": "stage1", "form": "tokens"}])
    with pytest.raises(ExtractorError, match=r"'stage1' of shape \(16, 8, 16, 16\) is no tokens"):
        load_extractor(f"torch:{path}")


def test_an_embedding_that_is_a_map_is_refused(folder: Path, tmp_path: Path) -> None:
    path = copied(folder, tmp_path, embedding="stage2")
    with pytest.raises(ExtractorError, match=r"an embedding is \(b, d\)"):
        load_extractor(f"torch:{path}")


def test_a_size_that_the_program_does_not_take_is_refused(folder: Path, tmp_path: Path) -> None:
    path = copied(folder, tmp_path, input={"size": 64})
    with pytest.raises(ExtractorError, match=r"cannot take \(16, 3, 64, 64\)"):
        load_extractor(f"torch:{path}")


def test_a_batch_of_another_size_is_refused(folder: Path) -> None:
    with pytest.raises(ValueError, match=r"takes uint8 \(b, 32, 32, 3\)"):
        load_extractor(f"torch:{folder}/named.pt2").features(np.zeros((1, 8, 8, 3), np.uint8))


def test_a_tuple_needs_names(folder: Path, tmp_path: Path) -> None:
    path = described(tmp_path / "model.pt2")
    path.write_bytes((folder / "pair.pt2").read_bytes())
    with pytest.raises(ExtractorError, match="returns 3 outputs, but its description names 1"):
        load_extractor(f"torch:{path}")


class Evil:
    """Makes a file when it is unpickled."""

    def __init__(self, marker: Path) -> None:
        self.marker = marker

    def __reduce__(self) -> tuple[Any, ...]:
        return (Path.touch, (self.marker,))


def rewritten(source: Path, target: Path, changes: dict[str, bytes]) -> Path:
    """The archive with some members replaced or added."""
    with zipfile.ZipFile(source) as old, zipfile.ZipFile(target, "w") as new:
        for member in {*old.namelist(), *changes}:
            new.writestr(member, changes[member] if member in changes else old.read(member))
    return described(target)


def test_a_pickle_inside_an_exported_program_is_refused(folder: Path, tmp_path: Path) -> None:
    import torch

    saved = io.BytesIO()
    torch.save({"args": Evil(tmp_path / "marker")}, saved)
    changes = {"named/data/sample_inputs/model.pt": saved.getvalue()}
    path = rewritten(folder / "named.pt2", tmp_path / "evil.pt2", changes)
    with pytest.raises(ExtractorError, match="does not hold a program that can be read"):
        load_extractor(f"torch:{path}")
    assert not (tmp_path / "marker").exists()


@pytest.mark.parametrize(("prefix", "is_pickle"), [("opaque_obj_0", False), ("tensor_0", True)])
def test_an_exported_program_with_pickled_constants_is_refused(
    folder: Path, tmp_path: Path, prefix: str, is_pickle: bool
) -> None:
    payload = {"path_name": prefix, "is_param": False, "use_pickle": is_pickle, "tensor_meta": None}
    changes = {
        "named/data/constants/model_constants_config.json": json.dumps({"config": {"x": payload}}).encode(),
        f"named/data/constants/{prefix}": pickle.dumps(Evil(tmp_path / "marker")),
    }
    path = rewritten(folder / "named.pt2", tmp_path / "evil.pt2", changes)
    with pytest.raises(ExtractorError, match="pickled objects"):
        load_extractor(f"torch:{path}")
    assert not (tmp_path / "marker").exists()


def test_machine_code_inside_an_exported_program_is_refused(folder: Path, tmp_path: Path) -> None:
    path = rewritten(folder / "named.pt2", tmp_path / "evil.pt2", {"named/data/aotinductor/model/x.so": b"\x7fELF"})
    with pytest.raises(ExtractorError, match="machine code"):
        load_extractor(f"torch:{path}")


@pytest.mark.parametrize("ending", [".pt", ".pt2"])
def test_a_plain_pickle_under_that_name_is_refused(tmp_path: Path, ending: str) -> None:
    path = described(tmp_path / f"evil{ending}")
    path.write_bytes(pickle.dumps(Evil(tmp_path / "marker")))
    with pytest.raises(ExtractorError, match="does not hold a program"):
        load_extractor(f"torch:{path}")
    assert not (tmp_path / "marker").exists()


def test_weights_saved_as_a_pickle_are_no_program(tmp_path: Path) -> None:
    import torch

    path = described(tmp_path / "weights.pt")
    torch.save({"weight": torch.zeros(3), "evil": Evil(tmp_path / "marker")}, path)
    with pytest.raises(ExtractorError, match="does not hold a program"):
        load_extractor(f"torch:{path}")
    assert not (tmp_path / "marker").exists()
