"""Plugins, their instances per node, their subscriptions and dependencies."""

from datetime import datetime
from typing import Any

from sqlalchemy import JSON, ForeignKey, Index, Text, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column, relationship

from isp_plugins.db.tables.base import Base, Json, Name, UtcDateTime, Word


class Plugin(Base):
    """A registered plugin: its own description, and what the operator wants of it."""

    __tablename__ = "plugins"
    __table_args__ = {"sqlite_autoincrement": True}  # noqa: RUF012  SQLAlchemy's own attribute; an id is never used again, since logs and audit outlive their plugin

    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(Name, unique=True)
    display_name: Mapped[str] = mapped_column(Name)
    description: Mapped[str] = mapped_column(Text, default="")
    version: Mapped[str] = mapped_column(Name)
    author: Mapped[str] = mapped_column(Name, default="")
    plugin_type: Mapped[str] = mapped_column(Word, index=True)
    module_path: Mapped[str] = mapped_column(Name)
    entry_point: Mapped[str] = mapped_column(Name)
    config_schema: Mapped[dict[str, Any]] = mapped_column(Json, default=dict)
    runtime: Mapped[str] = mapped_column(Word, default="in_process")
    placement: Mapped[str] = mapped_column(Word, default="per-node", server_default="per-node")
    """On every node, or on one at a time."""
    exclusive: Mapped[bool] = mapped_column(default=True)
    trusted_inline: Mapped[bool] = mapped_column(default=False)
    log_level: Mapped[str] = mapped_column(Word, default="INFO")
    desired: Mapped[str] = mapped_column(Word, default="disabled", index=True)
    generation: Mapped[int] = mapped_column(default=1)
    """Raised by every change."""
    load_generation: Mapped[int] = mapped_column(default=1, server_default="1")
    """The last change for which a running instance has to be replaced: code, release, configuration, a reload."""
    asked_generation: Mapped[int] = mapped_column(default=0, server_default="0")
    """The last change by which the operator enabled or disabled it."""
    config_generation: Mapped[int] = mapped_column(default=0, server_default="0")
    """The last change of its configuration."""
    release_id: Mapped[int | None]
    """What is installed of it (`plugin_releases`, which hangs on this row, not the other way round); none for code on the plugin path."""
    uninstalled_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    """Since when it is uninstalled, and only what was to be kept of it is here; its name and id wait for the next installation."""
    created_at: Mapped[datetime] = mapped_column(UtcDateTime)
    updated_at: Mapped[datetime] = mapped_column(UtcDateTime)

    hooks: Mapped[list["PluginHook"]] = relationship(
        back_populates="plugin", cascade="all, delete-orphan", passive_deletes=True
    )
    dependencies: Mapped[list["PluginDependency"]] = relationship(
        back_populates="plugin", cascade="all, delete-orphan", passive_deletes=True
    )
    instances: Mapped[list["PluginInstance"]] = relationship(
        back_populates="plugin", cascade="all, delete-orphan", passive_deletes=True
    )


class PluginRelease(Base):
    """One version of a plugin as it was installed: which artifact, in which environment, from where."""

    __tablename__ = "plugin_releases"

    id: Mapped[int] = mapped_column(primary_key=True)
    plugin_id: Mapped[int] = mapped_column(ForeignKey("plugins.id", ondelete="CASCADE"), index=True)
    version: Mapped[str] = mapped_column(Name)
    digest: Mapped[str] = mapped_column(Name)
    """SHA-256 of the wheel; the name of the artifact's folder."""
    environment: Mapped[str] = mapped_column(Name)
    """Name of the environment's folder."""
    lock: Mapped[dict[str, Any]] = mapped_column(Json)
    manifest: Mapped[dict[str, Any]] = mapped_column(Json)
    source: Mapped[dict[str, Any]] = mapped_column(Json)
    """Where it came from, without credentials."""
    operation_id: Mapped[int | None]
    """The installation that made it, which is forgotten sooner."""
    installed_at: Mapped[datetime] = mapped_column(UtcDateTime)
    installed_by: Mapped[str] = mapped_column(Name)


