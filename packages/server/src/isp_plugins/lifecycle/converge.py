"""Brings this node's part of one plugin to what another node made of it; whoever calls holds the plugin's lock.

1. The rows say what is wanted; what this node has is in its directory and instances. Nothing is announced: the other node did that.
2. A running instance is replaced as by a reload, so that a call is answered by a whole old version or a whole new one. Where that
   fails, the old one runs on, the plugin is degraded here with the cause, and it is tried again.
3. A plugin that cannot come up here is failed here, and is tried again; what is wanted of it stays wanted.
4. Quarantine is of this node's instance: another code or configuration ends it, and the operator's wish; nothing else does.
5. A new configuration, and nothing else, is handed to an instance that takes one while it runs.
"""

from collections.abc import Awaitable, Callable
from dataclasses import replace
from functools import partial

from isp_plugins.contracts.vocabulary import Desired, LogLevel, State
from isp_plugins.db.errors import DatabaseUnavailableError
from isp_plugins.errors import PluginSystemError
from isp_plugins.lifecycle.bindings import Bound, standing
from isp_plugins.lifecycle.configuring import hand_over
from isp_plugins.lifecycle.failing import fail_running
from isp_plugins.lifecycle.placing import give_up, settle
from isp_plugins.lifecycle.reconcile import try_start
from isp_plugins.lifecycle.records import Behind, PluginRecord
from isp_plugins.lifecycle.replacing import is_lost, replaced
from isp_plugins.lifecycle.stage import Stage
from isp_plugins.lifecycle.starting import require_dependencies, take_down
from isp_plugins.lifecycle.states import NEVER_LOADED, after_restart


async def converge(stage: Stage, plugin_id: int) -> None:
    """Do what is to be done about one plugin; raises only where the database does."""
    stored = await stage.ledger.look(plugin_id)
    before = stage.directory.get(plugin_id) if plugin_id in stage.directory else None
    if stored is None:
        if before is not None:
            await _gone(stage, before)
    elif before is None:
        await _arrived(stage, stored)
    elif stored.generation != before.generation or before.behind is not None:
        await _changed(stage, before, stored)


async def _gone(stage: Stage, record: PluginRecord) -> None:
    """It was deleted, or uninstalled."""
    if record.id in stage.instances:
        stage.ledger.show(record.moved(State.DISABLING, stage.clock.now()))
    await take_down(stage, record.id)
    await give_up(stage, record)
    stage.directory.drop(stage.directory.get(record.id))
    stage.forget(record.id)


async def _arrived(stage: Stage, stored: PluginRecord) -> None:
    """It was registered, or installed."""
    record = replace(stored, state=after_restart(stored.state), cause=None)
    stage.ledger.show(record)
    await _stand(stage, record)
    if record.desired is Desired.ENABLED:
        await try_start(stage, record.id)
    else:
        await stage.ledger.follow(stage.directory.get(record.id))


async def _changed(stage: Stage, before: PluginRecord, stored: PluginRecord) -> None:
    after = _here(before, stored)
    if after.desired is Desired.DISABLED:
        await _down(stage, after)
    elif after.id in stage.instances:
        await _go_on(stage, before, after)
    elif _stays_in_quarantine(before, after):
        await stage.ledger.follow(after)
        await _stand(stage, after)
    else:
        await _up(stage, after)


def _here(before: PluginRecord, stored: PluginRecord) -> PluginRecord:
    """What is wanted, with what the plugin is on this node."""
    return replace(
        stored,
        state=before.state,
        since=before.since,
        cause=before.cause,
        failures=before.failures,
        retry_at=before.retry_at,
        probed=before.probed,
        tripped=before.tripped,
        strained=before.strained,
        behind=before.behind,
    )


def _stays_in_quarantine(before: PluginRecord, after: PluginRecord) -> bool:
    same = before.load_generation == after.load_generation and before.desired is after.desired
    asked = before.asked_generation != after.asked_generation
    return before.state is State.QUARANTINED and same and not asked


async def _down(stage: Stage, after: PluginRecord) -> None:
    """It was disabled."""
    if after.id in stage.instances:
        stage.ledger.show(after.moved(State.DISABLING, stage.clock.now()))
    stage.recovery.forget(after.id)
    await take_down(stage, after.id)
    await give_up(stage, after)
    rests = after.state in NEVER_LOADED or after.state is State.DISABLED
    await stage.ledger.follow(after if rests else after.moved(State.DISABLED, stage.clock.now()))
    await _stand(stage, after)


