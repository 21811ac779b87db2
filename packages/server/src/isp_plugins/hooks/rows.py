"""What a row of `plugin_hooks` means: to the other rooms, to the engine, and beside what a plugin's code declares."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from isp_plugins.contracts.hooks import Retry, Subscription
from isp_plugins.contracts.runtime import DeclaredHook
from isp_plugins.contracts.vocabulary import BindingStatus, FailurePolicy, SubscriptionType
from isp_plugins.db.tables import PluginHook
from isp_plugins.hooks.binding import Fit
from isp_plugins.hooks.records import MAX_DESCRIPTION, MAX_METHOD, HookDraft, HookView, whole_retry

_LARGEST = 2**31 - 1
"""What the table's integers hold."""
SETTINGS = ("priority", "description", "conditions", "timeout_ms", "failure_policy", "own_echo", "retry")


def columns_of(draft: HookDraft) -> dict[str, Any]:
    """A draft's fields as the table has them."""
    return {name: value for name, value in draft.to_dict().items() if name != "start_from"}


def subscriptions_of(
    views: Sequence[HookView], *, plugin_name: str, fits: Mapping[int, Fit] | None = None, debug: bool = False
) -> list[Subscription]:
    """What the engine is told of a plugin's subscriptions; `fits` are the verdicts on its running instance, by id."""
    fits = fits if fits is not None else {}
    return [_subscription(view, plugin_name, fits.get(view.id), debug=debug) for view in views]


def _subscription(view: HookView, plugin_name: str, fit: Fit | None, *, debug: bool) -> Subscription:
    return Subscription(
        id=view.id,
        plugin_id=view.plugin_id,
        plugin_name=plugin_name,
        hook=view.hook_name,
        type=view.hook_type,
        method=view.callback_method,
        priority=view.priority,
        condition=view.conditions,
        timeout_ms=view.timeout_ms,
        failure_policy=view.failure_policy,
        is_active=view.is_active,
        own_echo=view.own_echo,
        retry=Retry(**view.retry) if view.retry else None,
        binding=fit.status if fit is not None else view.binding,
        callee=fit.callee if fit is not None else None,
        debug=debug,
        description=view.description,
    )


def view_of(row: PluginHook) -> HookView:
    """A row as the other rooms see it."""
    return HookView(
        id=row.id,
        plugin_id=row.plugin_id,
        hook_name=row.hook_name,
        hook_type=SubscriptionType(row.hook_type),
        callback_method=row.callback_method,
        priority=row.priority,
        description=row.description,
        conditions=row.conditions,
        timeout_ms=row.timeout_ms,
        failure_policy=FailurePolicy(row.failure_policy),
        own_echo=row.own_echo,
        retry=row.retry,
        is_active=row.is_active,
        declared=row.declared,
        overrides=tuple(row.overrides),
        binding=BindingStatus(row.binding),
        binding_error=row.binding_error,
        created_at=row.created_at,
        updated_at=row.updated_at,
    )


def key_of(row: PluginHook) -> tuple[str, str, str]:
    """What a row binds to what, as which type: once in a plugin."""
    return (row.hook_name, row.hook_type, row.callback_method)


def _declared_settings(one: DeclaredHook) -> dict[str, Any]:
    """A declaration's settings under the table's names, cut to what the table holds; the load's check tells what does not fit."""
    return {
        "priority": min(one.priority, _LARGEST),
        "description": _storable(one.description)[:MAX_DESCRIPTION],
        "conditions": _storable(one.condition) if one.condition is not None else None,
        "timeout_ms": min(one.timeout_ms, _LARGEST) if one.timeout_ms is not None else None,
        "failure_policy": FailurePolicy(one.failure_policy).value,
        "own_echo": one.own_echo,
        "retry": whole_retry(one.retry),
    }


def _storable(text: str) -> str:
    """Text that both databases keep: no NUL, no lone surrogates."""
    return text.encode("utf-8", "replace").decode().replace("\0", "?")


def declared_row(plugin_id: int, one: DeclaredHook, now: datetime) -> PluginHook:
    """The row of a declaration that is new."""
    return PluginHook(
        plugin_id=plugin_id,
        hook_name=one.hook,
        hook_type=one.type.value,
        callback_method=one.method[:MAX_METHOD],
        **_declared_settings(one),
        declared=True,
        created_at=now,
        updated_at=now,
    )


def refresh(row: PluginHook, one: DeclaredHook, now: datetime) -> None:
    """Bring a row to what the code declares; one that an operator had made becomes declared and keeps its settings."""
    settings = _declared_settings(one)
    different = [name for name in SETTINGS if getattr(row, name) != settings[name]]
    if not row.declared:
        row.declared, row.overrides = True, different
    changed = {name: settings[name] for name in different if name not in row.overrides}
    if changed:
        assign(row, changed)
        row.updated_at = now


def assign(row: PluginHook, values: Mapping[str, Any]) -> None:
    """Set a row's columns."""
    for name, value in values.items():
        setattr(row, name, value)
