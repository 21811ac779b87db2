"""What there is to install, and what there is to start from."""

from datetime import datetime
from typing import Any

from sqlalchemy import Text, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from isp_plugins.db.tables.base import Base, Json, Name, UtcDateTime, Word


class PluginRegistryEntry(Base):
    """One published release of a plugin, as the registry's index names it."""

    __tablename__ = "plugin_registry"
    __table_args__ = (UniqueConstraint("name", "version"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(Name)
    version: Mapped[str] = mapped_column(Name)
    display_name: Mapped[str] = mapped_column(Name)
    description: Mapped[str] = mapped_column(Text, default="")
    author: Mapped[str] = mapped_column(Name, default="")
    plugin_type: Mapped[str] = mapped_column(Word, index=True)
    digest: Mapped[str] = mapped_column(Name)
    """SHA-256 of the artifact, in hexadecimal."""
    location: Mapped[str] = mapped_column(Text)
    manifest: Mapped[dict[str, Any]] = mapped_column(Json)
    published_at: Mapped[datetime] = mapped_column(UtcDateTime)


class PluginTemplate(Base):
    """A template that an operator added to those that ship."""

    __tablename__ = "plugin_templates"

    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(Name, unique=True)
    description: Mapped[str] = mapped_column(Text, default="")
    plugin_type: Mapped[str] = mapped_column(Word)
    files: Mapped[dict[str, str]] = mapped_column(Json)
    """`{path: Jinja2 text}`."""
    variables: Mapped[list[dict[str, Any]]] = mapped_column(Json, default=list)
    """`[{name, description, default, pattern, kind}]`, in the order in which they are asked for."""
    created_at: Mapped[datetime] = mapped_column(UtcDateTime)
    updated_at: Mapped[datetime] = mapped_column(UtcDateTime)
