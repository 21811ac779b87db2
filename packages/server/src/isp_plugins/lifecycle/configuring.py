"""Changes a plugin's configuration: tried on a candidate first, saved only when that works.

1. A plugin that does not run: the change is checked and saved.
2. One that takes a new configuration while it runs is handed it; if it refuses, it gets the old one back.
3. Any other is replaced by a new instance with the new configuration, as by a reload.
4. What is stored is what the next start uses: the save is the last step, so a host killed before it starts with the old values.
5. New secrets are masked in the log before the plugin can see them; old ones until it has let go of them.
"""

from collections.abc import Awaitable, Callable, Coroutine
from contextlib import AsyncExitStack, suppress
from dataclasses import replace
from typing import Any

from isp_plugins.actors import Actor
from isp_plugins.audit import AuditTag
from isp_plugins.configuration.schema import ConfigSchema
from isp_plugins.configuration.values import Candidate, ConfigChange
from isp_plugins.contracts.vocabulary import Desired, State
from isp_plugins.errors import PluginSystemError
from isp_plugins.lifecycle.bindings import Bound
from isp_plugins.lifecycle.errors import ConfigurationRefusedError, RequiredKeyMissingError
from isp_plugins.lifecycle.instances import Equipment, Instance
from isp_plugins.lifecycle.ledger import Also, Entry
from isp_plugins.lifecycle.records import PluginRecord
from isp_plugins.lifecycle.reloading import OLD_RUNS, Refusal, replace_with
from isp_plugins.lifecycle.stage import Stage
from isp_plugins.runtime.errors import PluginFailedError


async def configure(stage: Stage, record: PluginRecord, change: ConfigChange, actor: Actor) -> Candidate:
    """Try and save a change; `ConfigurationInvalidError`, `RequiredKeyMissingError`, `ConfigurationRefusedError`."""
    schema = ConfigSchema.of(record.config_schema)
    candidate = await stage.configuration.plan(record.id, schema, change)
    _require_keys(record, candidate)
    if not candidate.changed_keys:
        return candidate
    saving = _Saving(stage, record, candidate, actor, _tag(change))
    if record.state is not State.ACTIVE:
        await saving.save()
        return candidate
    instance = stage.instances[record.id]
    equipment = stage.launcher.equip_with(schema, candidate)
    if instance.running.can_configure:
        await hand_over(stage, instance, equipment, saving.save)
    else:
        await replace_with(stage, saving.after, equipment, saving.save_bound, _refusal(record))
    return candidate


class _Saving:
    """Writes the candidate with its audit entry; the entry names keys, never values."""

    def __init__(
        self, stage: Stage, record: PluginRecord, candidate: Candidate, actor: Actor, tag: AuditTag
    ) -> None:
        self._stage = stage
        self._candidate = candidate
        self._actor = actor
        self._tag = tag
        self.after = record.configured(stage.clock.now())

    async def save(self, *also: Also) -> None:
        """In one transaction: values, version, generation, audit entry."""
        await self._commit(self.after, *also)

    async def save_bound(self, bound: Bound) -> None:
        """The same, with what became of a new instance's subscriptions."""
        await self._commit(
            replace(self.after, invalid_hooks=bound.invalid, since=self._stage.clock.now()), bound.save
        )

    async def _commit(self, after: PluginRecord, *also: Also) -> None:
        details = {"keys": list(self._candidate.changed_keys), "note": self._candidate.note}
        entry = Entry(self._tag, self._actor, after, details)
        await self._stage.ledger.commit(after, entries=[entry], also=[self._write, *also])

    def _write(self, session: Any) -> Coroutine[Any, Any, int]:
        return self._stage.configuration.save(session, self._candidate, self._actor)


async def hand_over(
    stage: Stage, instance: Instance, equipment: Equipment, save: Callable[[], Awaitable[None]]
) -> None:
    """Give a running plugin the new configuration, then save; the old one back if either fails. `ConfigurationRefusedError`."""
    record, old = instance.record, instance.equipment
    stage.launcher.mask(record, old, equipment)
    async with AsyncExitStack() as undo:
        undo.callback(stage.launcher.mask, record, old)
        undo.push_async_callback(_hand_back, stage, instance)
        try:
            await instance.running.configure(equipment.config)
        except PluginFailedError as error:
            cause = stage.launcher.blame(
                record, "The new configuration does not work", error, equipment.secrets | old.secrets
            )
            raise _refusal(record)(cause, OLD_RUNS) from None  # what the plugin raised may hold secrets
        await save()
        instance.equipment = equipment
        undo.pop_all()
    stage.breakers.reset(record.id)
    stage.launcher.mask(record, equipment)


async def _hand_back(stage: Stage, instance: Instance) -> None:
    """The old configuration again; a plugin that refuses even that is started anew with it."""
    record, old = instance.record, instance.equipment
    try:
        await instance.running.configure(old.config)
    except PluginFailedError as error:
        stage.launcher.blame(
            record,
            "The old configuration could not be given back, so the plugin is started anew",
            error,
            old.secrets,
        )
        with suppress(
            ConfigurationRefusedError
        ):  # said in its log; the first failure is what the operator must see
            await replace_with(stage, record, old, _nothing_to_save, _refusal(record))


async def _nothing_to_save(bound: Bound) -> None:
    """The same code and configuration leave nothing to write."""


def _require_keys(record: PluginRecord, candidate: Candidate) -> None:
    """Refuse to take a required key away from a plugin that is enabled."""
    taken = sorted(set(candidate.missing_required) & set(candidate.changed_keys))
    if record.desired is Desired.ENABLED and taken:
        raise RequiredKeyMissingError(name=record.name, plugin_id=record.id, keys=", ".join(taken))


def _tag(change: ConfigChange) -> AuditTag:
    if change.rollback_to is not None:
        return AuditTag.CONFIGURATION_ROLLED_BACK
    return AuditTag.CONFIGURATION_CHANGED if change.set else AuditTag.CONFIGURATION_DELETED


def _refusal(record: PluginRecord) -> Refusal:
    def refuse(cause: str, outcome: str) -> PluginSystemError:
        return ConfigurationRefusedError(name=record.name, plugin_id=record.id, cause=cause, outcome=outcome)

    return refuse
