"""Long work with its steps: what was asked for, how far it is, and how it ended."""

from datetime import datetime
from typing import Any

from sqlalchemy import Float, Index
from sqlalchemy.orm import Mapped, mapped_column

from isp_plugins.db.tables.base import Base, Json, Name, UtcDateTime, Word


class OperationRow(Base):
    """One operation; the node that began it is the one that works on it."""

    __tablename__ = "operations"
    __table_args__ = (
        Index("ix_operations_state", "state"),
        Index("ix_operations_subject", "subject"),
        Index("ix_operations_ended_at", "ended_at"),
        {"sqlite_autoincrement": True},
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    kind: Mapped[str] = mapped_column(Word)
    subject: Mapped[str] = mapped_column(Name)
    state: Mapped[str] = mapped_column(Word)
    steps: Mapped[list[dict[str, Any]]] = mapped_column(Json)
    progress: Mapped[float] = mapped_column(Float, default=0.0)
    actor: Mapped[dict[str, Any]] = mapped_column(Json)
    request: Mapped[dict[str, Any]] = mapped_column(Json)
    """What was asked for; never a secret, nor any value of a configuration."""
    result: Mapped[dict[str, Any] | None] = mapped_column(Json)
    error: Mapped[dict[str, Any] | None] = mapped_column(Json)
    node: Mapped[str] = mapped_column(Name)
    created_at: Mapped[datetime] = mapped_column(UtcDateTime)
    started_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    ended_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
