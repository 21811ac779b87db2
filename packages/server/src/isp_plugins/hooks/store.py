"""The subscriptions of every plugin, in the table `plugin_hooks`; everything runs in the caller's session.

1. A plugin binds a method to a hook once per type.
2. What is known not to fit is refused when it is made or changed; before its plugin was ever loaded a subscription is unverified.
3. A declared subscription belongs to the plugin's code: each load refreshes it, and removes it when the code no longer has it. The
   operator may switch it off and override its settings, which a load leaves alone; what it binds to what stays the code's.
4. On a hook of the ISP's own, the oldest subscriptions settle whether it is an action or a filter.
"""

from collections.abc import Mapping, Sequence

from sqlalchemy import ColumnElement, func, select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncSession

from isp_plugins.clock import Clock
from isp_plugins.contracts.calls import Invoker
from isp_plugins.contracts.runtime import DeclaredHook
from isp_plugins.contracts.vocabulary import SubscriptionType
from isp_plugins.db.event_places import position_at
from isp_plugins.db.tables import EventCursor, EventRow, Plugin, PluginHook
from isp_plugins.hooks.binding import Fit, check
from isp_plugins.hooks.catalogue import HOOK_NAME, spec_of
from isp_plugins.hooks.errors import (
    SubscriptionDeclaredError,
    SubscriptionExistsError,
    SubscriptionNotFoundError,
)
from isp_plugins.hooks.records import (
    MAX_METHOD,
    HookChanges,
    HookDraft,
    HookView,
    moment_of,
    refuse,
)
from isp_plugins.hooks.rows import (
    SETTINGS,
    assign,
    columns_of,
    declared_row,
    key_of,
    refresh,
    subscriptions_of,
    view_of,
)

__all__ = ["HookChanges", "HookDraft", "HookStore", "HookView", "subscriptions_of"]

_IDENTITY = ("hook_name", "hook_type", "callback_method")


