"""Puts a new instance of a plugin in the place of the old one; if anything fails, the caller's own step included, the old one is back.

1. Beside: the new one is started and probed while the old one works, then the subscriptions are swapped in one step; no call is dropped.
2. Exclusive: calls wait at the gate, and clients at the ports that the host listens on for it, while the old one stops and the new one starts; a failure
   starts the old one again.
3. A new instance that says it is unhealthy is a failure, unless the old one says so too: then the cause lies elsewhere.
4. What the caller does inside the block (save the change) is the last step. Then the old one drains and is cleaned up.
"""

from collections.abc import AsyncIterator
from contextlib import AbstractContextManager, AsyncExitStack, asynccontextmanager, nullcontext

from isp_plugins.contracts.runtime import Listening
from isp_plugins.contracts.vocabulary import HealthStatus
from isp_plugins.lifecycle.bindings import Bound
from isp_plugins.lifecycle.errors import UnhealthyCandidateError
from isp_plugins.lifecycle.instances import Equipment, Instance
from isp_plugins.lifecycle.records import PluginRecord
from isp_plugins.lifecycle.stage import Stage
from isp_plugins.lifecycle.starting import subscribe


@asynccontextmanager
async def replaced(stage: Stage, record: PluginRecord, equipment: Equipment) -> AsyncIterator[Bound]:
    """The plugin with a new instance, described by the record; raises what the new one raised. See `is_lost` for the old one then."""
    old = stage.instances[record.id]
    way = (
        _after(stage, old, record, equipment)
        if old.record.exclusive or record.exclusive
        else _beside(stage, old, record, equipment)
    )
    async with way as bound:
        yield bound
    stage.launcher.mask(record, stage.instances[record.id])
    stage.breakers.reset(record.id)  # again: the old one's last calls may have failed while it drained


def is_lost(stage: Stage, record: PluginRecord) -> bool:
    """Whether neither the new instance nor the old one runs."""
    return record.id not in stage.instances


@asynccontextmanager
async def _beside(
    stage: Stage, old: Instance, record: PluginRecord, equipment: Equipment
) -> AsyncIterator[Bound]:
    async with AsyncExitStack() as undo:
        undo.callback(stage.launcher.mask, old.record, old)
        new = await stage.launcher.start(record, equipment, beside=old)
        undo.push_async_callback(stage.launcher.stop, new)
        await _probe(stage, new, await _health(stage, old))
        bound = await stage.bindings.bind(record, new.running)
        undo.push_async_callback(stage.bindings.forget, bound)
        undo.push_async_callback(_swap_back, stage, old)
        new.subscriptions = bound.subscriptions
        stage.engine.subscribe(record.id, new.subscriptions)
        await new.running.activate()
        yield bound
        _take_place(stage, new)
        undo.pop_all()
    await stage.engine.drain(record.id, timeout=stage.settings.drain_timeout)
    await stage.launcher.stop(old)


@asynccontextmanager
async def _after(
    stage: Stage, old: Instance, record: PluginRecord, equipment: Equipment
) -> AsyncIterator[Bound]:
    before = await _health(stage, old)
    with _ports_kept(old):
        async with stage.engine.gate(record.id), AsyncExitStack() as undo:
            await stage.engine.drain(record.id, timeout=stage.settings.drain_timeout)
            del stage.instances[record.id]
            await stage.launcher.stop(old)
            undo.push_async_callback(_bring_back, stage, old)
            new = await stage.launcher.start(record, equipment, beside=old)
            undo.push_async_callback(stage.launcher.stop, new)
            await _probe(stage, new, before)
            bound = await subscribe(stage, new, undo)
            await new.running.activate()
            yield bound
            _take_place(stage, new)
            undo.pop_all()


def _ports_kept(old: Instance) -> AbstractContextManager[None]:
    """Inside it the ports of an instance stay open, although it stops."""
    return old.running.ports_kept() if isinstance(old.running, Listening) else nullcontext()


def _take_place(stage: Stage, new: Instance) -> None:
    """The new one is the plugin's from now on; what the old one's calls did to the circuit breaker is not its fault."""
    stage.instances[new.record.id] = new
    stage.breakers.reset(new.record.id)


async def _swap_back(stage: Stage, old: Instance) -> None:
    stage.engine.subscribe(old.record.id, old.subscriptions)
    await stage.engine.drain(old.record.id, timeout=stage.settings.drain_timeout)


async def _bring_back(stage: Stage, old: Instance) -> None:
    """Start the old one again; where that fails, too, nothing runs and the log says why."""
    record = old.record
    try:
        async with AsyncExitStack() as undo:
            again = await stage.launcher.start_again(old)
            undo.push_async_callback(stage.launcher.stop, again)
            await subscribe(stage, again, undo)
            await again.running.activate()
            stage.instances[record.id] = again
            undo.pop_all()
    except Exception as error:
        await stage.engine.unsubscribe(record.id, drain_timeout=0)
        stage.launcher.blame(
            record, "The old instance could not be started again", error, old.equipment.secrets
        )


async def _health(stage: Stage, instance: Instance) -> HealthStatus:
    return (await instance.probe.ask(stage.settings.health_timeout)).status


async def _probe(stage: Stage, new: Instance, before: HealthStatus) -> None:
    """`UnhealthyCandidateError` where the new one is unhealthy and the old one was not."""
    answer = await new.probe.ask(stage.settings.health_timeout)
    if answer.status is HealthStatus.UNHEALTHY and before is not HealthStatus.UNHEALTHY:
        raise UnhealthyCandidateError(
            name=new.record.name, checks="; ".join(answer.reasons) or "it names no check"
        )
