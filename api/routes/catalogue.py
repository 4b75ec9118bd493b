"""What this installation can do, and whether it is well."""

from __future__ import annotations

from fastapi import APIRouter

from api import schemas
from api.catalogue import analysis_rows, extractor_rows
from api.dependencies import ServiceDep
from api.errors import UnavailableError
from api.problems import problems

router = APIRouter()


@router.get("/v1/extractors", tags=["catalogue"], responses=problems())
def extractors() -> tuple[schemas.ExtractorOut, ...]:
    """List the extractors that can be asked for."""
    return tuple(schemas.ExtractorOut.model_validate(row) for row in extractor_rows())


@router.get("/v1/analyses", tags=["catalogue"], responses=problems())
def analyses() -> tuple[schemas.AnalysisOut, ...]:
    """List the analyses and the JSON schema of each one's configuration."""
    return tuple(schemas.AnalysisOut.model_validate(row) for row in analysis_rows())


@router.get("/healthz", tags=["health"], responses=problems())
def healthz(service: ServiceDep) -> schemas.Health:
    """Say that the process answers."""
    return schemas.Health.model_validate(service.health())


@router.get(
    "/readyz",
    tags=["health"],
    responses=problems(),
)
def readyz(service: ServiceDep) -> schemas.Readiness:
    """Say whether everything that work needs is there: database, blobs, runner or broker."""
    found = schemas.Readiness.model_validate(service.readiness())
    if not found.ready:
        wrong = "; ".join(f"{name}: {said}" for name, said in found.checks.items() if said != "ok")
        raise UnavailableError(f"not ready: {wrong}")
    return found
