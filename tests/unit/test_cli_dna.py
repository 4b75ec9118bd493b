"""``assay dna`` over files and stored datasets."""

from __future__ import annotations

import io
import json
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from api.cli import dna_sources, main
from audit.dna import DnaCounter, files
from audit.dna.weights import NeuronWeights
from audit.model import DatasetView
from tests.api_fake import AUDIT_ID, FakeService, audit_record
from tests.dna_stored import stored
from tests.views import RANGES


class Stored(FakeService):
    """A comparison whose datasets differ."""

    def dna(self, audit_id: str, dataset: str | None = None) -> DatasetView:
        """The reference, or the candidate if it is named."""
        assert audit_id == AUDIT_ID
        return stored("candidate", 0.3) if dataset == "candidate" else stored("reference")


@pytest.fixture(autouse=True)
def service(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fake = Stored(tmp_path / "store", [audit_record()])
    monkeypatch.setattr(dna_sources, "opened", fake.open)


def run(capsys: pytest.CaptureFixture[str], *words: str) -> dict[str, object]:
    assert main(["dna", *words, "--json"]) == 0
    value: dict[str, object] = json.loads(capsys.readouterr().out)
    return value


def test_a_stored_dna_says_what_it_holds(capsys: pytest.CaptureFixture[str]) -> None:
    found = run(capsys, "show", "last")
    assert found == {"form": "whole", "n_images": 90, "note": "", "extractor": "e", "layers": {"early": 4, "late": 6}}


def test_two_datasets_of_a_comparison_are_compared(capsys: pytest.CaptureFixture[str]) -> None:
    found = run(capsys, "compare", "last", "last:candidate")
    assert found["p_value"] == 0.001
    assert found["distance"] == pytest.approx(1.4, abs=0.25)
    assert list(found["layers"]) == ["early", "late"]


def test_a_comparison_for_people_says_distance_and_p_value(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["dna", "compare", "last", "last:candidate"]) == 0
    out = capsys.readouterr().out
    assert "beyond sampling" in out
    assert "p-value          0.001" in out


def test_the_bursts_of_stored_datasets_are_counted(capsys: pytest.CaptureFixture[str]) -> None:
    found = run(capsys, "compare", "last", "last:candidate")
    assert found["n_bursts"] == [89, 89]
    assert main(["dna", "compare", "last", "last:candidate"]) == 0
    assert "bursts           89 (variance of independent images x 1.0) against 89" in capsys.readouterr().out


def test_of_a_file_it_is_said_that_images_are_taken_as_independent(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "dna.parquet"
    assert main(["dna", "export", "last:candidate", "--out", str(out)]) == 0
    assert main(["dna", "compare", "last", str(out)]) == 0
    assert "images are taken as independent" in capsys.readouterr().out


def test_an_exported_dna_compares_as_the_stored_one(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "dna.parquet"
    assert main(["dna", "export", "last:candidate", "--out", str(out)]) == 0
    capsys.readouterr()
    assert files.from_bytes(out.read_bytes()).same_as(stored("candidate", 0.3).dna)
    file, held = run(capsys, "compare", "last", str(out)), run(capsys, "compare", "last", "last:candidate")
    assert file["distance"] == held["distance"]
    assert file["layers"] == held["layers"]
    assert file["n_bursts"] is None


def test_a_matrix_takes_stored_and_compact_ones_together(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "small.parquet"
    assert main(["dna", "export", "last:candidate", "--compact", "--out", str(out)]) == 0
    capsys.readouterr()
    found = run(capsys, "matrix", "last", str(out))
    assert found["names"] == ["last", str(out)]
    assert found["corrected"][0][0] == 0
    assert found["distance"][0][1] == pytest.approx(1.4, abs=0.25)


def test_weights_learnt_from_a_label_find_its_neuron(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "dog.json"
    found = run(capsys, "select", "last", "--having", "label=dog", "--out", str(out))
    made = NeuronWeights.from_json(out.read_bytes())
    assert np.flatnonzero(made.layers["late"]).tolist() == [3]
    assert found["fingerprint"] == made.fingerprint
    assert found["evidence"]["low"] > 0.8
    assert run(capsys, "compare", "last", "last:candidate", "--weights", str(out))["weights"] == made.fingerprint


def test_weights_without_a_label_do_not_listen_to_its_neuron(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "no-dog.json"
    run(capsys, "select", "last", "--without", "label=dog", "--out", str(out))
    late = NeuronWeights.from_json(out.read_bytes()).layers["late"]
    assert late[3] < 0.1 * np.mean([weight for i, weight in enumerate(late) if i != 3])


def test_a_comparison_listens_to_the_layers_that_are_asked_for(capsys: pytest.CaptureFixture[str]) -> None:
    whole = run(capsys, "compare", "last", "last:candidate")
    found = run(capsys, "compare", "last", "last:candidate", "--layer", "late")
    assert found["distance"] == pytest.approx(whole["layers"]["late"])
    assert found["weights"] is not None


def test_neurons_chosen_by_name_are_saved(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "late.json"
    found = run(capsys, "select", "last", "--neurons", "late:1", "--neurons", "early", "--out", str(out))
    assert found["neurons"] == {"early": 4, "late": 1}


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["select", "last", "--out", "x.json"], "one of --neurons, --having and --without"),
        (["select", "last", "--having", "label=cow", "--out", "x.json"], "pictures with label=cow"),
        (["select", "last", "--neurons", "middle", "--out", "x.json"], "no neuron or layer"),
        (["select", "FILE", "--having", "label=dog", "--out", "x.json"], "knows its pictures; dna.parquet is a file"),
        (["compare", "last", "gone.parquet"], "gone.parquet cannot be read"),
        (["compare", "last", "last", "--layer", "middle"], "no neuron or layer 'middle'"),
        (["compare", "last", "last", "--weights", "gone.json"], "--weights gone.json cannot be read"),
        (["export", "last", "--out", "/nowhere/x"], "--out /nowhere/x cannot be written"),
    ],
)
def test_what_cannot_be_done_is_one_sentence(
    words: list[str], said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "dna.parquet").write_bytes(files.to_bytes(stored("candidate").dna))
    assert main(["dna", *("dna.parquet" if word == "FILE" else word for word in words)]) == 2
    error = capsys.readouterr().err
    assert said in error
    assert len(error.splitlines()) == 1


def peer_files(folder: Path, name: str, counts: list[list[int]]) -> Path:
    """The published library's pair."""
    about = {"type": "histogram", "feature_extractor_name": "vit", "neurons_list": {"a": 1}, "num_images": 3}
    (folder / f"{name}.json").write_text(json.dumps(about))
    data = io.BytesIO()
    np.savez_compressed(data, a=np.array(counts, np.int32))
    (folder / f"{name}.npz").write_bytes(data.getvalue())
    return folder / f"{name}.json"


def test_the_published_librarys_files_are_imported_and_compared(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    left, right = peer_files(tmp_path, "left", [[4, 0, 0]]), peer_files(tmp_path, "right", [[0, 0, 4]])
    out = tmp_path / "left.parquet"
    assert main(["dna", "import", str(left), "--out", str(out)]) == 0
    assert "no uncertainty available" in capsys.readouterr().out
    found = run(capsys, "compare", str(out), str(right))
    assert (found["measure"], found["distance"]) == ("EMD", 2.0)
    assert "no uncertainty available" in found["note"]


def test_a_table_that_is_no_dna_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    pq.write_table(pa.table({"a": [1]}), tmp_path / "other.parquet")
    assert main(["dna", "show", str(tmp_path / "other.parquet")]) == 2
    assert "not a Visual DNA file" in capsys.readouterr().err


def test_a_matrix_says_why_a_number_is_missing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    counter = DnaCounter(RANGES, "e")
    counter.add({name: np.zeros((1, 1, len(layer.low)), np.float32) for name, layer in RANGES.layers.items()})
    (tmp_path / "one.parquet").write_bytes(files.to_bytes(counter.dna()))
    assert main(["dna", "matrix", "last", str(tmp_path / "one.parquet")]) == 0
    out = capsys.readouterr().out
    assert out.splitlines()[0].split()[:2] == ["0.000", "-"]
    assert out.splitlines()[-1] == "- where a dataset has fewer than two images"
    assert "nan" not in out


def test_two_audits_are_compared_within_each_class_that_both_have(capsys: pytest.CaptureFixture[str]) -> None:
    found = run(capsys, "compare", "last", "last:candidate", "--by", "label")["within"]
    assert {one["label"] for one in found} == {"boat", "car", "dog"}
    assert all(one["p_value"] == 0.01 and one["n_images"] == [30, 30] for one in found)
    assert main(["dna", "compare", "last", "last:candidate", "--by", "label"]) == 0
    assert "30 against 30" in capsys.readouterr().out


def test_a_dataset_against_itself_differs_within_no_class(capsys: pytest.CaptureFixture[str]) -> None:
    found = run(capsys, "compare", "last", "last", "--by", "label")["within"]
    assert all(one["distance"] == 0 and one["p_value"] == 1 for one in found)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["last", "last", "--by", "meta.nothing"], "no value of 'meta.nothing' has 20 pictures in both"),
        (["last", "FILE", "--by", "label"], "takes two audits"),
    ],
)
def test_what_cannot_be_compared_within_values_is_one_sentence(
    words: list[str], said: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    stored_file = tmp_path / "dna.parquet"
    stored_file.write_bytes(files.to_bytes(stored("candidate", 0.3).dna))
    assert main(["dna", "compare", *(str(stored_file) if word == "FILE" else word for word in words)]) == 2
    error = capsys.readouterr().err
    assert said in error
    assert len(error.splitlines()) == 1
