"""Subscriptions: an operator's, the code's own, and those that do not fit."""

import pytest

from isp_plugins.contracts.vocabulary import BindingStatus, HealthStatus, State
from isp_plugins.hooks.errors import BindingInvalidError, SubscriptionDeclaredError, SubscriptionNotFoundError
from isp_plugins.hooks.records import HookChanges, HookDraft
from support.fakes_lifecycle import ADA, House, declared


def hook(method: str = "on_event", name: str = "customer_created", **fields: object) -> HookDraft:
    return HookDraft.of({"hook_name": name, "hook_type": "action", "callback_method": method, **fields})


async def test_subscription_of_a_plugin_never_loaded_is_unverified(house: House) -> None:
    plugin = await house.register()
    view = await house.manager.subscriptions.create(plugin.id, hook("whatever"), ADA)
    assert view.binding is BindingStatus.UNVERIFIED
    assert house.engine.subscriptions == {}


async def test_subscription_that_does_not_fit_degrades_the_plugin_but_it_runs(house: House) -> None:
    plugin = await house.register()
    await house.manager.subscriptions.create(plugin.id, hook("absent"), ADA)
    record = await house.manager.enable(plugin.id, ADA)
    (view,) = await house.manager.subscriptions.of(plugin.id)
    assert (record.state, record.health.status, view.binding) == (
        State.ACTIVE,
        HealthStatus.DEGRADED,
        BindingStatus.INVALID,
    )
    assert "absent" in str(view.binding_error)


async def test_subscription_that_does_not_fit_a_running_plugin_is_refused(house: House) -> None:
    plugin = await house.enabled()
    with pytest.raises(BindingInvalidError, match="absent"):
        await house.manager.subscriptions.create(plugin.id, hook("absent"), ADA)
    assert await house.manager.subscriptions.of(plugin.id) == []


async def test_subscription_of_a_running_plugin_counts_at_once(house: House) -> None:
    plugin = await house.enabled()
    view = await house.manager.subscriptions.create(plugin.id, hook(), ADA)
    assert [one.id for one in house.engine.subscriptions[plugin.id]] == [view.id]
    assert house.engine.subscriptions[plugin.id][0].callee is not None


async def test_changed_subscription_counts_at_once(house: House) -> None:
    plugin = await house.enabled()
    view = await house.manager.subscriptions.create(plugin.id, hook(), ADA)
    await house.manager.subscriptions.update(
        plugin.id, view.id, HookChanges.of({"priority": 7, "is_active": False}), ADA
    )
    (one,) = house.engine.subscriptions[plugin.id]
    assert (one.priority, one.is_active) == (7, False)


async def test_deleted_subscription_is_gone_at_once(house: House) -> None:
    plugin = await house.enabled()
    view = await house.manager.subscriptions.create(plugin.id, hook(), ADA)
    await house.manager.subscriptions.delete(plugin.id, view.id, ADA)
    assert house.engine.subscriptions[plugin.id] == ()
    assert [tag for tag, _, _ in await house.trail()][-2:] == ["hook.created", "hook.deleted"]


async def test_unknown_subscription_is_not_found(house: House) -> None:
    plugin = await house.register()
    with pytest.raises(SubscriptionNotFoundError):
        await house.manager.subscriptions.delete(plugin.id, 99, ADA)


async def test_subscriptions_of_the_draft_are_there(house: House) -> None:
    plugin = await house.register(hooks=[hook().to_dict()])
    assert [view.callback_method for view in await house.manager.subscriptions.of(plugin.id)] == ["on_event"]


async def test_declared_subscription_is_merged_at_load(house: House) -> None:
    house.runtime.script("mailer").declares = [declared(priority=5)]
    plugin = await house.register()
    await house.manager.subscriptions.create(plugin.id, hook(name="customer_updated"), ADA)
    await house.manager.enable(plugin.id, ADA)
    views = {
        view.hook_name: (view.declared, view.priority, view.binding)
        for view in await house.manager.subscriptions.of(plugin.id)
    }
    assert views == {
        "customer_created": (True, 5, BindingStatus.VALID),
        "customer_updated": (False, 100, BindingStatus.VALID),
    }


async def test_declared_subscription_is_not_deleted(house: House) -> None:
    house.runtime.script("mailer").declares = [declared()]
    plugin = await house.enabled()
    (view,) = await house.manager.subscriptions.of(plugin.id)
    with pytest.raises(SubscriptionDeclaredError):
        await house.manager.subscriptions.delete(plugin.id, view.id, ADA)


async def test_dropped_declaration_goes_with_the_reload(house: House) -> None:
    script = house.runtime.script("mailer")
    script.declares = [declared(), declared("customer_updated")]
    plugin = await house.enabled()
    script.declares = [declared("customer_updated", priority=3)]
    await house.manager.reload(plugin.id, ADA)
    assert [(view.hook_name, view.priority) for view in await house.manager.subscriptions.of(plugin.id)] == [
        ("customer_updated", 3)
    ]
    assert [(one.hook, one.priority) for one in house.engine.subscriptions[plugin.id]] == [
        ("customer_updated", 3)
    ]


async def test_operators_settings_of_a_declaration_survive_a_reload(house: House) -> None:
    house.runtime.script("mailer").declares = [declared()]
    plugin = await house.enabled()
    (view,) = await house.manager.subscriptions.of(plugin.id)
    await house.manager.subscriptions.update(
        plugin.id, view.id, HookChanges.of({"priority": 1, "is_active": False}), ADA
    )
    await house.manager.reload(plugin.id, ADA)
    (one,) = house.engine.subscriptions[plugin.id]
    assert (one.id, one.priority, one.is_active) == (view.id, 1, False)


async def test_second_start_writes_no_subscription(house: House) -> None:
    house.runtime.script("mailer").declares = [declared()]
    plugin = await house.enabled()
    before = await house.manager.subscriptions.of(plugin.id)
    house = await house.restart()
    assert await house.manager.subscriptions.of(plugin.id) == before
    assert [one.id for one in house.engine.subscriptions[plugin.id]] == [view.id for view in before]
