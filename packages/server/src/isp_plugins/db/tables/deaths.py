"""How workers of plugins ended that nobody asked to: a bounded number of deaths for each plugin."""

from datetime import datetime
from typing import Any

from sqlalchemy import BigInteger, Float, ForeignKey, Index, Integer, Text
from sqlalchemy.orm import Mapped, mapped_column

from isp_plugins.db.tables.base import Base, Json, Name, UtcDateTime, Word


class PluginDeath(Base):
    """The end of one worker, with its cause."""

    __tablename__ = "plugin_deaths"
    __table_args__ = (Index("ix_plugin_deaths_plugin_id_id", "plugin_id", "id"),)

    id: Mapped[int] = mapped_column(BigInteger().with_variant(Integer(), "sqlite"), primary_key=True)
    plugin_id: Mapped[int] = mapped_column(ForeignKey("plugins.id", ondelete="CASCADE"))
    node: Mapped[str] = mapped_column(Name)
    plugin_name: Mapped[str] = mapped_column(Name)
    version: Mapped[str] = mapped_column(Text)
    pid: Mapped[int] = mapped_column(Integer)
    started_at: Mapped[datetime] = mapped_column(UtcDateTime)
    died_at: Mapped[datetime] = mapped_column(UtcDateTime)
    reason: Mapped[str] = mapped_column(Word)
    exit_code: Mapped[int | None] = mapped_column(Integer)
    signal: Mapped[str | None] = mapped_column(Word)
    detail: Mapped[str] = mapped_column(Text)
    log_tail: Mapped[list[Any]] = mapped_column(Json, default=list)
    """Its last log lines, oldest first."""
    cpu_s: Mapped[float | None] = mapped_column(Float)
    memory_bytes: Mapped[int | None] = mapped_column(BigInteger)
    open_files: Mapped[int | None] = mapped_column(Integer)
    threads: Mapped[int | None] = mapped_column(Integer)
