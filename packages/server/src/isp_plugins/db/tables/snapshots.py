"""What a plugin held when one of its releases was left for another."""

from datetime import datetime

from sqlalchemy import ForeignKey, LargeBinary, Text, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from isp_plugins.db.tables.base import Base, Name, UtcDateTime


class PluginSnapshot(Base):
    """One release as it was left: its configuration, stored values and subscriptions, and until when its successor is watched."""

    __tablename__ = "plugin_snapshots"
    __table_args__ = (UniqueConstraint("release_id"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    plugin_id: Mapped[int] = mapped_column(ForeignKey("plugins.id", ondelete="CASCADE"), index=True)
    release_id: Mapped[int] = mapped_column(ForeignKey("plugin_releases.id", ondelete="CASCADE"))
    """The release that was left."""
    successor_id: Mapped[int]
    """The release that it was left for."""
    content: Mapped[bytes] = mapped_column(LargeBinary)
    """JSON of the rows, secrets as their ciphertexts."""
    description: Mapped[bytes] = mapped_column(LargeBinary)
    """JSON of the plugin's own description."""
    watch_until: Mapped[datetime | None] = mapped_column(UtcDateTime)
    """Until when the successor is watched; None: it is not, or not any more."""
    breach: Mapped[str | None] = mapped_column(Text)
    """Why the successor is to be left again at once."""
    why: Mapped[str | None] = mapped_column(Text)
    """Why this release was left, where it was not for a newer one."""
    created_at: Mapped[datetime] = mapped_column(UtcDateTime)
    created_by: Mapped[str] = mapped_column(Name)