class PluginInstance(Base):
    """What one node reports of one plugin."""

    __tablename__ = "plugin_instances"

    plugin_id: Mapped[int] = mapped_column(ForeignKey("plugins.id", ondelete="CASCADE"), primary_key=True)
    node: Mapped[str] = mapped_column(Name, primary_key=True)
    state: Mapped[str] = mapped_column(Word)
    generation: Mapped[int]
    version: Mapped[str | None] = mapped_column(Name)
    """The plugin's version that the node has."""
    cause: Mapped[str | None] = mapped_column(Text)
    failures: Mapped[int] = mapped_column(default=0)
    since: Mapped[datetime] = mapped_column(UtcDateTime)
    retry_at: Mapped[datetime | None] = mapped_column(UtcDateTime)

    plugin: Mapped[Plugin] = relationship(back_populates="instances")


class PluginHook(Base):
    """A subscription: one plugin method bound to one hook."""

    __tablename__ = "plugin_hooks"
    __table_args__ = (
        UniqueConstraint("plugin_id", "hook_name", "callback_method", "hook_type"),
        Index("ix_plugin_hooks_hook_name", "hook_name"),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    plugin_id: Mapped[int] = mapped_column(ForeignKey("plugins.id", ondelete="CASCADE"))
    hook_name: Mapped[str] = mapped_column(Name)
    hook_type: Mapped[str] = mapped_column(Word)
    callback_method: Mapped[str] = mapped_column(Name)
    priority: Mapped[int] = mapped_column(default=100)
    description: Mapped[str] = mapped_column(Text, default="")
    conditions: Mapped[str | None] = mapped_column(Text)
    timeout_ms: Mapped[int | None]
    failure_policy: Mapped[str] = mapped_column(Word, default="continue")
    own_echo: Mapped[bool] = mapped_column(default=False)
    retry: Mapped[dict[str, Any] | None] = mapped_column(JSON(none_as_null=True))
    """Of an event subscription, `{min_s, max_s, attempts}`; None: the default."""
    is_active: Mapped[bool] = mapped_column(default=True)
    declared: Mapped[bool] = mapped_column(default=False)
    """Comes from a decorator of the plugin's class; refreshed at each load, switched off by `is_active`."""
    overrides: Mapped[list[str]] = mapped_column(Json, default=list)
    """Fields of a declared subscription that the operator changed: a load leaves them alone."""
    binding: Mapped[str] = mapped_column(Word, default="unverified")
    binding_error: Mapped[str | None] = mapped_column(Text)
    created_at: Mapped[datetime] = mapped_column(UtcDateTime)
    updated_at: Mapped[datetime] = mapped_column(UtcDateTime)

    plugin: Mapped[Plugin] = relationship(back_populates="hooks")


class PluginDependency(Base):
    """What a plugin needs: another plugin or a Python package, with a version specifier."""

    __tablename__ = "plugin_dependencies"
    __table_args__ = (UniqueConstraint("plugin_id", "kind", "name"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    plugin_id: Mapped[int] = mapped_column(ForeignKey("plugins.id", ondelete="CASCADE"))
    kind: Mapped[str] = mapped_column(Word)
    """`plugin` or `python`."""
    name: Mapped[str] = mapped_column(Name)
    specifier: Mapped[str] = mapped_column(Name, default="")
    """PEP 440 version specifier; empty: any version."""
    optional: Mapped[bool] = mapped_column(default=False)
    is_satisfied: Mapped[bool] = mapped_column(default=False)
    found: Mapped[str | None] = mapped_column(Name)
    """The version found when it was last checked."""
    checked_at: Mapped[datetime | None] = mapped_column(UtcDateTime)

    plugin: Mapped[Plugin] = relationship(back_populates="dependencies")
