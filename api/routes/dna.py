"""Visual DNA that audits hold: what it is, as a file, compared."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Depends, Query, Response
from pydantic import StringConstraints

from api import schemas
from api.dependencies import ServiceDep
from api.problems import problems

router = APIRouter(tags=["visual dna"])

PARQUET = "application/vnd.apache.parquet"
AuditIdText = Annotated[str, StringConstraints(pattern=schemas.ID_PATTERN)]
AuditIdQuery = Annotated[str, Query(pattern=schemas.ID_PATTERN, description="Id of an audit or comparison.")]
MOST = 20
"""Datasets in one matrix."""
_PROBLEMS = problems("unknown-id", "not-ready", "failed", "invalid-request")
_COMPARED = problems("unknown-id", "not-ready", "failed", "invalid-request", "invalid-configuration")


@dataclass(frozen=True)
class _Datasets:
    """Which datasets of the two audits are meant."""

    reference_dataset: schemas.Searched = None
    candidate_dataset: schemas.Searched = None


_FILE: dict[str, Any] = {"type": "string", "format": "binary"}


@router.get("/v1/audits/{audit_id}/dna", responses=_PROBLEMS)
def dna(audit_id: schemas.AuditId, service: ServiceDep, dataset: schemas.Searched = None) -> schemas.DnaOut:
    """Say what the Visual DNA of an audit's dataset holds."""
    view = service.dna(audit_id, dataset)
    if view.dna is None:
        raise ValueError("an audited dataset holds Visual DNA")
    layers = {name: rows.stop - rows.start for name, rows in view.dna.ranges.slices.items()}
    n_dead = int(view.dna.ranges.dead.sum())
    return schemas.DnaOut(
        dataset=view.name, n_images=view.dna.size, extractor=view.dna.extractor, layers=layers, n_dead=n_dead
    )


@router.get(
    "/v1/audits/{audit_id}/dna/file",
    response_class=Response,
    responses={
        200: {"description": "Parquet, a row per neuron.", "content": {PARQUET: {"schema": _FILE}}},
        **_PROBLEMS,
    },
)
def dna_file(
    audit_id: schemas.AuditId,
    service: ServiceDep,
    dataset: schemas.Searched = None,
    form: Annotated[
        Literal["whole", "compact"], Query(description="Everything, or only what a matrix takes (no p-value).")
    ] = "whole",
) -> Response:
    """Fetch the Visual DNA of an audit's dataset as a file that compares anywhere, with `assay dna`."""
    from audit.dna import compact, files

    found = service.dna(audit_id, dataset).dna
    if found is None:
        raise ValueError("an audited dataset holds Visual DNA")
    data = files.to_bytes(found) if form == "whole" else compact.to_bytes(compact.compact(found))
    return Response(data, media_type=PARQUET)


@router.get("/v1/dna/compare", responses=_COMPARED)
def compare(
    reference: AuditIdQuery,
    candidate: AuditIdQuery,
    service: ServiceDep,
    datasets: Annotated[_Datasets, Depends()],
    seed: Annotated[
        int, Query(ge=0, le=schemas.MAX_SAFE_INTEGER - 1, description="Seed of permutations and resamples.")
    ] = 0,
) -> schemas.DnaComparisonOut:
    """Compare the Visual DNA of two datasets of audits: distance, floor, interval, p-value, layers."""
    import numpy as np

    from audit.dna.bursts import by_image
    from audit.dna.comparing import Asked, layer_distances
    from audit.dna.comparing import compare as compared

    asked = ((reference, datasets.reference_dataset), (candidate, datasets.candidate_dataset))
    views = [service.dna(audit_id, dataset) for audit_id, dataset in asked]
    left, right = (view.dna for view in views)
    if left is None or right is None:
        raise ValueError("an audited dataset holds Visual DNA")
    found = compared(left, right, np.random.default_rng(seed), Asked(images=by_image(views)))
    return schemas.DnaComparisonOut(**asdict(found.total), layers=layer_distances(left, found))


@router.get("/v1/dna/matrix", responses=_COMPARED)
def matrix(
    audit: Annotated[list[AuditIdText], Query(min_length=1, max_length=MOST, description="Audits, in order.")],
    service: ServiceDep,
) -> schemas.DnaMatrixOut:
    """Distances between the first datasets of several audits, each row in standard deviations of its own dataset."""
    from audit.dna.compact import compact
    from audit.dna.matrix import distance_matrix

    views = [service.dna(audit_id) for audit_id in audit]
    found = distance_matrix([compact(view.dna) for view in views if view.dna is not None])
    tables = {name: tuple(tuple(_known(row)) for row in table.tolist()) for name, table in vars(found).items()}
    return schemas.DnaMatrixOut(audits=tuple(audit), names=tuple(view.name for view in views), **tables)


def _known(row: list[float]) -> list[float | None]:
    """NaN as null."""
    return [None if value != value else value for value in row]  # noqa: PLR0124 - NaN differs from itself