class HookStore:
    """Reads and writes subscriptions."""

    def __init__(self, *, clock: Clock) -> None:
        self._clock = clock

    async def list(self, session: AsyncSession, plugin_id: int) -> Sequence[HookView]:
        """A plugin's subscriptions, in the order in which their hooks' chains run, by hook."""
        return [view_of(row) for row in await self._rows(session, plugin_id)]

    async def all_events(self, session: AsyncSession) -> Sequence[HookView]:
        """Every event subscription, of all plugins."""
        events = PluginHook.hook_type == SubscriptionType.EVENT.value
        found = await session.scalars(select(PluginHook).where(events).order_by(PluginHook.id))
        return [view_of(row) for row in found]

    async def get(self, session: AsyncSession, plugin_id: int, hook_id: int) -> HookView:
        """One subscription; `SubscriptionNotFoundError`."""
        return view_of(await self._row(session, plugin_id, hook_id))

    async def create(
        self, session: AsyncSession, plugin_id: int, draft: HookDraft, *, invoker: Invoker | None = None
    ) -> HookView:
        """Make a subscription; `invoker` is the plugin's running instance. `BindingInvalidError`, `SubscriptionExistsError`."""
        fit = _accepted(check(draft, earlier=await self._others(session, draft, None), invoker=invoker))
        await self._refuse_double(session, plugin_id, draft, None)
        now = self._clock.now()
        row = PluginHook(
            plugin_id=plugin_id, **columns_of(draft), binding=fit.status, created_at=now, updated_at=now
        )
        session.add(row)
        await _flush(session, draft, plugin_id)
        await _begin_events(session, [row], {row.id: draft.start_from})
        return view_of(row)

    async def update(
        self,
        session: AsyncSession,
        plugin_id: int,
        hook_id: int,
        changes: HookChanges,
        *,
        invoker: Invoker | None = None,
    ) -> HookView:
        """Change a subscription; `SubscriptionNotFoundError`, `SubscriptionDeclaredError`, and as for `create`."""
        row = await self._row(session, plugin_id, hook_id)
        changed = {name: value for name, value in changes.values.items() if value != getattr(row, name)}
        if row.declared and (fixed := [name for name in _IDENTITY if name in changed]):
            raise SubscriptionDeclaredError(hook_id=hook_id, refused=f"its {fixed[0]} cannot be changed here")
        draft = HookDraft(**(view_of(row).draft.to_dict() | changed))
        if set(changed) - {"is_active"}:
            moved = any(name in changed for name in _IDENTITY)
            earlier = await (self._others if moved else self._older)(session, draft, hook_id)
            fit = _accepted(check(draft, earlier=earlier, invoker=invoker))
            await self._refuse_double(session, plugin_id, draft, hook_id)
            row.binding, row.binding_error = fit.status.value, None
        if row.declared:
            row.overrides = sorted({*row.overrides, *(name for name in SETTINGS if name in changed)})
        if changed:
            assign(row, changed)
            row.updated_at = self._clock.now()
        await _flush(session, draft, plugin_id)
        await _begin_events(session, [row])
        return view_of(row)

    async def delete(self, session: AsyncSession, plugin_id: int, hook_id: int) -> HookView:
        """Remove a subscription and return what it was; `SubscriptionNotFoundError`, `SubscriptionDeclaredError`."""
        row = await self._row(session, plugin_id, hook_id)
        if row.declared:
            raise SubscriptionDeclaredError(
                hook_id=hook_id, refused="it cannot be deleted here, the next load would bring it back"
            )
        await session.delete(row)
        await session.flush()
        return view_of(row)

    async def replace_declared(
        self, session: AsyncSession, plugin_id: int, declarations: Sequence[DeclaredHook]
    ) -> Sequence[HookView]:
        """Make the declared subscriptions what the plugin's code says now (rule 3), and return all of the plugin's."""
        now = self._clock.now()
        rows = {key_of(row): row for row in await self._rows(session, plugin_id)}
        declared: dict[tuple[str, str, str], DeclaredHook] = {}
        for one in declarations:
            declared.setdefault((one.hook, one.type.value, one.method[:MAX_METHOD]), one)
        for key, row in rows.items():
            if row.declared and key not in declared:
                await session.delete(row)
        for key, one in declared.items():
            if key in rows:
                refresh(rows[key], one, now)
            else:
                session.add(declared_row(plugin_id, one, now))
        await session.flush()
        found = await self._rows(session, plugin_id)
        places = {row.id: declared[key_of(row)].start_from for row in found if key_of(row) in declared}
        await _begin_events(session, found, places)
        return await self.list(session, plugin_id)

    async def begin_events(self, session: AsyncSession, plugin_id: int) -> None:
        """Let a plugin's event subscriptions that have no place in the events yet begin with the next one."""
        await _begin_events(session, await self._rows(session, plugin_id))

    async def hold(self, session: AsyncSession, plugin_id: int) -> bool:
        """Let no other node write the plugin's subscriptions until the commit; whether the plugin is there."""
        found = select(Plugin.id).where(Plugin.id == plugin_id).with_for_update(key_share=True)
        return await session.scalar(found) is not None

    async def verify(self, session: AsyncSession, plugin_id: int, invoker: Invoker) -> Mapping[int, Fit]:
        """Check all of a plugin's subscriptions against its running instance, store the verdicts, and return them by id."""
        fits = await self.fits(session, await self.list(session, plugin_id), invoker)
        await self.set_bindings(session, plugin_id, fits)
        return fits

    async def fits(
        self, session: AsyncSession, views: Sequence[HookView], invoker: Invoker
    ) -> Mapping[int, Fit]:
        """The verdicts on subscriptions against a plugin's running instance, by id; writes nothing."""
        return {
            view.id: check(view.draft, earlier=await self._settling(session, view), invoker=invoker)
            for view in views
        }

    async def set_bindings(self, session: AsyncSession, plugin_id: int, fits: Mapping[int, Fit]) -> None:
        """Store verdicts by subscription id; one that is gone meanwhile is left out."""
        for row in await self._rows(session, plugin_id):
            fit = fits.get(row.id)
            if fit is not None and (row.binding, row.binding_error) != (fit.status, fit.error):
                row.binding, row.binding_error = fit.status, fit.error
        await session.flush()

    async def _rows(self, session: AsyncSession, plugin_id: int) -> Sequence[PluginHook]:
        order = (PluginHook.hook_name, PluginHook.priority, PluginHook.callback_method, PluginHook.id)
        found = await session.scalars(
            select(PluginHook).where(PluginHook.plugin_id == plugin_id).order_by(*order)
        )
        return found.all()

    async def _row(self, session: AsyncSession, plugin_id: int, hook_id: int) -> PluginHook:
        wanted = select(PluginHook).where(PluginHook.plugin_id == plugin_id, PluginHook.id == hook_id)
        row = await session.scalar(wanted)
        if row is None:
            raise SubscriptionNotFoundError(plugin_id=plugin_id, hook_id=hook_id)
        return row

    async def _settling(self, session: AsyncSession, view: HookView) -> Sequence[SubscriptionType]:
        """What has settled the kind of a stored subscription's hook; nothing needs to, where the catalogue does."""
        if HOOK_NAME.fullmatch(view.hook_name) and spec_of(view.hook_name).known:
            return ()
        return await self._older(session, view.draft, view.id)

    async def _older(
        self, session: AsyncSession, draft: HookDraft, hook_id: int
    ) -> Sequence[SubscriptionType]:
        """Types of the hook's older subscriptions, of all plugins: they have settled an own hook's kind."""
        return await self._types(session, draft, PluginHook.id < hook_id)

    async def _others(
        self, session: AsyncSession, draft: HookDraft, hook_id: int | None
    ) -> Sequence[SubscriptionType]:
        """Types of all the hook's other subscriptions: one that comes new must fit every one of them."""
        return await self._types(session, draft, PluginHook.id != (hook_id or 0))

    async def _types(
        self, session: AsyncSession, draft: HookDraft, which: ColumnElement[bool]
    ) -> Sequence[SubscriptionType]:
        on_hook = select(PluginHook.hook_type).where(PluginHook.hook_name == draft.hook_name, which)
        return [SubscriptionType(one) for one in await session.scalars(on_hook.order_by(PluginHook.id))]

    async def _refuse_double(
        self, session: AsyncSession, plugin_id: int, draft: HookDraft, hook_id: int | None
    ) -> None:
        """Rule 1; two at the same moment are told apart by the table's constraint."""
        same = select(PluginHook.id).where(
            PluginHook.plugin_id == plugin_id,
            PluginHook.hook_name == draft.hook_name,
            PluginHook.hook_type == draft.hook_type,
            PluginHook.callback_method == draft.callback_method,
        )
        if await session.scalar(same) not in {None, hook_id}:
            raise _exists(plugin_id, draft)


