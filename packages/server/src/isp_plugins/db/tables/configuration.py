"""A plugin's configuration: present values, and every version that there was."""

from datetime import datetime
from typing import Any

from sqlalchemy import ForeignKey, LargeBinary, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from isp_plugins.db.tables.base import Base, Json, Name, UtcDateTime


class PluginConfiguration(Base):
    """One stored value; a secret is in `ciphertext` alone, bound to its plugin and key."""

    __tablename__ = "plugin_configurations"
    __table_args__ = (UniqueConstraint("plugin_id", "key"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    plugin_id: Mapped[int] = mapped_column(ForeignKey("plugins.id", ondelete="CASCADE"))
    key: Mapped[str] = mapped_column(Name)
    value: Mapped[Any | None] = mapped_column(Json)
    ciphertext: Mapped[bytes | None] = mapped_column(LargeBinary)
    is_encrypted: Mapped[bool] = mapped_column(default=False)
    version: Mapped[int]
    """The configuration version that wrote this value."""
    created_at: Mapped[datetime] = mapped_column(UtcDateTime)
    updated_at: Mapped[datetime] = mapped_column(UtcDateTime)
    updated_by: Mapped[str] = mapped_column(Name)


class ConfigurationVersion(Base):
    """The whole configuration as one change left it; secrets inside stay encrypted."""

    __tablename__ = "configuration_versions"

    plugin_id: Mapped[int] = mapped_column(ForeignKey("plugins.id", ondelete="CASCADE"), primary_key=True)
    version: Mapped[int] = mapped_column(primary_key=True)
    entries: Mapped[dict[str, Any]] = mapped_column(Json)
    """`{key: {"value": ...} | {"ciphertext": base64}}`."""
    changed_keys: Mapped[list[str]] = mapped_column(Json)
    note: Mapped[str] = mapped_column(Name, default="")
    created_at: Mapped[datetime] = mapped_column(UtcDateTime)
    created_by: Mapped[str] = mapped_column(Name)
