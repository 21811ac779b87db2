"""`/plugins/{plugin_id}/hooks`: bind a plugin's methods to hooks, change and unbind them."""

from typing import Annotated

from fastapi import Body

from isp_plugins.access import Principal, Scope
from isp_plugins.api.deps import Caller, System
from isp_plugins.api.gate import needs, resource
from isp_plugins.api.schemas.base import PageOf
from isp_plugins.api.schemas.events import LagOut, SeekIn, SeekOut
from isp_plugins.api.schemas.subscriptions import SubscriptionChangesIn, SubscriptionIn, SubscriptionOut
from isp_plugins.db.paging import Page
from isp_plugins.events.errors import EventRangeInvalidError, EventSubscriptionNotFoundError
from isp_plugins.events.views import LagView
from isp_plugins.hooks.errors import (
    BindingInvalidError,
    SubscriptionDeclaredError,
    SubscriptionExistsError,
    SubscriptionNotFoundError,
)
from isp_plugins.hooks.store import HookChanges, HookDraft, HookView
from isp_plugins.system import PluginSystem

router = resource("/plugins/{plugin_id:id}/hooks", "Subscriptions")


@router.get("", response_model=PageOf[SubscriptionOut], **needs(Scope.HOOKS_READ))
async def list_plugin_hooks(system: System, plugin_id: int) -> Page[HookView]:
    """Every subscription of the plugin, declared in its code or made here."""
    views = await system.manager.subscriptions.of(plugin_id)
    return Page(views, len(views), 1, max(len(views), 1))


@router.post(
    "",
    status_code=201,
    response_model=SubscriptionOut,
    **needs(Scope.HOOKS_MANAGE, SubscriptionExistsError, BindingInvalidError),
)
async def create_plugin_hook(
    system: System, caller: Caller, plugin_id: int, body: Annotated[SubscriptionIn, Body()]
) -> HookView:
    """Bind a method to a hook; before the plugin was ever loaded the binding is `unverified`."""
    caller.require(Scope.HOOKS_MANAGE, hook=body.hook_name)
    return await system.manager.subscriptions.create(
        plugin_id, HookDraft.of(body.model_dump(mode="json", exclude_unset=True)), caller.actor
    )


@router.put(
    "/{hook_id:id}",
    response_model=SubscriptionOut,
    **needs(
        Scope.HOOKS_MANAGE,
        SubscriptionNotFoundError,
        SubscriptionExistsError,
        SubscriptionDeclaredError,
        BindingInvalidError,
    ),
)
async def update_plugin_hook(
    system: System,
    caller: Caller,
    plugin_id: int,
    hook_id: int,
    body: Annotated[SubscriptionChangesIn, Body()],
) -> HookView:
    """Change a subscription; it counts from the next dispatch."""
    await _require_hook_of(system, caller, plugin_id, hook_id)
    changes = body.model_dump(mode="json", exclude_unset=True)
    if "hook_name" in changes:
        caller.require(Scope.HOOKS_MANAGE, hook=changes["hook_name"])
    return await system.manager.subscriptions.update(
        plugin_id, hook_id, HookChanges.of(changes), caller.actor
    )


@router.delete(
    "/{hook_id:id}",
    status_code=204,
    **needs(Scope.HOOKS_MANAGE, SubscriptionNotFoundError, SubscriptionDeclaredError),
)
async def delete_plugin_hook(system: System, caller: Caller, plugin_id: int, hook_id: int) -> None:
    """Unbind a method."""
    await _require_hook_of(system, caller, plugin_id, hook_id)
    await system.manager.subscriptions.delete(plugin_id, hook_id, caller.actor)


@router.get(
    "/{hook_id:id}/lag",
    response_model=LagOut,
    **needs(Scope.EVENTS_READ, SubscriptionNotFoundError, EventSubscriptionNotFoundError),
)
async def get_subscription_lag(system: System, caller: Caller, plugin_id: int, hook_id: int) -> LagView:
    """Show how far an event subscription has come."""
    lag = await _lag_of(system, plugin_id, hook_id)
    caller.require(Scope.EVENTS_READ, hook=lag.hook)
    return lag


@router.post(
    "/{hook_id:id}/pause",
    response_model=LagOut,
    **needs(Scope.EVENTS_RETRY, SubscriptionNotFoundError, EventSubscriptionNotFoundError),
)
async def pause_subscription(system: System, caller: Caller, plugin_id: int, hook_id: int) -> LagView:
    """Deliver no events to a subscription until it is resumed; they are kept."""
    caller.require(Scope.EVENTS_RETRY, hook=(await _lag_of(system, plugin_id, hook_id)).hook)
    await system.event_operator.pause(hook_id, caller.actor)
    return await _lag_of(system, plugin_id, hook_id)


@router.post(
    "/{hook_id:id}/resume",
    response_model=LagOut,
    **needs(Scope.EVENTS_RETRY, SubscriptionNotFoundError, EventSubscriptionNotFoundError),
)
async def resume_subscription(system: System, caller: Caller, plugin_id: int, hook_id: int) -> LagView:
    """Deliver events to a paused subscription again, from where it stood."""
    caller.require(Scope.EVENTS_RETRY, hook=(await _lag_of(system, plugin_id, hook_id)).hook)
    await system.event_operator.resume(hook_id, caller.actor)
    return await _lag_of(system, plugin_id, hook_id)


@router.post(
    "/{hook_id:id}/seek",
    response_model=SeekOut,
    **needs(
        Scope.EVENTS_RETRY, SubscriptionNotFoundError, EventSubscriptionNotFoundError, EventRangeInvalidError
    ),
)
async def seek_subscription(
    system: System, caller: Caller, plugin_id: int, hook_id: int, body: Annotated[SeekIn, Body()]
) -> SeekOut:
    """Let an event subscription go on from now (skipping what waits), from a time, from an event, or from the beginning of what is kept."""
    caller.require(Scope.EVENTS_RETRY, hook=(await _lag_of(system, plugin_id, hook_id)).hook)
    position = await system.event_operator.seek(
        hook_id, caller.actor, to=body.to, since=body.since, event_id=body.event_id
    )
    return SeekOut(position=position)


async def _lag_of(system: PluginSystem, plugin_id: int, hook_id: int) -> LagView:
    """The lag of one of the plugin's event subscriptions."""
    for lag in await system.event_reader.lag(plugin_id):
        if lag.subscription_id == hook_id:
            return lag
    if any(view.id == hook_id for view in await system.manager.subscriptions.of(plugin_id)):
        raise EventSubscriptionNotFoundError(subscription_id=hook_id)
    raise SubscriptionNotFoundError(plugin_id=plugin_id, hook_id=hook_id)


async def _require_hook_of(system: PluginSystem, caller: Principal, plugin_id: int, hook_id: int) -> None:
    """Refuse a key that is limited to other hooks than this subscription's."""
    if caller.hooks is None:
        return
    for view in await system.manager.subscriptions.of(plugin_id):
        if view.id == hook_id:
            caller.require(Scope.HOOKS_MANAGE, hook=view.hook_name)