async def _begin_events(
    session: AsyncSession, rows: Sequence[PluginHook], places: Mapping[int, str | None] | None = None
) -> None:
    """Let event subscriptions that are new begin with the next event, or where `places` says by their ids."""
    ids = [row.id for row in rows if row.hook_type == SubscriptionType.EVENT.value]
    if not ids:
        return
    known = set(
        await session.scalars(select(EventCursor.subscription_id).where(EventCursor.subscription_id.in_(ids)))
    )
    if new := [one for one in ids if one not in known]:
        last = await session.scalar(select(func.max(EventRow.id))) or 0
        for one in new:
            position = await _position(session, (places or {}).get(one), last)
            session.add(_cursor(one, position, last))
        await session.flush()


async def _position(session: AsyncSession, place: str | None, last: int) -> int:
    """The id of the last event before a place; one that cannot be read (a worker said it) is as none."""
    if place == "beginning":
        return 0
    moment = moment_of(place)
    return last if moment is None else await position_at(session, moment, last)


def _cursor(subscription_id: int, position: int, last: int) -> EventCursor:
    counts = dict.fromkeys(("token", "delivered", "retried", "dead"), 0)
    return EventCursor(
        subscription_id=subscription_id,
        position=position,
        done=[],
        judged_until=last,
        lease_until=0.0,
        **counts,
    )


def _accepted(fit: Fit) -> Fit:
    """The verdict, where it names no mistake; else `BindingInvalidError`."""
    refuse([*fit.mistakes])
    return fit


async def _flush(session: AsyncSession, draft: HookDraft, plugin_id: int) -> None:
    """Send what is new; the table's own constraint tells of a double made at the same moment."""
    try:
        await session.flush()
    except IntegrityError as error:
        if "foreign key" in str(error.orig).lower():
            raise  # the plugin is gone: its manager's locks keep that from happening
        raise _exists(plugin_id, draft) from error


def _exists(plugin_id: int, draft: HookDraft) -> SubscriptionExistsError:
    names = {"callback_method": draft.callback_method, "hook_name": draft.hook_name}
    return SubscriptionExistsError(plugin_id=plugin_id, hook_type=str(draft.hook_type), **names)
