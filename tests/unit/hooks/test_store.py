"""The table of subscriptions: made, changed, declared, checked."""

from datetime import timedelta

import pytest

from isp_plugins.contracts.calls import Callee, CallMode
from isp_plugins.contracts.runtime import DeclaredHook
from isp_plugins.contracts.vocabulary import BindingStatus, SubscriptionType
from isp_plugins.db.tables import Plugin
from isp_plugins.errors import InvalidInputError
from isp_plugins.hooks.errors import (
    BindingInvalidError,
    SubscriptionDeclaredError,
    SubscriptionExistsError,
    SubscriptionNotFoundError,
)
from isp_plugins.hooks.store import HookChanges, HookDraft, HookStore, subscriptions_of

RAW = {"hook_name": "customer_created", "hook_type": "action", "callback_method": "on_customer"}


class NoSuchMethodError(InvalidInputError):
    """There is no {method}."""


class Methods:
    """A running plugin with these methods."""

    def __init__(self, *names):
        self.names = names

    def callee(self, method):
        if method not in self.names:
            raise NoSuchMethodError(method=method)
        return Callee(print, CallMode.THREAD)


def draft(**changes):
    return HookDraft.of(RAW | changes)


def declared(method="on_customer", hook="customer_created", kind="action", **changes):
    values = {
        "priority": 100,
        "condition": None,
        "timeout_ms": None,
        "failure_policy": "continue",
        "own_echo": False,
        "description": "",
    }
    return DeclaredHook(hook=hook, type=SubscriptionType(kind), method=method, **(values | changes))


@pytest.fixture
def store(clock):
    return HookStore(clock=clock)


@pytest.fixture
async def session(sqlite_database, clock):
    async with sqlite_database.transaction() as session:
        for number, name in enumerate(["mailer", "other"], start=1):
            session.add(
                Plugin(
                    id=number, name=name, display_name=name, version="1", plugin_type="CUSTOM", module_path="m", entry_point="E",
                    created_at=clock.now(), updated_at=clock.now(),
                )
            )  # fmt: skip
        await session.flush()
        yield session


async def test_created_subscription_is_shown(store, session, clock):
    made = await store.create(session, 1, draft(priority=5, conditions="id > 1"))
    assert await store.get(session, 1, made.id) == made
    assert (made.hook_type, made.binding, made.declared) == (
        SubscriptionType.ACTION,
        BindingStatus.UNVERIFIED,
        False,
    )
    assert (made.conditions, made.created_at) == ("id > 1", clock.now())
    assert made.draft == draft(priority=5, conditions="id > 1")


async def test_subscription_of_another_plugin_is_not_found(store, session):
    made = await store.create(session, 1, draft())
    for read in (store.get, store.delete):
        with pytest.raises(SubscriptionNotFoundError):
            await read(session, 2, made.id)
    with pytest.raises(SubscriptionNotFoundError):
        await store.update(session, 2, made.id, HookChanges.of({"priority": 1}))


async def test_same_binding_twice_is_refused(store, session):
    await store.create(session, 1, draft())
    with pytest.raises(SubscriptionExistsError):
        await store.create(session, 1, draft(priority=7))
    await store.create(session, 1, draft(hook_type="event"))
    await store.create(session, 2, draft())


async def test_method_known_to_be_missing_is_refused(store, session):
    with pytest.raises(BindingInvalidError, match="There is no on_customer"):
        await store.create(session, 1, draft(), invoker=Methods())
    assert await store.list(session, 1) == []


async def test_method_known_to_fit_is_valid_at_once(store, session):
    made = await store.create(session, 1, draft(), invoker=Methods("on_customer"))
    assert made.binding is BindingStatus.VALID


async def test_update_changes_what_is_named(store, session, clock):
    made = await store.create(session, 1, draft(priority=5))
    clock.advance(60)
    changed = await store.update(session, 1, made.id, HookChanges.of({"is_active": False, "timeout_ms": 50}))
    assert (changed.is_active, changed.timeout_ms, changed.priority) == (False, 50, 5)
    assert changed.updated_at - made.updated_at == timedelta(seconds=60)


async def test_update_that_changes_nothing_leaves_the_moment(store, session, clock):
    made = await store.create(session, 1, draft())
    clock.advance(60)
    assert await store.update(session, 1, made.id, HookChanges.of({"priority": 100})) == made


