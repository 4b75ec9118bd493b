"""Visual DNA that audits hold: what it is, as a file, compared, and weights of its neurons."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Literal

from fastapi import APIRouter, Depends, Query, Response
from pydantic import StringConstraints

from api import parameters, schemas
from api.dependencies import ServiceDep
from api.naming import named
from api.problems import problems
from api.uploads import BINARY

router = APIRouter(tags=["visual dna"])

PARQUET = "application/vnd.apache.parquet"
MOST = 20
"""Datasets in one matrix."""
NamedText = Annotated[str, StringConstraints(pattern=parameters.NAMED_PATTERN)]
AuditIdQuery = Annotated[str, Query(pattern=parameters.ID_PATTERN, description="Id of an audit or comparison.")]
_PROBLEMS = problems("unknown-id", "not-ready", "failed", "invalid-request")
_COMPARED = problems("unknown-id", "not-ready", "failed", "invalid-request", "invalid-configuration")


@dataclass(frozen=True)
class _Question:
    """Which datasets of the two audits are meant, and what is asked of them."""

    reference_dataset: parameters.Searched = None
    candidate_dataset: parameters.Searched = None
    layer: Annotated[
        list[parameters.LayerName] | None,
        Query(max_length=parameters.MOST_LAYERS, description="Listen to this layer only; may be repeated."),
    ] = None
    by: parameters.By = ""
    seed: Annotated[
        int, Query(ge=0, le=parameters.MAX_SAFE_INTEGER - 1, description="Seed of permutations and resamples.")
    ] = 0


@router.get("/v1/audits/{audit_id}/dna", responses=_COMPARED)
def dna(audit_id: parameters.AuditId, service: ServiceDep, dataset: parameters.Searched = None) -> schemas.DnaOut:
    """Say what the Visual DNA of an audit's dataset holds."""
    from audit.dna.bursts import dna_of

    view = service.dna(audit_id, dataset)
    found = dna_of(view)
    layers = {name: rows.stop - rows.start for name, rows in found.ranges.slices.items()}
    n_dead = int(found.ranges.dead.sum())
    return schemas.DnaOut(
        dataset=view.name, n_images=found.size, extractor=found.extractor, layers=layers, n_dead=n_dead
    )


@router.get(
    "/v1/audits/{audit_id}/dna/file",
    response_class=Response,
    responses={
        200: {"description": "Parquet, a row per neuron.", "content": {PARQUET: {"schema": BINARY}}},
        **_COMPARED,
    },
)
def dna_file(
    audit_id: parameters.AuditId,
    service: ServiceDep,
    dataset: parameters.Searched = None,
    form: Annotated[
        Literal["whole", "compact"], Query(description="Everything, or only what a matrix takes (no p-value).")
    ] = "whole",
) -> Response:
    """Fetch the Visual DNA of an audit's dataset as a file that compares anywhere, with `assay dna`."""
    from audit.dna import compact, files
    from audit.dna.bursts import compact_of, dna_of

    view = service.dna(audit_id, dataset)
    data = files.to_bytes(dna_of(view)) if form == "whole" else compact.to_bytes(compact_of(view))
    return Response(data, media_type=PARQUET)


@router.post("/v1/audits/{audit_id}/dna/weights", responses=_COMPARED)
def choose_neurons(
    audit_id: parameters.AuditId, body: schemas.DnaChoiceIn, service: ServiceDep, dataset: parameters.Searched = None
) -> schemas.DnaWeightsOut:
    """Choose neurons, by name or by an attribute that pictures have; nothing is kept, comparing takes the answer."""
    from audit.dna.asking import Choice, choose

    made = choose(service.dna(audit_id, dataset), Choice(**body.model_dump()))
    return schemas.DnaWeightsOut(**made.plain())


@router.get("/v1/dna/compare", responses=_COMPARED)
def compare(
    reference: AuditIdQuery,
    candidate: AuditIdQuery,
    service: ServiceDep,
    asked: Annotated[_Question, Depends()],
) -> schemas.DnaComparisonOut:
    """Compare the Visual DNA of two datasets of audits: distance, floor, interval, p-value, layers."""
    body = schemas.DnaQuestionIn(
        reference=schemas.DnaSide(audit=reference, dataset=asked.reference_dataset),
        candidate=schemas.DnaSide(audit=candidate, dataset=asked.candidate_dataset),
        layers=tuple(asked.layer or ()),
        by=asked.by,
        seed=asked.seed,
    )
    return compare_by(body, service)


@router.post("/v1/dna/compare", responses=_COMPARED)
def compare_by(body: schemas.DnaQuestionIn, service: ServiceDep) -> schemas.DnaComparisonOut:
    """Compare as above, listening to saved weights of neurons; nothing is kept."""
    from audit.dna.asking import Question, answer
    from audit.dna.weights import NeuronWeights

    left, right = (service.dna(side.audit, side.dataset) for side in (body.reference, body.candidate))
    weights = None if body.weights is None else NeuronWeights.from_plain(body.weights)
    question = Question(weights=weights, layers=body.layers, by=body.by, seed=body.seed)
    return schemas.DnaComparisonOut(**answer((left, right), question))


@router.get("/v1/dna/matrix", responses=_COMPARED)
def matrix(
    audit: Annotated[
        list[NamedText],
        Query(
            min_length=1,
            max_length=MOST,
            description="Audits in order: an id, or ID:DATASET for a dataset of a comparison, by name or id.",
        ),
    ],
    service: ServiceDep,
) -> schemas.DnaMatrixOut:
    """Distances between datasets of several audits, each row in standard deviations of its own dataset."""
    from audit.dna.asking import matrix as distances

    views = [service.dna(*named(one)) for one in audit]
    return schemas.DnaMatrixOut(audits=tuple(audit), names=tuple(view.name for view in views), **distances(views))
