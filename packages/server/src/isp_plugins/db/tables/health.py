"""The health history of plugins: a bounded number of entries for each plugin and node."""

from datetime import datetime
from typing import Any

from sqlalchemy import Float, ForeignKey, Integer, Text
from sqlalchemy.orm import Mapped, mapped_column

from isp_plugins.db.tables.base import Base, Json, Name, UtcDateTime, Word


class PluginHealthEntry(Base):
    """A stretch of time in which a node found nothing new about a plugin's health."""

    __tablename__ = "plugin_health_history"

    plugin_id: Mapped[int] = mapped_column(ForeignKey("plugins.id", ondelete="CASCADE"), primary_key=True)
    node: Mapped[str] = mapped_column(Name, primary_key=True)
    number: Mapped[int] = mapped_column(Integer, primary_key=True, autoincrement=False)
    """Counts the entries of this plugin on this node."""
    event: Mapped[str] = mapped_column(Word)
    status: Mapped[str] = mapped_column(Word)
    """The plugin's health then."""
    at: Mapped[datetime] = mapped_column(UtcDateTime)
    last_at: Mapped[datetime] = mapped_column(UtcDateTime)
    """When the same was found last."""
    times: Mapped[int]
    """How often the same was found."""
    message: Mapped[str] = mapped_column(Text, default="")
    checks: Mapped[list[Any]] = mapped_column(Json, default=list)
    duration_ms: Mapped[float | None] = mapped_column(Float)
    """How long the last probe took."""
