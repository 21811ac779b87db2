"""Plugin logs, and what is counted of them; rows outlive their plugin, so its name is kept and its id is no foreign key."""

from datetime import datetime

from sqlalchemy import BigInteger, Float, Index, Integer, Text
from sqlalchemy.orm import Mapped, mapped_column

from isp_plugins.db.tables.base import Base, Name, UtcDateTime, Word


class PluginLog(Base):
    """One record of a plugin's log."""

    __tablename__ = "plugin_logs"
    # One composite index for each way in (all, a plugin, a hook, a method), each led by the level and ended by the order of the pages, so that
    # `telemetry.query` reads one page of any of them without scanning or sorting.
    __table_args__ = (
        Index("ix_plugin_logs_level_at", "level", "at", "id"),
        Index("ix_plugin_logs_plugin_id_level_at", "plugin_id", "level", "at", "id"),
        Index("ix_plugin_logs_hook_level_at", "hook", "level", "at", "id"),
        Index("ix_plugin_logs_method_level_at", "method", "level", "at", "id"),
        Index("ix_plugin_logs_at", "at"),
    )

    id: Mapped[int] = mapped_column(BigInteger().with_variant(Integer(), "sqlite"), primary_key=True)
    at: Mapped[datetime] = mapped_column(UtcDateTime)
    node: Mapped[str] = mapped_column(Name)
    plugin_id: Mapped[int]
    plugin_name: Mapped[str] = mapped_column(Name)
    level: Mapped[str] = mapped_column(Word)
    message: Mapped[str] = mapped_column(Text)
    hook: Mapped[str | None] = mapped_column(Name)
    method: Mapped[str | None] = mapped_column(Name)
    request_id: Mapped[str | None] = mapped_column(Name, index=True)
    duration_ms: Mapped[float | None] = mapped_column(Float)
    traceback: Mapped[str | None] = mapped_column(Text)


class PluginLogTotals(Base):
    """What is counted of one plugin's log: written in the transaction that stores or deletes the records."""

    __tablename__ = "plugin_log_totals"

    plugin_id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    plugin_name: Mapped[str] = mapped_column(Name, index=True)
    """As in the newest record."""
    records: Mapped[int] = mapped_column(BigInteger)
    """How many there are now."""
    bytes: Mapped[int] = mapped_column(BigInteger)
    """What they hold, about."""
    written: Mapped[int] = mapped_column(BigInteger)
    """How many were ever stored."""
    dropped: Mapped[int] = mapped_column(BigInteger)
    """How many were lost before they could be stored."""
    deleted_by_age: Mapped[int] = mapped_column(BigInteger)
    deleted_by_size: Mapped[int] = mapped_column(BigInteger)
    deleted_through: Mapped[int] = mapped_column(BigInteger)
    """The highest id among the deleted records; 0: none was deleted."""
