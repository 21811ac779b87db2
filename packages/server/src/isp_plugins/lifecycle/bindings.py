"""Merges what a plugin's code declares with what the operator subscribed, and checks all of it against the running instance.

1. What the code declares and the table does not have yet is added before the engine is told, since the engine needs its id; a load that
   fails takes it back, and one that a killed host left behind goes at the next load.
2. Everything else (changed and dropped declarations, verdicts) is written with the commit of the load, and only if there is anything.
3. A subscription that does not fit is invalid, with its mistakes; the plugin runs, degraded.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Protocol

from sqlalchemy.ext.asyncio import AsyncSession

from isp_plugins.contracts.hooks import Subscription
from isp_plugins.contracts.runtime import DeclaredHook, RunningPlugin
from isp_plugins.contracts.vocabulary import BindingStatus, FailurePolicy, LogLevel, State, SubscriptionType
from isp_plugins.db.engine import Database
from isp_plugins.hooks.binding import Fit
from isp_plugins.hooks.catalogue import HOOK_NAME
from isp_plugins.hooks.records import MAX_METHOD, HookView, whole_retry
from isp_plugins.hooks.store import HookStore, subscriptions_of
from isp_plugins.lifecycle.errors import PluginNotFoundError
from isp_plugins.lifecycle.records import PluginRecord

Key = tuple[str, str, str]


class Subscribes(Protocol):
    """What is told (`hooks.engine.HookEngine`)."""

    def subscribe(self, plugin_id: int, subscriptions: Sequence[Subscription]) -> None:
        """Replace all of a plugin's subscriptions."""
        ...


@dataclass(frozen=True, slots=True)
class Bound:
    """What one load makes of a plugin's subscriptions; `save` writes it."""

    plugin_id: int
    subscriptions: tuple[Subscription, ...]
    changed: bool
    """Whether there is anything to write."""
    added: bool
    before: tuple[HookView, ...]
    running: RunningPlugin
    """The instance."""
    _store: HookStore
    _declared: tuple[DeclaredHook, ...]
    _fits: Mapping[int, Fit]

    @property
    def invalid(self) -> int:
        """How many do not fit."""
        return sum(fit.status is BindingStatus.INVALID for fit in self._fits.values())

    async def save(self, session: AsyncSession) -> None:
        """Write declarations and verdicts."""
        if self.changed:
            await self._store.replace_declared(session, self.plugin_id, self._declared)
            await self._store.set_bindings(session, self.plugin_id, self._fits)


class Bindings:
    """Binds instances; the only module that knows how subscriptions are stored."""

    def __init__(self, *, database: Database, hook_store: HookStore) -> None:
        self._database = database
        self._store = hook_store

    async def bind(self, record: PluginRecord, running: RunningPlugin) -> Bound:
        """The subscriptions of an instance, ready for the engine."""
        declared = tuple(running.declared_hooks)
        async with self._database.reading() as session:
            before = tuple(await self._store.list(session, record.id))
            missing = _missing(before, declared)
            views: Sequence[HookView] = before
            merged = _merged(views, declared)
            fits = await self._store.fits(session, merged, running)
        if missing:
            views = await self._added(record.id, before, missing)
            merged = _merged(views, declared)
            async with self._database.reading() as session:
                fits = await self._store.fits(session, merged, running)
        return Bound(
            plugin_id=record.id,
            subscriptions=_told(record, merged, fits),
            changed=bool(missing) or _differs(views, merged, fits),
            added=bool(missing),
            before=before,
            running=running,
            _store=self._store,
            _declared=declared,
            _fits=fits,
        )

    async def forget(self, bound: Bound) -> None:
        """Take back what `bind` added."""
        if bound.added:
            async with self._database.transaction() as session:
                await self._store.replace_declared(session, bound.plugin_id, _as_declared(bound.before))

    async def stand(self, engine: Subscribes, records: Iterable[PluginRecord]) -> None:
        """Let the engine know the event subscriptions of plugins that do not run yet: they are owed their events."""
        async with self._database.reading() as session:
            views = await self._store.all_events(session)
        for record in records:
            mine = [view for view in views if view.plugin_id == record.id]
            if mine:
                engine.subscribe(record.id, standing(record, mine))

    async def rebound(
        self, session: AsyncSession, record: PluginRecord, running: RunningPlugin
    ) -> tuple[tuple[Subscription, ...], int]:
        """What the engine is told after an operator's change, and how many do not fit."""
        views = await self._store.list(session, record.id)
        fits = await self._store.fits(session, views, running)
        return _told(record, views, fits), sum(fit.status is BindingStatus.INVALID for fit in fits.values())

    async def _added(
        self, plugin_id: int, before: Sequence[HookView], missing: Sequence[DeclaredHook]
    ) -> Sequence[HookView]:
        async with self._database.transaction() as session:
            if not await self._store.hold(session, plugin_id):  # another node deleted it meanwhile
                raise PluginNotFoundError(plugin=plugin_id)
            return await self._store.replace_declared(session, plugin_id, [*_as_declared(before), *missing])


