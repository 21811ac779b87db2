"""Plugins of every bad kind in a real system: what is wrong with one stays with it, and heals where it can."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace

import pytest

from isp_plugins.actors import HOST
from isp_plugins.contracts.vocabulary import BreakerState, HealthStatus, SkipReason, State
from isp_plugins.settings import Settings
from isp_plugins.system import PluginSystem
from support.gates import gate
from support.waiting import until

GATES = "from support.gates import gate"


@pytest.fixture
async def system(quick: Settings) -> AsyncIterator[PluginSystem]:
    """The system with every pause short."""
    settings = replace(
        quick,
        health_interval=0.05,
        health_timeout=0.5,
        recovery_backoff_max=0.1,
        restart_limit=2,
        quarantine_pause=3.0,
        breaker_pause=1.5,
        cleanup_timeout=0.2,
    )
    async with PluginSystem.open(settings) as system:
        yield system


async def enabled(system: PluginSystem, draft) -> int:
    plugin = await system.manager.register(draft, HOST)
    return (await system.manager.enable(plugin.id, HOST)).id


def state_of(system: PluginSystem, plugin_id: int) -> State:
    return system.directory.get(plugin_id).state


async def reasons(system: PluginSystem, hook: str) -> list[str]:
    result = await system.dispatch(hook, {"id": 7})
    return [str(one.skip_reason or one.status) for one in result.outcomes]


async def test_plugin_that_always_raises_is_skipped_and_others_run(system, write) -> None:
    bad = write("bad", "@action('customer_created')\ndef work(self, payload):\n    raise ValueError('no')")
    good = write("good", "@action('customer_created')\ndef work(self, payload):\n    return 1")
    plugin_id, _ = await enabled(system, bad), await enabled(system, good)
    for _ in range(5):
        assert await reasons(system, "customer_created") == ["error", "ok"]
    assert await reasons(system, "customer_created") == ["breaker_open", "ok"]
    await until(lambda: system.directory.get(plugin_id).health.status is HealthStatus.DEGRADED)
    (entry, _) = system.engine.describe("customer_created")
    assert entry.skips == {SkipReason.BREAKER_OPEN: 1}


async def test_breaker_closes_when_the_plugin_works_again(system, write) -> None:
    body = "@action('customer_created')\ndef work(self, payload):\n    if not self.context.get('mended'): raise ValueError('no')"
    plugin_id = await enabled(system, write("bad", body))
    for _ in range(5):
        await system.dispatch("customer_created", {})
    await until(lambda: system.manager.breaker(plugin_id).state is BreakerState.HALF_OPEN)
    assert await reasons(system, "customer_created") == ["error"]
    assert await reasons(system, "customer_created") == ["breaker_open"]
    await system.storage.set(plugin_id, "mended", True)
    await until(lambda: system.manager.breaker(plugin_id).state is BreakerState.HALF_OPEN)
    assert await reasons(system, "customer_created") == ["ok"]
    await until(lambda: system.manager.breaker(plugin_id).state is BreakerState.CLOSED)
    assert await reasons(system, "customer_created") == ["ok"]
    assert system.directory.get(plugin_id).health.status is HealthStatus.HEALTHY


async def test_deadline_breaches_open_it_too(system, write) -> None:
    name = "breaker-deadline"
    body = f"@action('customer_created', timeout_ms=20)\nasync def work(self, payload):\n    await gate('{name}').wait_async()"
    await enabled(system, write("slow", body, head=GATES))
    for _ in range(5):
        assert await reasons(system, "customer_created") == ["timed_out"]
    assert await reasons(system, "customer_created") == ["breaker_open"]


async def test_filter_that_returns_what_the_hook_refuses_fails_its_try(system, write) -> None:
    body = "@filter('invoice_items')\ndef work(self, value):\n    return 'nonsense'"
    plugin_id = await enabled(system, write("bad", body))
    for _ in range(5):
        assert await reasons(system, "invoice_items") == ["error"]
    await until(lambda: system.manager.breaker(plugin_id).state is BreakerState.HALF_OPEN)
    assert await reasons(system, "invoice_items") == ["error"]
    assert system.manager.breaker(plugin_id).state is BreakerState.OPEN


async def test_failures_of_many_threads_at_once_open_it(system, write) -> None:
    plugin_id = await enabled(
        system,
        write("bad", "@action('customer_created')\ndef work(self, payload):\n    raise ValueError('no')"),
    )

    def dispatch_many() -> None:
        for _ in range(50):
            system.dispatch_sync("customer_created", {})

    await asyncio.gather(*(asyncio.to_thread(dispatch_many) for _ in range(4)))
    assert system.manager.breaker(plugin_id).state is BreakerState.OPEN
    (entry,) = system.engine.describe("customer_created")
    assert entry.calls + entry.skips[SkipReason.BREAKER_OPEN] == 200
    assert entry.errors == entry.calls < 50


async def test_hanging_health_check_leads_to_restarts_then_quarantine(system, write) -> None:
    name = "health-hangs"
    body = f"def health_check(self):\n    gate('{name}').wait()\n@action('customer_created')\ndef work(self, payload):\n    return 1"
    plugin_id = await enabled(system, write("ill", body, head=GATES))
    good = await enabled(system, write("good", "def work(self):\n    return 1"))
    assert await reasons(system, "customer_created") == ["ok"]
    await until(lambda: state_of(system, plugin_id) is State.QUARANTINED)
    assert system.manager.last_health(plugin_id).restarts == 2
    assert await reasons(system, "customer_created") == []
    await until(lambda: _is_healthy(system, good))
    gate(name).opened.set()


async def _is_healthy(system: PluginSystem, plugin_id: int) -> bool:
    return (await system.manager.health(plugin_id)).status is HealthStatus.HEALTHY


async def test_quarantined_plugin_that_works_again_comes_back_by_itself(system, write) -> None:
    draft = write("ill", "def initialize(self):\n    return bool(self.context.get('mended'))")
    plugin = await system.manager.register(draft, HOST)
    await system.storage.set(plugin.id, "mended", True)
    await system.manager.enable(plugin.id, HOST)
    await system.storage.delete(plugin.id, "mended")
    stage = system.manager._stage
    async with stage.locks.of(plugin.id):
        from isp_plugins.lifecycle.failing import fail_running
        from isp_plugins.lifecycle.starting import take_down

        await take_down(stage, plugin.id)
        await fail_running(stage, system.directory.get(plugin.id), "It died.")
    await until(lambda: state_of(system, plugin.id) is State.QUARANTINED)
    await system.storage.set(plugin.id, "mended", True)
    assert await until(lambda: state_of(system, plugin.id) is State.ACTIVE)


async def test_disable_does_not_wait_long_for_a_hanging_health_check(system, write) -> None:
    name = "disable-hanging"
    plugin_id = await enabled(
        system, write("ill", f"def health_check(self):\n    gate('{name}').wait()", head=GATES)
    )
    assert await asyncio.to_thread(gate(name).reached.wait, 60)
    async with asyncio.timeout(60):  # the check itself would hang for ever
        await system.manager.disable(plugin_id, HOST)
    gate(name).opened.set()
