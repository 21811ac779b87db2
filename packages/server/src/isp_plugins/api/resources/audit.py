"""`/audit`: who did what, or tried to, and whether the record of it is whole."""

from typing import Annotated

from fastapi import Query

from isp_plugins.access import Scope
from isp_plugins.api.deps import System
from isp_plugins.api.gate import needs, resource
from isp_plugins.api.schemas.base import PageOf
from isp_plugins.api.schemas.records import AuditEntryOut, AuditQuery, FindingOut, VerificationOut
from isp_plugins.audit import AuditEntryView, AuditFilters
from isp_plugins.db.paging import Page

router = resource("/audit", "Audit")


@router.get("", response_model=PageOf[AuditEntryOut], **needs(Scope.AUDIT_READ))
async def list_audit_entries(system: System, query: Annotated[AuditQuery, Query()]) -> Page[AuditEntryOut]:
    """List audit entries of every node, newest first."""
    filters = AuditFilters(**query.model_dump(exclude={"page", "size"}))
    found = await system.audit.page(filters=filters, page=query.page, size=query.size)
    return found.map(_shown)


@router.post("/verify", response_model=VerificationOut, **needs(Scope.AUDIT_READ))
async def verify_audit(system: System) -> VerificationOut:
    """Check the whole chain: finds entries that were edited, removed, reordered or cut off."""
    report = await system.audit.verify()
    findings = [
        FindingOut(node=found.node, sequence=found.sequence, kind=found.kind, problem=str(found))
        for found in report.findings
    ]
    return VerificationOut(intact=report.ok, checked=report.entries, findings=findings)


def _shown(entry: AuditEntryView) -> AuditEntryOut:
    """An entry with its actor spread out."""
    return AuditEntryOut(
        id=entry.id,
        node=entry.node,
        sequence=entry.sequence,
        at=entry.at,
        tag=entry.tag,
        outcome=entry.outcome,
        actor_type=entry.actor.type,
        actor_id=entry.actor.id,
        actor_name=entry.actor.name,
        source=entry.actor.source,
        request_id=entry.request_id,
        subject_type=entry.subject_type,
        subject_id=entry.subject_id,
        details=entry.details,
    )
