"""`/plugins/{plugin_id}/hooks`: bind a plugin's methods to hooks, change and unbind them."""

from typing import Annotated

from fastapi import Body

from isp_plugins.access import Principal, Scope
from isp_plugins.api.deps import Caller, System
from isp_plugins.api.gate import needs, resource
from isp_plugins.api.schemas.base import PageOf
from isp_plugins.api.schemas.subscriptions import SubscriptionChangesIn, SubscriptionIn, SubscriptionOut
from isp_plugins.db.paging import Page
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
    views = await system.manager.hooks(plugin_id)
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
    return await system.manager.create_hook(
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
    return await system.manager.update_hook(plugin_id, hook_id, HookChanges.of(changes), caller.actor)


@router.delete(
    "/{hook_id:id}",
    status_code=204,
    **needs(Scope.HOOKS_MANAGE, SubscriptionNotFoundError, SubscriptionDeclaredError),
)
async def delete_plugin_hook(system: System, caller: Caller, plugin_id: int, hook_id: int) -> None:
    """Unbind a method."""
    await _require_hook_of(system, caller, plugin_id, hook_id)
    await system.manager.delete_hook(plugin_id, hook_id, caller.actor)


async def _require_hook_of(system: PluginSystem, caller: Principal, plugin_id: int, hook_id: int) -> None:
    """Refuse a key that is limited to other hooks than this subscription's."""
    if caller.hooks is None:
        return
    for view in await system.manager.hooks(plugin_id):
        if view.id == hook_id:
            caller.require(Scope.HOOKS_MANAGE, hook=view.hook_name)