def standing(record: PluginRecord, views: Sequence[HookView]) -> tuple[Subscription, ...]:
    """What the engine is told of a plugin that does not run: its event subscriptions, which are owed their events.

    Of one that runs on another node the others, too: dispatches here tell that they were skipped.
    """
    if record.state is State.STANDBY:
        return tuple(replace(one, elsewhere=True) for one in _told(record, views, {}))
    events = [view for view in views if view.hook_type is SubscriptionType.EVENT]
    return _told(record, events, {})


def _told(
    record: PluginRecord, views: Sequence[HookView], fits: Mapping[int, Fit]
) -> tuple[Subscription, ...]:
    """What the engine is told; of one that does not fit neither the name nor the condition need be readable, and it never runs."""
    debug = record.log_level is LogLevel.DEBUG
    found = subscriptions_of(views, plugin_name=record.name, fits=fits, debug=debug)
    fitting = [one for one in found if one.binding is not BindingStatus.INVALID]
    invalid = [
        replace(one, condition=None)
        for one in found
        if one.binding is BindingStatus.INVALID and HOOK_NAME.fullmatch(one.hook)
    ]
    return (*fitting, *invalid)


def _key(view: HookView) -> Key:
    return (view.hook_name, view.hook_type.value, view.callback_method)


def _declared_key(one: DeclaredHook) -> Key:
    return (one.hook, one.type.value, one.method[:MAX_METHOD])


def _missing(views: Sequence[HookView], declared: Sequence[DeclaredHook]) -> list[DeclaredHook]:
    known = {_key(view) for view in views}
    return [one for one in declared if _declared_key(one) not in known]


def _as_declared(views: Sequence[HookView]) -> list[DeclaredHook]:
    """Stored declarations, as the code that made them declared them."""
    return [
        DeclaredHook(
            hook=view.hook_name,
            type=view.hook_type,
            method=view.callback_method,
            priority=view.priority,
            condition=view.conditions,
            timeout_ms=view.timeout_ms,
            failure_policy=view.failure_policy.value,
            own_echo=view.own_echo,
            description=view.description,
            retry=view.retry,
        )
        for view in views
        if view.declared
    ]


def _merged(views: Sequence[HookView], declared: Sequence[DeclaredHook]) -> list[HookView]:
    """The subscriptions as this code means them: dropped declarations gone, changed ones fresh, the operator's settings kept."""
    by_key = {_declared_key(one): one for one in reversed(declared)}
    kept = [view for view in views if not view.declared or _key(view) in by_key]
    return [_refreshed(view, by_key[_key(view)]) if view.declared else view for view in kept]


def _refreshed(view: HookView, one: DeclaredHook) -> HookView:
    settings: dict[str, Any] = {
        "priority": one.priority,
        "description": one.description,
        "conditions": one.condition,
        "timeout_ms": one.timeout_ms,
        "failure_policy": FailurePolicy(one.failure_policy),
        "own_echo": one.own_echo,
        "retry": whole_retry(one.retry),
    }
    return replace(view, **{name: value for name, value in settings.items() if name not in view.overrides})


def _differs(stored: Sequence[HookView], merged: Sequence[HookView], fits: Mapping[int, Fit]) -> bool:
    """Whether the table is behind."""
    verdicts = any(
        (view.binding, view.binding_error) != (fits[view.id].status, fits[view.id].error) for view in merged
    )
    return verdicts or list(stored) != list(merged)
