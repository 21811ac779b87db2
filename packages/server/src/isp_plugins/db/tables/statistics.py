"""Statistics of plugins: what each node counted, minute by minute and hour by hour."""

from datetime import datetime

from sqlalchemy import BigInteger, ForeignKey, Index, Integer, LargeBinary
from sqlalchemy.orm import Mapped, mapped_column

from isp_plugins.db.tables.base import Base, Name, UtcDateTime, Word


class PluginStatistics(Base):
    """What one node counted of one plugin in one minute or hour; rows are added, never changed, and several of a minute add up."""

    __tablename__ = "plugin_statistics"
    __table_args__ = (Index("ix_plugin_statistics_resolution_at", "resolution", "at"),)

    id: Mapped[int] = mapped_column(BigInteger().with_variant(Integer(), "sqlite"), primary_key=True)
    node: Mapped[str] = mapped_column(Name)
    resolution: Mapped[str] = mapped_column(Word)
    """`minute` or `hour`."""
    at: Mapped[datetime] = mapped_column(UtcDateTime)
    """When it began."""
    plugin_id: Mapped[int | None] = mapped_column(ForeignKey("plugins.id", ondelete="CASCADE"), index=True)
    """None: the hooks' own dispatches."""
    body: Mapped[bytes] = mapped_column(LargeBinary)
    """JSON, as `telemetry.stats.tally.pack` writes it."""


class PluginLastRuns(Base):
    """When each subscription of a plugin was last called on a node, and its last error."""

    __tablename__ = "plugin_last_runs"

    node: Mapped[str] = mapped_column(Name, primary_key=True)
    plugin_id: Mapped[int] = mapped_column(
        ForeignKey("plugins.id", ondelete="CASCADE"), primary_key=True, index=True
    )
    body: Mapped[bytes] = mapped_column(LargeBinary)
    """JSON: `[[hook, type, method, last run, last error, when]]`, moments in seconds of the epoch."""
