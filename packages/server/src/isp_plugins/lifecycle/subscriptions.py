"""Conducts an operator's subscriptions: checked against the running plugin, written with the audit entry, then told to the engine."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace

from sqlalchemy.ext.asyncio import AsyncSession

from isp_plugins.actors import Actor
from isp_plugins.audit import AuditTag
from isp_plugins.contracts.calls import Invoker
from isp_plugins.contracts.hooks import Subscription
from isp_plugins.hooks.records import HookChanges, HookDraft, HookView
from isp_plugins.lifecycle.bindings import standing
from isp_plugins.lifecycle.convergence import Convergence
from isp_plugins.lifecycle.ledger import Entry
from isp_plugins.lifecycle.records import PluginRecord
from isp_plugins.lifecycle.stage import Stage

Write = Callable[[AsyncSession, Invoker | None], Awaitable[HookView]]
"""Changes one row, checked against the running instance where there is one."""


@dataclass(frozen=True, slots=True)
class _Changed:
    """What a change comes to."""

    view: HookView
    subscriptions: tuple[Subscription, ...]


class Subscriptions:
    """What operators bind to hooks, beside what plugins declare themselves."""

    def __init__(self, stage: Stage, convergence: Convergence) -> None:
        self._stage = stage
        self._convergence = convergence

    async def of(self, plugin_id: int) -> list[HookView]:
        """A plugin's subscriptions, with their bindings; `PluginNotFoundError`."""
        self._stage.directory.get(plugin_id)
        async with self._stage.database.reading() as session:
            return list(await self._stage.hook_store.list(session, plugin_id))

    async def create(self, plugin_id: int, draft: HookDraft, actor: Actor) -> HookView:
        """Bind a method to a hook; `BindingInvalidError` with every mistake where it does not fit a running plugin, `SubscriptionExistsError`."""

        async def write(session: AsyncSession, invoker: Invoker | None) -> HookView:
            return await self._stage.hook_store.create(session, plugin_id, draft, invoker=invoker)

        return await self._change(plugin_id, write, AuditTag.HOOK_CREATED, actor)

    async def update(self, plugin_id: int, hook_id: int, changes: HookChanges, actor: Actor) -> HookView:
        """Change a subscription; it counts from the next dispatch. `SubscriptionNotFoundError`, `SubscriptionDeclaredError`, and as for `create`."""

        async def write(session: AsyncSession, invoker: Invoker | None) -> HookView:
            return await self._stage.hook_store.update(session, plugin_id, hook_id, changes, invoker=invoker)

        return await self._change(plugin_id, write, AuditTag.HOOK_UPDATED, actor)

    async def delete(self, plugin_id: int, hook_id: int, actor: Actor) -> None:
        """Remove a subscription; `SubscriptionNotFoundError`, `SubscriptionDeclaredError`."""

        async def write(session: AsyncSession, _invoker: Invoker | None) -> HookView:
            return await self._stage.hook_store.delete(session, plugin_id, hook_id)

        await self._change(plugin_id, write, AuditTag.HOOK_DELETED, actor)

    async def _change(self, plugin_id: int, write: Write, tag: AuditTag, actor: Actor) -> HookView:
        return await self._convergence.change(
            plugin_id, lambda: _change(self._stage, plugin_id, write, tag, actor)
        )


async def _change(stage: Stage, plugin_id: int, write: Write, tag: AuditTag, actor: Actor) -> HookView:
    async with stage.locks.of(plugin_id):
        record = stage.directory.get(plugin_id)
        instance = stage.instances.get(plugin_id)

        async def work(session: AsyncSession) -> tuple[_Changed, PluginRecord, Entry]:
            view = await write(session, instance.running if instance else None)
            after = record.changed(stage.clock.now())
            subscriptions: tuple[Subscription, ...] = ()
            if instance is not None:
                subscriptions, invalid = await stage.bindings.rebound(session, after, instance.running)
                after = replace(after, invalid_hooks=invalid)
            else:
                subscriptions = standing(after, await stage.hook_store.list(session, plugin_id))
            return _Changed(view, subscriptions), after, Entry(tag, actor, after, _details(view))

        changed = await stage.ledger.write(record, work)
        if instance is not None:
            instance.subscriptions = changed.subscriptions
        if instance is not None or changed.subscriptions or tag is not AuditTag.HOOK_CREATED:
            stage.engine.subscribe(plugin_id, changed.subscriptions)
        return changed.view


def _details(view: HookView) -> dict[str, object]:
    return {
        "hook_id": view.id,
        "hook": view.hook_name,
        "type": view.hook_type.value,
        "method": view.callback_method,
        "priority": view.priority,
        "is_active": view.is_active,
    }
