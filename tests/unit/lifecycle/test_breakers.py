"""The breakers of a node: they open in the thread of the failure, try after their pause, and tell the health of the plugin."""

import asyncio
import threading

import pytest

from isp_plugins.contracts.hooks import Subscription
from isp_plugins.contracts.vocabulary import BreakerState, HealthEvent, HealthStatus, SubscriptionType
from isp_plugins.hooks.engine_errors import ReloadingError
from support.fakes_lifecycle import ADA, House, declared

FAILURES = 5


@pytest.fixture
async def plugin_id(house: House) -> int:
    house.runtime.script("mailer").declares = [declared()]
    return (await house.enabled()).id


def subscription(plugin_id: int, hook: str = "customer_created") -> Subscription:
    return Subscription(7, plugin_id, "mailer", hook, SubscriptionType.ACTION, "on_event")


async def fail(house: House, plugin_id: int, times: int = FAILURES, hook: str = "customer_created") -> None:
    for _ in range(times):
        house.manager.on_failed(subscription(plugin_id, hook), ValueError("no such customer"))
    await asyncio.sleep(0)


async def told(house: House) -> list[tuple[str, str]]:
    await house.manager._stage.announcer.flush(5)
    return [
        (payload["old"], payload["new"])
        for hook, payload in house.engine.dispatched
        if hook == "plugin_health_changed"
    ]


async def test_breaker_opens_and_the_plugin_is_degraded(house: House, plugin_id: int) -> None:
    await fail(house, plugin_id, FAILURES - 1)
    assert plugin_id not in house.engine.switched
    await fail(house, plugin_id, 1)
    assert house.engine.switched[plugin_id] is BreakerState.OPEN
    health = house.directory.get(plugin_id).health
    assert health.status is HealthStatus.DEGRADED
    assert "customer_created -> on_event failed: ValueError: no such customer" in health.reasons[0]


async def test_it_opens_in_the_thread_of_the_call(house: House, plugin_id: int) -> None:
    switched = []

    def calls() -> None:
        for _ in range(FAILURES):
            house.manager.on_failed(subscription(plugin_id), ValueError("no"))
        switched.append(house.engine.switched[plugin_id])

    thread = threading.Thread(target=calls)
    thread.start()
    thread.join()
    assert switched == [BreakerState.OPEN]


async def test_success_in_between_keeps_it_closed(house: House, plugin_id: int) -> None:
    for number in range(20):
        house.engine.succeeded[plugin_id] = number // 4
        await fail(house, plugin_id, 1)
    assert plugin_id not in house.engine.switched


async def test_after_its_pause_a_call_tries_and_closes_it(house: House, plugin_id: int) -> None:
    await fail(house, plugin_id)
    house.clock.advance(30)
    await house.manager.probe_due()
    assert house.engine.switched[plugin_id] is BreakerState.HALF_OPEN
    house.engine.succeeded[plugin_id] = 1
    await house.manager.probe_due()
    assert house.engine.switched[plugin_id] is BreakerState.CLOSED
    assert house.directory.get(plugin_id).health.status is HealthStatus.HEALTHY


async def test_view_tells_state_since_cause_and_next_try(house: House, plugin_id: int) -> None:
    assert house.manager.breaker(plugin_id).to_dict() == {
        "state": "closed", "since": None, "cause": None, "failures": 0, "retry_at": None,
    }  # fmt: skip
    await fail(house, plugin_id)
    opened = house.clock.now()
    house.clock.advance(10)
    view = house.manager.breaker(plugin_id)
    assert (view.state, view.since, view.failures) == (BreakerState.OPEN, opened, FAILURES)
    assert view.retry_at is not None
    assert (view.retry_at - opened).total_seconds() == 30


async def test_clock_that_jumps_changes_no_pause(house: House, plugin_id: int) -> None:
    await fail(house, plugin_id)
    house.clock.set_wall(house.clock.now().replace(year=2040))
    await house.manager.probe_due()
    assert house.engine.switched[plugin_id] is BreakerState.OPEN
    house.clock.set_wall(house.clock.now().replace(year=2020))
    house.clock.advance(30)
    await house.manager.probe_due()
    assert house.engine.switched[plugin_id] is BreakerState.HALF_OPEN


async def test_reload_and_new_configuration_begin_with_a_closed_breaker(house: House, plugin_id: int) -> None:
    await fail(house, plugin_id)
    await house.manager.reload(plugin_id, ADA)
    assert house.engine.switched[plugin_id] is BreakerState.CLOSED
    await fail(house, plugin_id)
    await house.configure(plugin_id, key="mended")
    assert house.manager.breaker(plugin_id).state is BreakerState.CLOSED


async def test_what_the_host_got_wrong_is_not_held_against_the_plugin(house: House, plugin_id: int) -> None:
    for _ in range(20):
        house.manager.on_failed(subscription(plugin_id), ReloadingError(plugin="mailer"))
    assert house.manager.breaker(plugin_id).failures == 0


async def test_secret_in_the_cause_is_masked(house: House) -> None:
    plugin = await house.register(config_schema={"password": {"type": "string", "encrypted": True}})
    await house.configure(plugin.id, password="top-secret")
    await house.manager.enable(plugin.id, ADA)
    for _ in range(FAILURES):
        house.manager.on_failed(subscription(plugin.id), ValueError("x" * 480 + "top-secret"))
    assert "top-sec" not in str(house.manager.breaker(plugin.id))
    assert "*" in str(house.manager.breaker(plugin.id).cause)


async def test_opening_and_closing_are_told(house: House, plugin_id: int) -> None:
    await fail(house, plugin_id)
    await house.manager.reload(plugin_id, ADA)
    assert await told(house) == [("unknown", "healthy"), ("healthy", "degraded"), ("degraded", "healthy")]


@pytest.mark.parametrize("hook", ["plugin_health_changed", "plugin_quarantined", "plugin_hook_failed"])
async def test_failures_inside_a_plugin_hook_are_not_told(house: House, plugin_id: int, hook: str) -> None:
    await fail(house, plugin_id, hook=hook)
    assert house.directory.get(plugin_id).health.status is HealthStatus.DEGRADED
    await house.manager.reload(plugin_id, ADA)
    assert await told(house) == [("unknown", "healthy")]


async def test_history_tells_of_breakers(house: House, plugin_id: int) -> None:
    await fail(house, plugin_id)
    house.clock.advance(30)
    await house.manager.probe_due()
    page = await house.manager.health_history(plugin_id)
    events = [entry.event for entry in page.items]
    assert HealthEvent.BREAKER_OPENED in events
    assert HealthEvent.BREAKER_TRIED in events
