"""Disables and deletes: alone, or with everyone that needs the plugin.

1. A plugin that others need is refused with their names, unless they go with it.
2. Disable is written first, then the plugin is taken down: a host killed in between does not start it again.
3. Delete takes down first, then drops: a host killed in between finds the plugin as it was. If the drop fails, the plugin is brought up again.
4. Dependants go before what they need.
"""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

from isp_plugins.actors import Actor
from isp_plugins.audit import AuditTag
from isp_plugins.contracts.vocabulary import Desired, State
from isp_plugins.lifecycle.announcements import Announcement
from isp_plugins.lifecycle.dependencies import order
from isp_plugins.lifecycle.errors import PluginStillNeededError
from isp_plugins.lifecycle.kept import Part
from isp_plugins.lifecycle.ledger import Entry
from isp_plugins.lifecycle.placing import give_up
from isp_plugins.lifecycle.records import PluginRecord
from isp_plugins.lifecycle.stage import Stage
from isp_plugins.lifecycle.starting import take_down
from isp_plugins.lifecycle.states import NEVER_LOADED, RUNNING


@asynccontextmanager
async def _with_dependants(
    stage: Stage, plugin_id: int, *, cascade: bool
) -> AsyncIterator[list[PluginRecord]]:
    """The plugin last, before it everyone that needs it and is wanted, all locked; `PluginStillNeededError` without cascade."""
    while True:
        ids = {plugin_id, *(needing.id for needing in _needing(stage, plugin_id) if cascade)}
        async with stage.locks.of(*ids):
            needing = _needing(stage, plugin_id)
            if needing and not cascade:
                record = stage.directory.get(plugin_id)
                raise PluginStillNeededError(
                    name=record.name, plugin_id=plugin_id, dependants=", ".join(one.name for one in needing)
                )
            if ids.issuperset(one.id for one in needing):
                yield _last_first([stage.directory.get(plugin_id), *needing])
                return


def _needing(stage: Stage, plugin_id: int) -> list[PluginRecord]:
    found = stage.directory.dependants_of(stage.directory.get(plugin_id).name)
    return [one for one in found if one.desired is Desired.ENABLED or one.state in RUNNING]


def _last_first(records: Sequence[PluginRecord]) -> list[PluginRecord]:
    """Dependants before what they need."""
    by_name = {record.name: record for record in records}
    names = order({record.name: record.required for record in records}).names
    return [by_name[name] for name in reversed(names)]


async def disable(stage: Stage, plugin_id: int, actor: Actor, *, cascade: bool) -> None:
    """Take the plugin down, and those that need it with `cascade`; one that is down already stays as it is."""
    async with _with_dependants(stage, plugin_id, cascade=cascade) as records:
        going = [record for record in records if not _is_down(record)]
        if not going:
            return
        await _write_disabled(stage, going, actor)
        for record in going:
            await _down(stage, record)
    for record in going:
        stage.announcer.announce(Announcement.DISABLED, record, actor)


def _is_down(record: PluginRecord) -> bool:
    return record.desired is Desired.DISABLED and record.state in {State.DISABLED, *NEVER_LOADED}


async def _write_disabled(stage: Stage, records: Sequence[PluginRecord], actor: Actor) -> None:
    now = stage.clock.now()
    after = [record.asked(Desired.DISABLED, now).moved(State.DISABLED, now) for record in records]
    _show_going(stage, records)  # before anything is awaited, so that nobody comes up who needs them
    try:
        await stage.ledger.commit(
            *after, entries=[Entry(AuditTag.PLUGIN_DISABLED, actor, record) for record in after]
        )
    except BaseException:
        stage.ledger.show(*records)
        raise
    _show_going(stage, after)
    for record in records:
        stage.recovery.forget(record.id)


def _show_going(stage: Stage, records: Sequence[PluginRecord]) -> None:
    now = stage.clock.now()
    stage.ledger.show(
        *(record.moved(State.DISABLING, now) for record in records if record.id in stage.instances)
    )


async def _down(stage: Stage, record: PluginRecord) -> None:
    await take_down(stage, record.id)
    await give_up(stage, record)
    now = stage.directory.get(record.id)
    if now.state is State.DISABLING:
        stage.ledger.show(now.moved(State.DISABLED, stage.clock.now()))


async def delete(
    stage: Stage, plugin_id: int, actor: Actor, *, cascade: bool, keep: frozenset[Part] = frozenset()
) -> PluginRecord:
    """Take the plugin down and drop everything of it but logs, audit and what is to be kept; with `cascade` disable those that need it."""
    async with _with_dependants(stage, plugin_id, cascade=cascade) as records:
        *needing, record = records
        _show_going(stage, records)
        taken = [one for one in records if one.id in stage.instances]
        for one in taken:
            await take_down(stage, one.id)
        try:
            await _drop(stage, record, needing, actor, keep)
        except BaseException:
            await _bring_back(stage, taken)
            raise
        stage.forget(plugin_id)
    for one in needing:
        stage.announcer.announce(Announcement.DISABLED, one, actor)
    stage.announcer.announce(Announcement.UNINSTALLED, record, actor)
    return record


async def _drop(
    stage: Stage,
    record: PluginRecord,
    needing: Sequence[PluginRecord],
    actor: Actor,
    keep: frozenset[Part],
) -> None:
    now = stage.clock.now()
    disabled = [one.asked(Desired.DISABLED, now).moved(State.DISABLED, now) for one in needing]
    entries = [Entry(AuditTag.PLUGIN_DISABLED, actor, one) for one in disabled]
    tag = AuditTag.PLUGIN_UNINSTALLED if keep else AuditTag.PLUGIN_DELETED
    entries.append(Entry(tag, actor, record, {"kept": sorted(keep)} if keep else {}))
    await stage.ledger.commit(*disabled, gone=[record], keep=keep, entries=entries)
    for one in needing:
        stage.recovery.forget(one.id)


async def _bring_back(stage: Stage, taken: Sequence[PluginRecord]) -> None:
    """What was taken down for a drop that failed comes up again by itself."""
    for record in taken:
        now = stage.clock.now()
        stage.ledger.show(
            record.moved(State.FAILED, now, cause="It was stopped to be deleted, which failed.", retry_at=now)
        )
        stage.recovery.expect(record.id, 0.0)