async def test_update_to_a_misfit_is_refused(store, session):
    made = await store.create(session, 1, draft())
    for change in ({"hook_type": "filter"}, {"hook_name": "customer_before_create"}):
        with pytest.raises(BindingInvalidError):
            await store.update(session, 1, made.id, HookChanges.of(change))


async def test_update_onto_another_binding_is_refused(store, session):
    await store.create(session, 1, draft())
    other = await store.create(session, 1, draft(callback_method="other"))
    with pytest.raises(SubscriptionExistsError):
        await store.update(session, 1, other.id, HookChanges.of({"callback_method": "on_customer"}))


async def test_invalid_binding_is_checked_again_when_it_changes(store, session):
    made = await store.create(session, 1, draft(callback_method="gone"))
    await store.verify(session, 1, Methods("here"))
    change = HookChanges.of({"callback_method": "here"})
    mended = await store.update(session, 1, made.id, change, invoker=Methods("here"))
    assert (mended.binding, mended.binding_error) == (BindingStatus.VALID, None)


async def test_switch_works_on_an_invalid_binding(store, session):
    made = await store.create(session, 1, draft(callback_method="gone"))
    await store.verify(session, 1, Methods())
    off = await store.update(session, 1, made.id, HookChanges.of({"is_active": False}), invoker=Methods())
    assert (off.is_active, off.binding) == (False, BindingStatus.INVALID)


async def test_deleted_subscription_is_gone(store, session):
    made = await store.create(session, 1, draft())
    assert await store.delete(session, 1, made.id) == made
    assert await store.list(session, 1) == []


async def test_list_is_in_the_order_of_the_chain(store, session):
    for method, priority in (("b", 100), ("a", 100), ("c", 5)):
        await store.create(session, 1, draft(callback_method=method, priority=priority))
    assert [one.callback_method for one in await store.list(session, 1)] == ["c", "a", "b"]


async def test_own_hook_is_settled_by_the_first(store, session):
    await store.create(session, 1, draft(hook_name="ours", hook_type="filter"))
    with pytest.raises(BindingInvalidError, match="filter hook by its earlier subscriptions"):
        await store.create(session, 2, draft(hook_name="ours"))
    await store.create(session, 2, draft(hook_name="ours", hook_type="event"))


async def test_own_hook_cannot_be_turned_by_moving_an_older_subscription(store, session):
    older = await store.create(session, 1, draft())
    await store.create(session, 2, draft(hook_name="ours", hook_type="filter"))
    with pytest.raises(BindingInvalidError):
        await store.update(session, 1, older.id, HookChanges.of({"hook_name": "ours"}))


async def test_first_subscription_of_a_mixed_own_hook_stays_changeable(store, session):
    first = await store.create(session, 1, draft(hook_name="ours"))
    await store.replace_declared(session, 2, [declared(hook="ours", kind="filter")])
    assert (await store.update(session, 1, first.id, HookChanges.of({"priority": 3}))).priority == 3


async def test_declared_subscriptions_are_made_refreshed_and_removed(store, session):
    await store.replace_declared(session, 1, [declared("a"), declared("b")])
    views = await store.replace_declared(
        session, 1, [declared("b", priority=7, condition="id > 1"), declared("c")]
    )
    assert [(one.callback_method, one.priority, one.declared) for one in views] == [
        ("b", 7, True),
        ("c", 100, True),
    ]
    assert views[0].conditions == "id > 1"


async def test_load_keeps_the_operators_switch_and_overrides(store, session):
    (made,) = await store.replace_declared(session, 1, [declared()])
    await store.update(session, 1, made.id, HookChanges.of({"is_active": False, "priority": 7}))
    (view,) = await store.replace_declared(session, 1, [declared(priority=50, timeout_ms=20)])
    assert (view.is_active, view.priority, view.timeout_ms, view.overrides) == (False, 7, 20, ("priority",))


async def test_load_leaves_the_operators_own_subscriptions(store, session):
    own = await store.create(session, 1, draft(callback_method="mine"))
    assert await store.replace_declared(session, 1, []) == [own]


