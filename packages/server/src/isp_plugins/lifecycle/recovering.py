"""What recovery does with a plugin whose moment has come, by its state; whoever calls holds the plugin's lock.

1. Failed: it is started again with the stored configuration: in a worker the code that ran before, where any of it ran since it was enabled
   or reloaded; else what is on the disk.
2. Active without answers: the instance is stopped and the same code started anew with the same configuration; calls wait meanwhile.
   The new instance is probed at once, and has to answer.
3. Quarantined: one try. It has to start and to answer before anything calls it again; then it is on trial. If not, it goes back.
4. A try that waited for the lock until the next one was planned is outdated: the pause that was decided meanwhile counts.
"""

from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from dataclasses import replace

from isp_plugins.actors import SYSTEM
from isp_plugins.audit import AuditTag
from isp_plugins.contracts.vocabulary import Desired, HealthEvent, LogLevel, State
from isp_plugins.lifecycle.bindings import Bound
from isp_plugins.lifecycle.errors import ProbeUnansweredError
from isp_plugins.lifecycle.failing import expect_retry, fail_running, quarantined
from isp_plugins.lifecycle.instances import Instance
from isp_plugins.lifecycle.ledger import Entry
from isp_plugins.lifecycle.placing import may_begin, stand_by
from isp_plugins.lifecycle.probing import masked_checks, probe
from isp_plugins.lifecycle.quarantine import quarantine_locked
from isp_plugins.lifecycle.reconcile import cause_of_start, try_start
from isp_plugins.lifecycle.records import PluginRecord
from isp_plugins.lifecycle.stage import Stage
from isp_plugins.lifecycle.starting import begin, bring_up, require_dependencies, subscribe
from isp_plugins.lifecycle.states import Step


async def recover(stage: Stage, plugin_id: int) -> None:
    """Do what is due; a failure is stored, and decides what is due next."""
    if plugin_id in stage.recovery.waiting:
        return
    record = stage.directory.get(plugin_id)
    if record.state is State.QUARANTINED:
        await _one_try(stage, record)
    elif record.state is State.ACTIVE:
        await _restart_or_quarantine(stage, record)
    else:
        await try_start(stage, plugin_id)


def mended(stage: Stage, plugin_id: int) -> None:
    """An operator changed something about a plugin: where it failed it is tried at once, as if it never had."""
    if stage.directory.get(plugin_id).state is State.FAILED:
        stage.recovery.forgive(plugin_id)
        stage.recovery.hurry([plugin_id])


async def _restart_or_quarantine(stage: Stage, record: PluginRecord) -> None:
    """Answer a plugin that does not answer."""
    if record.id not in stage.instances or not stage.vitals.of(record.id).ill(stage.settings.health_misses):
        return
    if not stage.recovery.allows(record.id, 0.0):
        cause = "; ".join(record.health.reasons) or "It does not answer its health checks."
        await quarantine_locked(stage, record.id, f"{cause} It was restarted too often.")
        return
    await _restart(stage, record)


async def _restart(stage: Stage, record: PluginRecord) -> None:
    old = stage.instances[record.id]
    stage.recovery.restarted(record.id)
    stage.launcher.note(record, LogLevel.WARNING, "It does not answer its health checks and is started anew.")
    try:
        new = await _replaced(stage, old)
    except Exception as error:
        await stage.engine.unsubscribe(record.id, drain_timeout=0)
        cause = stage.launcher.blame(record, "It could not be started anew", error, old.equipment.secrets)
        await fail_running(stage, stage.directory.get(record.id), cause)
        return
    vital = stage.vitals.of_instance(record.id, new)
    vital.unproven = True
    stage.history.add(record.id, HealthEvent.RESTARTED, record.health.status)
    await probe(stage, record.id)


async def _replaced(stage: Stage, old: Instance) -> Instance:
    """Stop an instance and start its code anew while calls wait at the gate; raises what the new one raised, and nothing runs then."""
    record = old.record
    async with stage.engine.gate(record.id), AsyncExitStack() as undo:
        await stage.engine.drain(record.id, timeout=stage.settings.drain_timeout)
        del stage.instances[record.id]
        await stage.launcher.stop(old)
        new = await stage.launcher.start_again(old)
        undo.push_async_callback(stage.launcher.stop, new)
        bound = await subscribe(stage, new, undo)
        await new.running.activate()
        now = stage.directory.get(record.id)
        also = [bound.save] if bound.changed else []
        await stage.ledger.commit(now, entries=[Entry(AuditTag.PLUGIN_RESTARTED, SYSTEM, now)], also=also)
        stage.instances[record.id] = new
        undo.pop_all()
    return new


async def _one_try(stage: Stage, record: PluginRecord) -> None:
    """Give a plugin in quarantine its try."""
    if record.desired is not Desired.ENABLED:
        return
    if not await may_begin(stage, record):
        await stand_by(stage, record)
        return
    hung = stage.hung(record.id)
    if hung >= stage.settings.abandoned_thread_limit:
        stage.launcher.note(
            record, LogLevel.WARNING, f"It stays in quarantine: {hung} threads of its calls still hang."
        )
        await _back(stage, record, record.cause or "Its calls hang.")
        return
    stage.launcher.note(record, LogLevel.INFO, "It is in quarantine and gets one try.")
    try:
        require_dependencies(stage, record)
        equipment = await stage.launcher.equip(record)
        begin(stage, record, Step.ENABLE)
        stage.recovery.restarted(record.id)
        await bring_up(stage, record, equipment, _saving(stage), _answering(stage))
    except Exception as error:
        await _back(stage, record, cause_of_start(stage, record, error))
        return
    stage.recovery.put_on_trial(record.id)


def _saving(stage: Stage) -> Callable[[PluginRecord, Bound], Awaitable[None]]:
    async def save(after: PluginRecord, bound: Bound) -> None:
        entry = Entry(AuditTag.PLUGIN_RESTARTED, SYSTEM, after, {"after": State.QUARANTINED.value})
        await stage.ledger.commit(after, entries=[entry], also=[bound.save])

    return save


def _answering(stage: Stage) -> Callable[[Instance], Awaitable[None]]:
    """`ProbeUnansweredError` where an instance does not answer its first probe."""

    async def check(instance: Instance) -> None:
        answer = await instance.probe.ask(stage.settings.health_timeout)
        if answer.missed:
            reasons = [check["message"] for check in masked_checks(instance, answer)]
            raise ProbeUnansweredError(reason="; ".join(reasons))

    return check


async def _back(stage: Stage, record: PluginRecord, cause: str) -> None:
    """Into quarantine again; that was told when it came there."""
    after = replace(quarantined(stage, record, cause), since=record.since)
    try:
        await stage.ledger.commit(after)
    except Exception:
        stage.ledger.show(after)
        raise
    finally:
        expect_retry(stage, after)
