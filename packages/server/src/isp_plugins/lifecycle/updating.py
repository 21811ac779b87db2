"""Changes a plugin's description; an active plugin is reloaded where the change needs it, or nothing changes.

1. The name stays: other plugins, keys and logs know the plugin by it.
2. A version that breaks what an enabled plugin requires, and a dependency that closes a circle, are refused.
3. What decides how the plugin is loaded needs a reload; the rest counts at once.
"""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from sqlalchemy.ext.asyncio import AsyncSession

from isp_plugins.actors import Actor
from isp_plugins.audit import AuditTag
from isp_plugins.configuration.schema import ConfigSchema
from isp_plugins.contracts.vocabulary import Desired, LogLevel, State
from isp_plugins.errors import PluginSystemError
from isp_plugins.lifecycle.bindings import Bound
from isp_plugins.lifecycle.dependencies import cycle_through, fits, shown_cycle
from isp_plugins.lifecycle.errors import (
    DependencyCycleError,
    PackagedFieldError,
    PluginNameFixedError,
    PluginUpdateFailedError,
    VersionStillNeededError,
)
from isp_plugins.lifecycle.ledger import Entry
from isp_plugins.lifecycle.records import PluginChanges, PluginRecord
from isp_plugins.lifecycle.reloading import Refusal, replace_with
from isp_plugins.lifecycle.stage import Stage
from isp_plugins.lifecycle.starting import require_dependencies

RELOADS = frozenset({"version", "module_path", "entry_point", "config_schema", "runtime", "trusted_inline"})
"""Fields that decide what is loaded and how."""
PACKAGED = frozenset({"version", "module_path", "entry_point", "config_schema", "runtime", "needs"})
"""Fields of an installed plugin that follow from its package."""


async def update(stage: Stage, record: PluginRecord, changes: PluginChanges, actor: Actor) -> None:
    """Apply the changes; a `ConflictError` leaves everything as it was."""
    after = changed(record, changes.values)
    fields = sorted(name for name in changes.values if _value(after, name) != _value(record, name))
    if not fields:
        return
    _refuse_packaged(record, after)
    after = (after.reloaded if RELOADS.intersection(fields) else after.changed)(stage.clock.now())
    check_change(stage, record, after)
    writing = _Writing(stage, record, after, fields, actor)
    if record.state is State.ACTIVE and RELOADS.intersection(fields):
        await replace_with(
            stage, after, await stage.launcher.equip(after), writing.save_bound, _refusal(record)
        )
    else:
        await writing.save()
    _count_at_once(stage, after)


def changed(record: PluginRecord, values: Mapping[str, Any]) -> PluginRecord:
    """The record with validated values; `PluginNameFixedError` for another name."""
    given = dict(values)
    if given.pop("name", record.name) != record.name:
        raise PluginNameFixedError(name=record.name, plugin_id=record.id, given=values["name"])
    if "dependencies" in given:
        given["needs"] = given.pop("dependencies")
    return replace(record, **given)


def _refuse_packaged(record: PluginRecord, after: PluginRecord) -> None:
    """`PackagedFieldError` for what only another package can change."""
    fixed = sorted(name for name in PACKAGED if getattr(record, name) != getattr(after, name))
    if record.release is not None and fixed:
        raise PackagedFieldError(name=record.name, fields=", ".join(fixed))


class _Writing:
    """Stores the changed description with its audit entry, which names the fields."""

    def __init__(
        self, stage: Stage, before: PluginRecord, after: PluginRecord, fields: list[str], actor: Actor
    ) -> None:
        self._stage = stage
        self._schema_changed = before.config_schema != after.config_schema
        self._after = after
        self._fields = fields
        self._actor = actor

    async def save(self) -> None:
        """Without a new instance."""
        await self._commit(self._after)

    async def save_bound(self, bound: Bound) -> None:
        """With what became of a new instance's subscriptions."""
        await self._commit(
            replace(self._after, invalid_hooks=bound.invalid, since=self._stage.clock.now()), bound
        )

    async def _commit(self, after: PluginRecord, bound: Bound | None = None) -> None:
        entry = Entry(
            AuditTag.PLUGIN_UPDATED, self._actor, after, {"fields": self._fields, "version": after.version}
        )
        also = [self._protect] if self._schema_changed else []
        await self._stage.ledger.commit(after, entries=[entry], also=[*also, bound.save] if bound else also)

    async def _protect(self, session: AsyncSession) -> None:
        """Encrypt what is kept in clear and the new schema calls a secret."""
        await self._stage.configuration.protect(
            session, self._after.id, ConfigSchema.of(self._after.config_schema)
        )


def check_change(stage: Stage, before: PluginRecord, after: PluginRecord) -> None:
    """Refuse a circle of needs, needs that are not met while it runs, and a version that others cannot work with."""
    requires = stage.directory.requires() | {after.name: after.required}
    if before.needs != after.needs and (circle := cycle_through(after.name, requires)):
        raise DependencyCycleError(cycle=shown_cycle(circle))
    if after.state is State.ACTIVE and before.needs != after.needs:
        require_dependencies(stage, after)
    if before.version != after.version:
        _require_fitting(stage, after)


def _require_fitting(stage: Stage, after: PluginRecord) -> None:
    """Refuse a version that an enabled plugin cannot work with."""
    broken = [
        f"{needing.name} ({need.specifier})"
        for needing in stage.directory.needing(after.name)
        for need in needing.needs
        if need.name == after.name
        and not need.optional
        and needing.desired is Desired.ENABLED
        and not fits(after.version, need.specifier)
    ]
    if broken:
        raise VersionStillNeededError(
            name=after.name, plugin_id=after.id, version=after.version, dependants=", ".join(broken)
        )


def _count_at_once(stage: Stage, after: PluginRecord) -> None:
    """Level and debug flag of a running plugin."""
    stage.launcher.logger_of(after)
    instance = stage.instances.get(after.id)
    if instance is None:
        return
    instance.record = after
    debug = after.log_level is LogLevel.DEBUG
    if any(subscription.debug != debug for subscription in instance.subscriptions):
        instance.subscriptions = tuple(
            replace(subscription, debug=debug) for subscription in instance.subscriptions
        )
        stage.engine.subscribe(after.id, instance.subscriptions)


def _value(record: PluginRecord, name: str) -> Any:
    return record.needs if name == "dependencies" else getattr(record, name)


def _refusal(record: PluginRecord) -> Refusal:
    def refuse(cause: str, outcome: str) -> PluginSystemError:
        return PluginUpdateFailedError(name=record.name, plugin_id=record.id, cause=cause, outcome=outcome)

    return refuse