async def test_own_subscription_that_the_code_declares_later_keeps_its_settings(store, session):
    await store.create(session, 1, draft(priority=7))
    (view,) = await store.replace_declared(session, 1, [declared(priority=50)])
    assert (view.declared, view.priority, view.overrides) == (True, 7, ("priority",))


@pytest.mark.parametrize(
    "change", [{"hook_name": "invoice_paid"}, {"hook_type": "event"}, {"callback_method": "x"}]
)
async def test_what_the_code_binds_cannot_be_changed(store, session, change):
    (made,) = await store.replace_declared(session, 1, [declared()])
    with pytest.raises(SubscriptionDeclaredError):
        await store.update(session, 1, made.id, HookChanges.of(change))


async def test_declared_subscription_cannot_be_deleted(store, session):
    (made,) = await store.replace_declared(session, 1, [declared()])
    with pytest.raises(SubscriptionDeclaredError):
        await store.delete(session, 1, made.id)


async def test_verdicts_of_a_load_are_stored(store, session):
    await store.replace_declared(
        session, 1, [declared("here"), declared("gone"), declared("here", kind="filter")]
    )
    fits = await store.verify(session, 1, Methods("here"))
    views = await store.list(session, 1)
    assert [one.binding for one in views] == [
        BindingStatus.INVALID,
        BindingStatus.VALID,
        BindingStatus.INVALID,
    ]
    assert views[0].binding_error == "There is no gone."
    assert {one.id: one.binding for one in views} == {key: fit.status for key, fit in fits.items()}


async def test_declaration_beyond_the_tables_bounds_is_kept_as_invalid(store, session):
    await store.replace_declared(
        session, 1, [declared(timeout_ms=10**12, condition="a\0", description="\ud800")]
    )
    await store.verify(session, 1, Methods("on_customer"))
    (view,) = await store.list(session, 1)
    assert view.binding is BindingStatus.INVALID
    assert "timeout" not in (view.binding_error or "") or "600,000" in view.binding_error


async def test_engine_is_told_what_is_stored(store, session):
    await store.create(
        session, 1, draft(priority=3, conditions="id > 1", timeout_ms=9, failure_policy="stop", own_echo=True)
    )
    fits = await store.verify(session, 1, Methods("on_customer"))
    views = await store.list(session, 1)
    (one,) = subscriptions_of(views, plugin_name="mailer", fits=fits, debug=True)
    assert (one.id, one.plugin_id, one.plugin_name, one.hook, one.method) == (
        views[0].id,
        1,
        "mailer",
        "customer_created",
        "on_customer",
    )
    assert (one.priority, one.condition, one.timeout_ms, one.failure_policy, one.own_echo) == (
        3,
        "id > 1",
        9,
        "stop",
        True,
    )
    assert (one.binding, one.callee.call, one.debug) == (BindingStatus.VALID, print, True)


async def test_subscription_of_a_stopped_plugin_has_no_callee(store, session):
    await store.create(session, 1, draft())
    (one,) = subscriptions_of(await store.list(session, 1), plugin_name="mailer")
    assert one.callee is None


@pytest.mark.parametrize("place", ["soon", "2026-01-31T00:00:00", 5])
def test_place_that_is_none_is_refused(place):
    with pytest.raises(
        BindingInvalidError, match="start_from: expected now, beginning or a time with its zone"
    ):
        draft(hook_type="event", start_from=place)


def test_only_an_event_subscription_begins_somewhere():
    with pytest.raises(
        BindingInvalidError, match="start_from: expected nothing where hook_type is not event"
    ):
        draft(start_from="beginning")


def test_where_it_begins_is_said_only_when_it_is_made():
    with pytest.raises(BindingInvalidError, match="events seek"):
        HookChanges.of({"start_from": "now"})


async def test_declared_retries_are_whole_and_the_operators_win(store, session):
    one = declared(kind="event", retry={"attempts": 3})
    (view,) = await store.replace_declared(session, 1, [one])
    assert view.retry == {"min_s": 1.0, "max_s": 3600.0, "attempts": 3}
    mine = {"min_s": 2.0, "max_s": 4.0, "attempts": 5}
    await store.update(session, 1, view.id, HookChanges.of({"retry": mine}))
    (after,) = await store.replace_declared(session, 1, [one])
    assert after.retry == mine
