"""A client of the service cannot have a model of its own run."""

from __future__ import annotations

from pathlib import Path

import pytest

from api.cli.serving import with_roots
from audit.errors import ExtractorError
from storage.settings import Settings
from workers.submission import refuse_foreign_model


def test_a_command_may_run_any_model(tmp_path: Path) -> None:
    refuse_foreign_model(f"torch:{tmp_path}/mine.pt2", None)


def test_the_service_runs_no_model_unless_told(tmp_path: Path) -> None:
    settings = with_roots(Settings(home=tmp_path), [tmp_path])
    with pytest.raises(ExtractorError, match="ASSAY_MODEL_ROOTS"):
        refuse_foreign_model(f"torch:{tmp_path}/uploads/evil.pt2", settings.model_roots)


def test_the_service_runs_models_in_a_folder_of_the_operator(tmp_path: Path) -> None:
    settings = with_roots(Settings(home=tmp_path, model_roots=(tmp_path / "models",)), [tmp_path])
    refuse_foreign_model(f"onnx:{tmp_path}/models/mine.onnx", settings.model_roots)


@pytest.mark.parametrize("path", ["models/../uploads/evil.pt2", "models/link.pt2", "models#/../uploads/evil.pt2"])
def test_a_way_out_of_that_folder_is_refused(tmp_path: Path, path: str) -> None:
    (tmp_path / "models").mkdir()
    (tmp_path / "models" / "link.pt2").symlink_to(tmp_path / "uploads" / "evil.pt2")
    with pytest.raises(ExtractorError, match="is not run"):
        refuse_foreign_model(f"torch:{tmp_path}/{path}", (tmp_path / "models",))


@pytest.mark.parametrize("name", ["classical", "timm:resnet18", "openclip:ViT-B-32/openai"])
def test_weights_of_known_architectures_are_not_models(name: str) -> None:
    refuse_foreign_model(name, ())
