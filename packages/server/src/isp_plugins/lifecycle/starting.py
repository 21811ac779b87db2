"""Brings one plugin up and takes it down; whoever calls holds the plugin's lock and says how to save.

1. What a plugin needs is looked at before anything is done.
2. Started, subscribed, activated, saved, in this order; whatever fails undoes everything before it: a plugin that was skipped because its
   worker had died is skipped again.
3. Taken down in the opposite order: not called any more, drained, cleaned up.
"""

from collections.abc import Awaitable, Callable, Sequence
from contextlib import AsyncExitStack
from dataclasses import replace

from isp_plugins.contracts.hooks import Subscription
from isp_plugins.contracts.vocabulary import HealthEvent, State
from isp_plugins.lifecycle import states
from isp_plugins.lifecycle.bindings import Bound
from isp_plugins.lifecycle.errors import DependenciesUnsatisfiedError
from isp_plugins.lifecycle.instances import Equipment, Instance
from isp_plugins.lifecycle.records import PluginRecord
from isp_plugins.lifecycle.stage import Stage

Save = Callable[[PluginRecord, Bound], Awaitable[None]]
"""Writes an active plugin and what became of its subscriptions; the last step, whose failure undoes the others."""
Check = Callable[[Instance], Awaitable[None]]
"""Looks at a started instance before anybody calls it; raises where it does not do."""


def require_dependencies(stage: Stage, record: PluginRecord) -> None:
    """`DependenciesUnsatisfiedError` with everything that is missing."""
    stage.directory.forget_python()
    missing = [need for need in stage.directory.seen(record).dependencies if need.blocks]
    if missing:
        summary = "; ".join(need.problem or need.dependency.name for need in missing)
        mistakes = [
            {"path": f"dependencies.{need.dependency.name}", "message": need.problem, **need.to_dict()}
            for need in missing
        ]
        raise DependenciesUnsatisfiedError(
            name=record.name, plugin_id=record.id, summary=summary, mistakes=mistakes
        )


async def bring_up(
    stage: Stage, record: PluginRecord, equipment: Equipment, save: Save, check: Check | None = None
) -> None:
    """Start, check, subscribe and save; a `PluginFailedError` of the runtime, or whatever checking or saving raises, leaves nothing behind."""
    async with AsyncExitStack() as undo:
        instance = await stage.launcher.start(record, equipment)
        undo.push_async_callback(stage.launcher.stop, instance)
        if check is not None:
            await check(instance)
        bound = await subscribe(stage, instance, undo)
        await instance.running.activate()
        await save(active(stage, record, bound), bound)
        stage.instances[record.id] = instance
        undo.pop_all()
    stage.recovery.forget(record.id)
    stage.history.add(record.id, HealthEvent.STARTED, stage.directory.get(record.id).health.status)
    stage.recovery.hurry(needing.id for needing in stage.directory.needing(record.name))


async def subscribe(stage: Stage, instance: Instance, undo: AsyncExitStack) -> Bound:
    """Bind an instance's subscriptions and let the engine call it."""
    bound = await stage.bindings.bind(instance.record, instance.running)
    undo.push_async_callback(stage.bindings.forget, bound)
    undo.push_async_callback(
        _unsubscribe, stage, instance.record.id, stage.engine.skipped(instance.record.id)
    )
    stage.engine.subscribe(instance.record.id, bound.subscriptions)
    instance.subscriptions = bound.subscriptions
    return bound


async def _unsubscribe(stage: Stage, plugin_id: int, skipped: Sequence[Subscription]) -> None:
    """Let nobody call it any more. Where it was skipped because its worker had died, it is skipped again: it is still wanted."""
    if not skipped:
        await stage.engine.unsubscribe(plugin_id, drain_timeout=stage.settings.drain_timeout)
        return
    stage.engine.skip(plugin_id, skipped)
    await stage.engine.drain(plugin_id, timeout=stage.settings.drain_timeout)


def active(stage: Stage, record: PluginRecord, bound: Bound) -> PluginRecord:
    """The plugin as it is once it runs with these subscriptions."""
    return replace(record.moved(State.ACTIVE, stage.clock.now()), invalid_hooks=bound.invalid)


async def take_down(stage: Stage, plugin_id: int) -> None:
    """Unsubscribe, drain and stop what runs of the plugin; does nothing where nothing runs."""
    instance = stage.instances.pop(plugin_id, None)
    await stage.engine.unsubscribe(plugin_id, drain_timeout=stage.settings.drain_timeout)
    stage.breakers.reset(plugin_id)
    if instance is not None:
        await stage.launcher.stop(instance)


def begin(stage: Stage, record: PluginRecord, step: states.Step) -> None:
    """Show the plugin in the state that the step passes through; `WrongStateError` where the step is not possible."""
    target = states.require(record.state, step, name=record.name, plugin_id=record.id)
    stage.ledger.show(record.moved(target, stage.clock.now()))
