"""Enables a plugin for an operator: where it may run, what it needs, its configuration, its start, and one transaction that says so."""

from collections.abc import Callable
from dataclasses import replace

from isp_plugins.actors import Actor
from isp_plugins.audit import AuditTag
from isp_plugins.contracts.vocabulary import Desired, State
from isp_plugins.lifecycle import placing
from isp_plugins.lifecycle.announcements import Announcement
from isp_plugins.lifecycle.bindings import Bound
from isp_plugins.lifecycle.errors import PluginEnableFailedError
from isp_plugins.lifecycle.failing import fail_request
from isp_plugins.lifecycle.ledger import Entry
from isp_plugins.lifecycle.records import PluginRecord
from isp_plugins.lifecycle.stage import Stage
from isp_plugins.lifecycle.starting import begin, bring_up, require_dependencies
from isp_plugins.lifecycle.states import Step
from isp_plugins.runtime.errors import PluginFailedError


async def enable(stage: Stage, plugin_id: int, actor: Actor, *, forgive: Callable[[int], None]) -> None:
    """Bring a plugin up; `forgive` forgets what it did wrong before. Errors of `PluginManager.enable`."""
    async with stage.locks.of(plugin_id):
        record = stage.directory.get(plugin_id)
        if record.state is State.ACTIVE:
            await _ask_others(stage, record, actor)
            return
        if not await placing.may_start(stage, record):
            await _stand_by(stage, record, actor)
            return
        require_dependencies(stage, record)
        equipment = await stage.launcher.equip(record)
        require_dependencies(stage, record)  # again: they may have gone while the configuration was read
        begin(stage, record, Step.ENABLE)
        stage.launcher.from_disk(plugin_id)
        stage.recovery.forgive(plugin_id)
        forgive(plugin_id)

        async def save(active: PluginRecord, bound: Bound) -> None:
            placing.require_lease(stage, record)
            wanted = replace(active.asked(Desired.ENABLED, active.since), since=active.since)
            entry = Entry(AuditTag.PLUGIN_ENABLED, actor, wanted)
            await stage.ledger.commit(wanted, entries=[entry], also=[bound.save])

        try:
            await bring_up(stage, record, equipment, save)
        except PluginFailedError as error:
            cause = stage.launcher.blame(record, "It could not be enabled", error, equipment.secrets)
            await placing.give_up(stage, record)
            await fail_request(stage, record, cause, actor)
            raise PluginEnableFailedError(
                name=record.name, plugin_id=plugin_id, cause=cause
            ) from None  # it may hold secrets
        except BaseException:
            stage.ledger.show(record)
            raise
        record = stage.directory.get(plugin_id)
    stage.announcer.announce(Announcement.ENABLED, record, actor)


async def _stand_by(stage: Stage, record: PluginRecord, actor: Actor) -> None:
    """Another node runs the singleton, or is to run it: it is wanted from now on, if it was not."""
    if record.desired is not Desired.ENABLED:
        entry = Entry(AuditTag.PLUGIN_ENABLED, actor, record)
        await placing.stand_by(stage, record, entry, asked=True)
    elif record.state is not State.STANDBY:
        await placing.stand_by(stage, record)
    else:
        await _ask_others(stage, record, actor)


async def _ask_others(stage: Stage, record: PluginRecord, actor: Actor) -> None:
    """It runs as far as this node is asked; where it is failed or in quarantine it is tried anew, as if it never had failed."""
    if await stage.ledger.is_down_elsewhere(record):
        wanted = record.asked(Desired.ENABLED, stage.clock.now())
        await stage.ledger.commit(wanted, entries=[Entry(AuditTag.PLUGIN_ENABLED, actor, wanted)])
