"""What becomes of a plugin whose worker died although nobody asked it to.

1. At once, before anything is awaited: whoever dispatches skips the plugin, with that reason; what the worker used last is kept for
   the record.
2. Then, with the plugin's lock: failed or quarantined with the cause (`failing`), the death stored in the same transaction; recovery
   starts it again, with the code that it ran, after its pause.
3. A worker that served nobody yet (it was just starting) or no more (a reload replaced it) leaves only its record: whoever started or
   replaced it says what follows.
"""

import logging
from dataclasses import astuple, replace
from functools import partial

from isp_plugins.contracts.vocabulary import LogLevel, State
from isp_plugins.contracts.worker import Death, DeathReason, Mortal, ResourceUse
from isp_plugins.lifecycle.failing import entry_about, failed, store_failure
from isp_plugins.lifecycle.instances import Instance
from isp_plugins.lifecycle.stage import Stage

logger = logging.getLogger(__name__)


def notice(stage: Stage, death: Death) -> Death:
    """Stop dispatches from calling it, and complete its record with what is known now."""
    if served(stage, death) is not None:
        stage.engine.suspend(death.plugin_id)
    stage.deaths.notice(death)
    return replace(
        death,
        detail=stage.logs.masked(death.plugin_id, death.detail),
        usage=_filled(death.usage, stage.supervisor.last_use(death.pid, death.started_at)),
    )


async def conduct(stage: Stage, death: Death) -> None:
    """Do what follows, and write it down; an error of our own is logged."""
    try:
        async with stage.locks.of(death.plugin_id):
            if death.plugin_id in stage.directory:
                await _conduct(stage, death)
    except Exception:
        logger.exception("the death of plugin %s's worker could not be dealt with", death.plugin_name)


async def _conduct(stage: Stage, death: Death) -> None:
    instance = served(stage, death)
    if instance is None or stage.directory.get(death.plugin_id).state is not State.ACTIVE:
        if death.plugin_id in stage.instances:
            stage.engine.resume(death.plugin_id)  # another one serves
        await stage.deaths.store(death)
        return
    await _fail(stage, instance, death)


async def _fail(stage: Stage, instance: Instance, death: Death) -> None:
    """A worker that served died: the plugin is failed, or quarantined where it was restarted too often."""
    record = stage.directory.get(death.plugin_id)
    cause = cause_of_death(death) + stage.deaths.repeated(record.id)
    stage.launcher.note(record, LogLevel.ERROR, cause)
    del stage.instances[record.id]
    stage.engine.suspend(record.id)
    stage.breakers.reset(record.id)
    after = failed(stage, record, cause)
    details = {
        "reason": death.reason.value,
        "pid": death.pid,
        "exit_code": death.exit_code,
        "signal": death.signal,
    }
    try:
        await store_failure(
            stage, after, entry_about(after, **details), also=[partial(stage.deaths.save, death=death)]
        )
    finally:
        await stage.launcher.stop(instance)


def served(stage: Stage, death: Death) -> Instance | None:
    """The instance whose worker died, if it is the one that serves."""
    instance = stage.instances.get(death.plugin_id)
    if instance is None or not isinstance(instance.running, Mortal):
        return None
    return instance if instance.running.pid == death.pid else None


def _filled(known: ResourceUse, seen: ResourceUse) -> ResourceUse:
    """What the system said at the end, and for the rest what was seen last."""
    pairs = zip(astuple(known), astuple(seen), strict=True)
    return ResourceUse(*(last if own is None else own for own, last in pairs))


def cause_of_death(death: Death) -> str:
    """One sentence: how it ended, and which version and process it was."""
    how = f"exit code {death.exit_code}" if death.signal is None else f"signal {death.signal}"
    words = death.detail or f"The worker died: {how}, {_WHY[death.reason]}"
    return f"{words.rstrip('.')} (version {death.version}, process {death.pid})."


_WHY = {
    DeathReason.EXITED: "by itself",
    DeathReason.SIGNALLED: "not sent by the host",
    DeathReason.UNRESPONSIVE: "since it did not answer",
    DeathReason.LIMIT: "since it used more than it may",
    DeathReason.PROTOCOL: "since it sent what is not the protocol",
}
