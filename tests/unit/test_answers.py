"""Columns that hold answers, a model's or a person's: named once, no analysis takes them for a circumstance."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
import pytest

from audit.analyses.base import Need, analyses, analysis, knowing
from audit.model import DatasetView, Neurons
from audit.settings.config import SettingsConfig
from audit.spurious.evidence import SpuriousConfig
from storage.records import AuditRequest
from tests.views import make_view
from workers.planner import answers


def asked(**fields: Any) -> AuditRequest:
    return AuditRequest(analyses=fields)


def view_with(*names: str) -> DatasetView:
    """A view whose columns of these names all say of which half of the classes a picture is, and one that is free."""
    view = make_view(3, n_per_class=40)
    rng, images = np.random.default_rng(0), view.images
    for name in names:
        values = ["left" if label == "boat" or rng.random() < 0.2 else "right" for label in view.column("label")]
        images = images.append_column(f"meta.{name}", [values])
    values = rng.normal(size=(len(view), 16)).astype(np.float16)
    neurons = Neurons(values, {"late": slice(0, 16)}, np.zeros((len(view), 0), np.float16))
    return dataclasses.replace(view, images=images, neurons=neurons)


def attributes_of(name: str, view: DatasetView) -> set[str]:
    """The columns that the tables of an analysis speak of."""
    one = analysis(name)
    config = one.config(n_permutations=99) if name == "spurious" else one.config()
    computed = one.compute([view], config, np.random.default_rng(0))
    column = "feature" if name == "spurious" else "attribute"
    return {str(value).split(" = ")[0] for value in computed.tables[name].column(column).to_pylist()}


@pytest.mark.parametrize("name", [one.name for one in analyses(1) if Need.METADATA in one.needs])
def test_a_column_of_answers_is_a_circumstance_for_no_analysis(name: str) -> None:
    view = view_with("camera", "model_a")
    assert {"camera", "model_a"} <= attributes_of(name, view)
    known = dataclasses.replace(view, answers=frozenset({"model_a"}))
    assert "model_a" not in attributes_of(name, known)
    assert "camera" in attributes_of(name, known)


def test_every_analysis_is_told_what_any_of_them_is_configured_with() -> None:
    request = asked(settings={"predictions": "model_a", "audited": {"time": "time_by_hand"}})
    assert answers(request, 1) == ("model_a", "prediction", "time_by_hand")
    assert answers(AuditRequest(), 1) == ("prediction",)
    assert answers(asked(spurious={"predictions": ""}), 1) == ()


def test_an_analysis_that_is_left_out_still_says_which_columns_are_answers() -> None:
    request = asked(spurious={"predictions": "model_b"}).model_copy(update={"skip": ("spurious",)})
    assert answers(request, 1) == ("model_b",)


def test_a_view_by_itself_learns_them_from_the_configuration_of_its_analysis() -> None:
    view = dataclasses.replace(view_with("camera", "model_a", "by_hand"), answers=frozenset({"camera"}))
    assert view.circumstances == ("meta.by_hand", "meta.model_a")
    config = SettingsConfig(predictions="model_a", audited={"time": "by_hand"})
    assert knowing(view, config).circumstances == ()
    assert knowing(view, SpuriousConfig(predictions="model_a")).circumstances == ("meta.by_hand",)
