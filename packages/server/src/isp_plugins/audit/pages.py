"""Pages of the audit trail, newest first, with the filters of the API."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Select, or_, select

from isp_plugins.actors import Actor, ActorType
from isp_plugins.audit.tags import AuditOutcome
from isp_plugins.db.tables import AuditEntry


@dataclass(frozen=True, slots=True)
class AuditFilters:
    """Which entries are wanted; None: all."""

    tag: str | None = None
    """A tag (`plugin.enabled`), or everything under its first word (`plugin`)."""
    actor: str | None = None
    """An actor's id or name."""
    subject: str | None = None
    """A kind of subject (`plugin`), or one subject (`plugin/3`)."""
    since: datetime | None = None
    """From this moment on."""
    until: datetime | None = None
    """Before this moment."""
    outcome: AuditOutcome | None = None


@dataclass(frozen=True, slots=True)
class AuditEntryView:
    """One audit entry as it is shown."""

    id: int
    node: str
    sequence: int
    at: datetime
    tag: str
    outcome: str
    actor: Actor
    subject_type: str
    subject_id: str
    details: dict[str, Any]
    request_id: str | None


def statement_for(filters: AuditFilters) -> Select[AuditEntry]:
    """The select that the filters mean."""
    statement = select(AuditEntry).order_by(AuditEntry.id.desc())
    if filters.tag is not None:
        statement = statement.where(
            or_(AuditEntry.tag == filters.tag, AuditEntry.tag.startswith(f"{filters.tag}.", autoescape=True))
        )
    if filters.actor is not None:
        statement = statement.where(
            or_(AuditEntry.actor_id == filters.actor, AuditEntry.actor_name == filters.actor)
        )
    if filters.subject is not None:
        kind, separator, name = filters.subject.partition("/")
        statement = statement.where(AuditEntry.subject_type == kind)
        statement = statement.where(AuditEntry.subject_id == name) if separator else statement
    if filters.since is not None:
        statement = statement.where(AuditEntry.at >= filters.since)
    if filters.until is not None:
        statement = statement.where(AuditEntry.at < filters.until)
    if filters.outcome is not None:
        statement = statement.where(AuditEntry.outcome == filters.outcome)
    return statement


def view_of(entry: AuditEntry) -> AuditEntryView:
    """An entry's row as it is shown."""
    return AuditEntryView(
        id=entry.id,
        node=entry.node,
        sequence=entry.sequence,
        at=entry.at,
        tag=entry.tag,
        outcome=entry.outcome,
        actor=Actor(ActorType(entry.actor_type), entry.actor_id, entry.actor_name, entry.source),
        subject_type=entry.subject_type,
        subject_id=entry.subject_id,
        details=entry.details,
        request_id=entry.request_id,
    )
