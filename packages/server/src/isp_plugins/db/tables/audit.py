"""The audit trail: an HMAC chain per node, with its head and count in a row of their own."""

from datetime import datetime
from typing import Any

from sqlalchemy import Index, LargeBinary, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from isp_plugins.db.tables.base import Base, Json, Name, UtcDateTime, Word


class AuditEntry(Base):
    """One thing that somebody did, or tried to do."""

    __tablename__ = "audit_entries"
    __table_args__ = (
        UniqueConstraint("node", "sequence"),
        Index("ix_audit_entries_at", "at"),
        Index("ix_audit_entries_subject", "subject_type", "subject_id"),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    node: Mapped[str] = mapped_column(Name)
    sequence: Mapped[int]
    """1, 2, 3 ... per node."""
    at: Mapped[datetime] = mapped_column(UtcDateTime)
    tag: Mapped[str] = mapped_column(Name, index=True)
    outcome: Mapped[str] = mapped_column(Word)
    """`done`, `refused` or `failed`."""
    actor_type: Mapped[str] = mapped_column(Word)
    actor_id: Mapped[str] = mapped_column(Name)
    actor_name: Mapped[str] = mapped_column(Name)
    source: Mapped[str | None] = mapped_column(Name)
    request_id: Mapped[str | None] = mapped_column(Name)
    subject_type: Mapped[str] = mapped_column(Word)
    subject_id: Mapped[str] = mapped_column(Name)
    details: Mapped[dict[str, Any]] = mapped_column(Json)
    """Never a configuration value, a secret or a token."""
    key_id: Mapped[str] = mapped_column(Name)
    """Which key of the ring made `mac`."""
    mac: Mapped[bytes] = mapped_column(LargeBinary(32))
    """HMAC-SHA256 over this entry and the mac before it."""


class AuditHead(Base):
    """Where a node's chain ends, outside the chain, so that a cut tail shows."""

    __tablename__ = "audit_heads"

    node: Mapped[str] = mapped_column(Name, primary_key=True)
    count: Mapped[int]
    mac: Mapped[bytes] = mapped_column(LargeBinary(32))
    seal: Mapped[bytes] = mapped_column(LargeBinary(32))
    """HMAC-SHA256 over node, count and mac, so that the head cannot be edited either."""
    key_id: Mapped[str] = mapped_column(Name)