async def _up(stage: Stage, after: PluginRecord) -> None:
    """It does not run here, and is wanted: what failed is tried anew, as if it never had."""
    if after.state is State.QUARANTINED:
        after = after.moved(State.FAILED, stage.clock.now(), cause=after.cause)
    stage.ledger.show(after)
    stage.recovery.forgive(after.id)
    await _stand(stage, after)
    await try_start(stage, after.id)


async def _go_on(stage: Stage, before: PluginRecord, after: PluginRecord) -> None:
    """It runs here, and is to go on, if not as before."""
    if before.placement is not after.placement:
        stage.ledger.show(after)
        await settle(stage, stage.instances[after.id])
        if after.id not in stage.instances:
            return
    if _is_only_configured(before, after) and stage.instances[after.id].running.can_configure:
        await _follow_with(_configure, stage, before, after)
    elif before.load_generation != after.load_generation or before.behind is not None:
        await _follow_with(_reload, stage, before, after)
    else:
        await _rebind(stage, after)


async def _rebind(stage: Stage, after: PluginRecord) -> None:
    """Only subscriptions or the description were changed."""
    instance = stage.instances[after.id]
    async with stage.database.reading() as session:
        subscriptions, invalid = await stage.bindings.rebound(session, after, instance.running)
    after = replace(after, invalid_hooks=invalid)
    instance.record, instance.subscriptions = after, subscriptions
    stage.launcher.logger_of(after)
    stage.engine.subscribe(after.id, subscriptions)
    await stage.ledger.follow(after)


def _is_only_configured(before: PluginRecord, after: PluginRecord) -> bool:
    """Whether one change was made since, and that of the configuration."""
    one = after.generation == before.generation + 1 == after.config_generation
    return one and before.behind is None


async def _configure(stage: Stage, after: PluginRecord) -> None:
    """The configuration was changed, which the instance takes while it runs."""
    instance = stage.instances[after.id]
    await hand_over(stage, instance, await stage.launcher.equip(after), partial(_rebind, stage, after))


async def _reload(stage: Stage, after: PluginRecord) -> None:
    """Code, release or configuration were changed, or the operator asked for a reload."""
    new = replace(after, since=stage.clock.now(), behind=None)
    require_dependencies(stage, new)
    equipment = await stage.launcher.equip(new)
    async with replaced(stage, new, equipment) as bound:
        await _follow(stage, new, bound)


async def _follow_with(
    change: Callable[[Stage, PluginRecord], Awaitable[None]],
    stage: Stage,
    before: PluginRecord,
    after: PluginRecord,
) -> None:
    """Change the instance that runs here; where that does not work, it falls behind."""
    try:
        await change(stage, after)
    except DatabaseUnavailableError:
        raise
    except PluginSystemError as error:
        cause = stage.launcher.blame(
            after, "What another node changed does not work here", error, stage.launcher.secrets_of(after.id)
        )
        await _fall_behind(stage, before, after, cause)


async def _follow(stage: Stage, new: PluginRecord, bound: Bound) -> None:
    also = [bound.save] if bound.changed else []
    await stage.ledger.follow(replace(new, invalid_hooks=bound.invalid), also)


async def _fall_behind(stage: Stage, before: PluginRecord, after: PluginRecord, cause: str) -> None:
    """The old instance runs on; where not even that does, the plugin is failed."""
    behind = before.behind or Behind(before.generation, before.version, cause)
    stage.ledger.show(replace(after, behind=replace(behind, cause=cause)))
    if is_lost(stage, after):
        await fail_running(stage, stage.directory.get(after.id), cause)
        return
    await stage.ledger.follow(stage.directory.get(after.id))
    stage.launcher.note(after, LogLevel.WARNING, "The old instance runs on, and it is tried again.")


async def _stand(stage: Stage, record: PluginRecord) -> None:
    """What does not run is still owed its events."""
    async with stage.database.reading() as session:
        views = await stage.hook_store.list(session, record.id)
    stage.engine.subscribe(record.id, standing(record, views))
