"""What people say of the features that an audit suspects to be spurious."""

from __future__ import annotations

from fastapi import APIRouter

from api import parameters, schemas
from api.dependencies import ServiceDep
from api.problems import problems

router = APIRouter(prefix="/v1/audits/{audit_id}/verdicts", tags=["results"])


@router.get("", responses=problems("unknown-id", "invalid-request"))
def held(audit_id: parameters.AuditId, service: ServiceDep) -> schemas.Verdicts:
    """List what people have said of the features of the audited dataset, under the audit's extractor."""
    return schemas.Verdicts.of(service.verdicts(audit_id))


@router.post("", responses=problems("unknown-id", "not-ready", "failed", "invalid-request"))
def say(audit_id: parameters.AuditId, body: schemas.VerdictIn, service: ServiceDep) -> schemas.Verdicts:
    """Say of a feature that it is confirmed or rejected, or take back what was said.

    The feature is one of the audit's table `spurious`; to take back what nobody said is a problem too. Submit the audit
    again for a report that takes it up.
    """
    return schemas.Verdicts.of(service.record_verdict(audit_id, body.feature, body.verdict, body.note))
