"""Stored results of dispatches that carried an idempotency key."""

from datetime import datetime
from typing import Any

from sqlalchemy import LargeBinary
from sqlalchemy.orm import Mapped, mapped_column

from isp_plugins.db.tables.base import Base, Json, Name, UtcDateTime


class IdempotentDispatch(Base):
    """The claim on one idempotency key of one caller, and the result once there is one."""

    __tablename__ = "idempotent_dispatches"

    caller: Mapped[str] = mapped_column(Name, primary_key=True)
    """The API key's id, so that callers cannot read each other's results."""
    key: Mapped[str] = mapped_column(Name, primary_key=True)
    """`Idempotency-Key`, or a CloudEvent's `source` and `id`."""
    hook: Mapped[str] = mapped_column(Name)
    digest: Mapped[bytes] = mapped_column(LargeBinary(32))
    """SHA-256 of hook and body: the same key with another body is refused."""
    result: Mapped[dict[str, Any] | None] = mapped_column(Json)
    """None while the first dispatch still runs, or if the host died in it."""
    created_at: Mapped[datetime] = mapped_column(UtcDateTime, index=True)
