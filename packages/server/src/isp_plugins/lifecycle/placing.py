"""Where a plugin runs that runs once: on the node that holds its lease; the others stand by.

1. A singleton is started only under its lease; one that another node holds stands by here, and says where it runs.
2. When this node does not hold its leases any more (`lapsed`), its singletons are stopped at once, each within the grace that is
   left until others may begin: calls are not waited for, and a worker that does not end is killed.
3. After every heartbeat (`look`): what has no lease is stopped, what nobody runs is begun, where a plugin runs is shown.
4. What is lost with the lease is not failed: it stands by, and no failure is counted.
5. An instance belongs to the lease under which it was started. A plugin of every node that becomes a singleton stops on all of them, and
   begins on one when none shows it as active, or as being started, any more.
"""

import asyncio
import logging
from dataclasses import replace

from isp_plugins.contracts.vocabulary import Desired, LogLevel, Placement, State
from isp_plugins.contracts.worker import Abandonable
from isp_plugins.db.errors import DatabaseUnavailableError
from isp_plugins.lifecycle.bindings import standing
from isp_plugins.lifecycle.errors import PluginElsewhereError
from isp_plugins.lifecycle.instances import Instance
from isp_plugins.lifecycle.ledger import Entry
from isp_plugins.lifecycle.records import PluginRecord
from isp_plugins.lifecycle.stage import Stage
from isp_plugins.lifecycle.starting import take_down

CLEANING = 0.75
"""Of the grace, the part that a plugin has to clean up before it is killed."""
NOBODY = "No node runs it now; this one begins when its turn comes."
GATHERED = "It stopped here: it runs on one node at a time from now on."
CUT_OFF = "It was stopped here: this node cannot reach the database, and another one may run it."
_log = logging.getLogger(__name__)


async def may_start(stage: Stage, record: PluginRecord) -> bool:
    """Whether the plugin may be started here; of a singleton the lease is taken, where it is free."""
    return record.placement is Placement.PER_NODE or await stage.singletons.take(record.id)


async def may_begin(stage: Stage, record: PluginRecord) -> bool:
    """The same for what this node starts by itself: the others do not begin it as a singleton meanwhile."""
    if record.placement is Placement.PER_NODE:
        return await stage.ledger.begins(record)
    return await stage.singletons.take(record.id)


def require_lease(stage: Stage, record: PluginRecord) -> None:
    """`PluginElsewhereError` where a singleton lost its lease while it was being started."""
    if record.placement is Placement.SINGLETON and not stage.singletons.is_here(record.id):
        raise elsewhere(stage, record)


def elsewhere(stage: Stage, record: PluginRecord) -> PluginElsewhereError:
    """The refusal of what only the node can do that runs the plugin."""
    holder = stage.singletons.holder(record.id)
    return PluginElsewhereError(name=record.name, here=stage.settings.node, holder=holder or "no node yet")


async def stand_by(stage: Stage, record: PluginRecord, *entries: Entry, asked: bool = False) -> PluginRecord:
    """Show and store that the plugin runs elsewhere; `asked` is an operator's enable, which is stored with it."""
    now = stage.clock.now()
    wanted = record.asked(Desired.ENABLED, now) if asked else record
    after = wanted.moved(State.STANDBY, now, cause=_where(stage, record))
    stage.recovery.forget(record.id)
    await stage.ledger.commit(after, entries=[replace(entry, record=after) for entry in entries])
    await _skip(stage, after)
    stage.recovery.hurry(needing.id for needing in stage.directory.needing(record.name))
    return after


async def give_up(stage: Stage, record: PluginRecord) -> None:
    """The plugin does not run here any more because nobody wants it to: its lease is free."""
    if record.placement is Placement.SINGLETON and stage.singletons.is_here(record.id):
        try:
            await stage.singletons.give_up(record.id)
        except DatabaseUnavailableError:
            _log.warning("The lease of %s could not be given up; it ends with this node.", record.name)


def to_stop(stage: Stage) -> list[Instance]:
    """Singletons that run here without their lease, or under one that is over."""
    return [
        instance
        for plugin_id, instance in stage.instances.items()
        if _placement(stage, plugin_id) is Placement.SINGLETON
        and instance.token != stage.singletons.fence(plugin_id)
    ]


def to_begin(stage: Stage) -> list[PluginRecord]:
    """Plugins that stand by and could run here."""
    return [record for record in stage.directory if _could_run(stage, record)]


def moved(stage: Stage) -> list[PluginRecord]:
    """Plugins that stand by, and of which it is not shown where they run."""
    return [
        record
        for record in stage.directory
        if record.state is State.STANDBY
        and not _could_run(stage, record)
        and record.cause != _where(stage, record)
    ]


async def stop_now(stage: Stage, instance: Instance, grace_s: float) -> None:
    """Stop an instance whose lease is over; nothing is waited for longer than the grace, and nothing is written."""
    plugin_id = instance.record.id
    if stage.instances.get(plugin_id) is not instance:
        return
    del stage.instances[plugin_id]
    record = stage.directory.get(plugin_id)
    stage.ledger.show(record.moved(State.STANDBY, stage.clock.now(), cause=CUT_OFF))
    stage.recovery.forget(plugin_id)
    await stage.engine.unsubscribe(plugin_id, drain_timeout=0)
    stage.breakers.reset(plugin_id)
    stage.engine.subscribe(
        plugin_id, tuple(replace(one, callee=None, elsewhere=True) for one in instance.subscriptions)
    )
    stage.launcher.note(record, LogLevel.WARNING, CUT_OFF)
    instance.probe.give_up()
    try:
        async with asyncio.timeout(grace_s * CLEANING):
            await instance.running.stop()
    except TimeoutError:
        if isinstance(instance.running, Abandonable):
            await instance.running.abandon()
        else:
            _log.error(
                "%s runs in process and has not cleaned up within %.1f s; it may still work.",
                record.name,
                grace_s * CLEANING,
            )


async def settle(stage: Stage, instance: Instance) -> None:
    """A running plugin has become a singleton, or its lease was lost: stop and stand by, which lets one node begin."""
    if instance not in to_stop(stage):
        return
    record = stage.directory.get(instance.record.id)
    stopped = record.moved(State.STANDBY, stage.clock.now(), cause=GATHERED)
    stage.ledger.show(stopped)
    await take_down(stage, record.id)
    await stand_by(stage, stopped)


async def _skip(stage: Stage, record: PluginRecord) -> None:
    """Let dispatches on this node say that the plugin runs elsewhere."""
    async with stage.database.reading() as session:
        views = await stage.hook_store.list(session, record.id)
    stage.engine.subscribe(record.id, standing(record, views))


def _could_run(stage: Stage, record: PluginRecord) -> bool:
    if record.state is not State.STANDBY or record.desired is not Desired.ENABLED:
        return False
    free = stage.singletons.holder(record.id) is None or stage.singletons.is_here(record.id)
    return free or record.placement is Placement.PER_NODE


def _placement(stage: Stage, plugin_id: int) -> Placement | None:
    return stage.directory.get(plugin_id).placement if plugin_id in stage.directory else None


def _where(stage: Stage, record: PluginRecord) -> str:
    holder = stage.singletons.holder(record.id)
    return NOBODY if holder is None else f"It runs on node {holder}."
