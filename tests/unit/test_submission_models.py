"""A client of the service cannot have a model of its own run."""

from __future__ import annotations

from pathlib import Path

import pytest

from api.cli.serving import with_roots
from audit.errors import ConfigError, ExtractorError
from audit.translation import Check, Half, Translation
from storage.settings import Settings
from workers.service import AuditRequest, Service
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


def translation(old: str, new: str) -> bytes:
    """A file that a client could send."""
    seen = tuple((1.0, 0.0) for _ in range(5))
    halves = {
        side: Half(extractor=name, fingerprint=side * 9, mean=(0, 0), matrix=((1, 0), (0, 1)), seen=seen, held=0.4)
        for side, name in (("old", old), ("new", new))
    }
    check = Check(n=100, auc=0.5, low=0.4, high=0.6, p_value=0.5, mmd_p_value=0.5)
    about = {"learnt_on": "mine", "n_learnt": 400, "n_held_out": 200, "correlations": (0.9, 0.8), "check": check}
    return Translation(**about, **halves).to_json()


@pytest.mark.parametrize("place", [0, 1])
def test_a_translation_cannot_bring_a_model_of_its_own_either(tmp_path: Path, place: int) -> None:
    names = ["classical", "classical"]
    names[place] = f"torch:{tmp_path}/evil.pt2"
    with Service.open(with_roots(Settings(home=tmp_path / "home"), [tmp_path])) as service:
        asked = AuditRequest(translation=service.keep_translation(translation(*names)).fingerprint)
        with pytest.raises(ExtractorError, match="is not run"):
            service.submit_audit(["a" * 32, "b" * 32], asked)


def test_a_translation_that_was_never_given_or_one_dataset_is_refused(tmp_path: Path) -> None:
    with Service.open(Settings(home=tmp_path / "home")) as service:
        with pytest.raises(ConfigError, match="give its file first"):
            service.submit_audit(["a" * 32, "b" * 32], AuditRequest(translation="7e" * 32))
        made = service.keep_translation(translation("classical", "bundled"))
        with pytest.raises(ConfigError, match="one was given"):
            service.submit_audit(["a" * 32], AuditRequest(translation=made.fingerprint))
