"""What the analyses of an audit share: which steps make it, and what becomes of what failed."""

from __future__ import annotations

from typing import Any

import pyarrow as pa
import pytest

from audit.analyses.base import Need
from workers.preparing import needs_parts, prepared
from workers.steps.params import CopiesParams, PartsParams, PrepareParams, ViewRef

VIEW = ViewRef(name="a", source={}, dataset_fingerprint="d", embedding_set="e", fingerprint="f")


class Asked:
    """An analysis as far as planning reads it."""

    def __init__(self, *needs: Need) -> None:
        self.needs = frozenset(needs)


def images(*labels: str | None) -> pa.Table:
    return pa.table({"label": pa.array(labels, pa.string())})


def test_every_dataset_has_its_own_search_and_its_own_parts() -> None:
    done = {"copies-0": "c0", "copies-1": "c1", "parts-1-000000": "p0", "parts-1-000001": "p1"}
    first, second = prepared([VIEW, VIEW], done)
    assert (first.copies, first.parts) == ("c0", ())
    assert (second.copies, second.parts) == ("c1", ("p0", "p1"))


def test_parts_of_which_some_failed_are_none() -> None:
    (view,) = prepared([VIEW], {"copies-0": "", "parts-0-000000": "p0", "parts-0-000001": ""})
    assert (view.copies, view.parts) == ("", ())


@pytest.mark.parametrize(
    ("asked", "labels", "expected"),
    [
        ([Asked(Need.NEIGHBOURS)], ("x", "y"), False),
        ([Asked(Need.PARTS, Need.LABELS)], ("x", None), True),
        ([Asked(Need.PARTS, Need.LABELS)], (None, None), False),
        ([Asked(Need.PARTS)], (None, None), True),
    ],
)
def test_parts_are_made_only_for_an_analysis_that_can_run(
    asked: list[Any], labels: tuple[str | None, ...], expected: bool
) -> None:
    assert needs_parts(asked, images(*labels)) is expected


def test_a_step_says_what_it_prepares() -> None:
    search = CopiesParams(embedding_set="e", fingerprint="f")
    parts = PartsParams(
        embedding_set="e", source={}, extractor="bundled", extractor_fingerprint="x", rows=(1, 2), fingerprint="f"
    )
    for params in (search, parts):
        assert PrepareParams.model_validate(params.model_dump(mode="json")).root == params
