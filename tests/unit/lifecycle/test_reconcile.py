"""Starts: everyone who is wanted comes up, in order, and one that fails stops nobody."""

import asyncio

import pytest

from isp_plugins.contracts.vocabulary import Desired, HealthStatus, State
from isp_plugins.lifecycle.errors import PluginsClosingError
from support.fakes_lifecycle import ADA, House, needs


async def test_wanted_plugins_come_up_and_others_do_not(house: House) -> None:
    wanted = await house.enabled("wanted")
    other = await house.register("other")
    house = await house.restart()
    assert house.directory.get(wanted.id).state is State.ACTIVE
    assert house.directory.get(other.id).state is State.REGISTERED
    assert [start.plugin_name for start in house.runtime.starts] == ["wanted"]


async def test_what_is_required_comes_first_whatever_the_ids(house: House) -> None:
    top = await house.register("top", dependencies=needs("base"))
    await house.enabled("base")
    await house.manager.enable(top.id, ADA)
    house = await house.restart()
    assert [start.plugin_name for start in house.runtime.starts] == ["base", "top"]


async def test_failing_plugin_stops_nobody(house: House) -> None:
    broken = await house.enabled("broken")
    fine = await house.enabled("fine")
    house.runtime.script("broken").fails = "no such server"
    house = await house.restart()
    record = house.directory.get(broken.id)
    assert (record.state, record.desired, record.failures) == (State.FAILED, Desired.ENABLED, 1)
    assert "no such server" in str(record.cause)
    assert house.directory.get(fine.id).state is State.ACTIVE


async def test_states_after_a_start_are_stored(house: House) -> None:
    broken = await house.enabled("broken")
    house.runtime.script("broken").fails = "no such server"
    await house.restart()
    stored = {record.id: record for record in await house.manager._stage.ledger.load()}
    assert (stored[broken.id].state, stored[broken.id].failures) == (State.FAILED, 1)
    assert ("plugin.failed", "failed", "system") in await house.trail()


async def test_dependant_waits_and_says_for_whom(house: House) -> None:
    await house.enabled("base")
    top = await house.enabled("top", dependencies=needs("base"))
    house.runtime.script("base").fails = "no such server"
    house = await house.restart()
    record = house.directory.get(top.id)
    assert (record.state, record.health.status) == (State.FAILED, HealthStatus.UNHEALTHY)
    assert record.cause == "Waits for what it needs: plugin base is failed; enable it first."


async def test_failed_plugin_is_retried_when_it_is_due(house: House) -> None:
    plugin = await house.enabled()
    house.runtime.script("mailer").fails = "no such server"
    house = await house.restart()
    house.runtime.script("mailer").fails = None
    await house.manager.recover()
    assert house.directory.get(plugin.id).state is State.FAILED
    house.clock.advance(2)
    await house.manager.recover()
    assert house.directory.get(plugin.id).state is State.ACTIVE


async def test_pause_grows_with_every_failure(house: House) -> None:
    plugin = await house.enabled()
    house.runtime.script("mailer").fails = "no such server"
    house = await house.restart()
    pauses = []
    for _ in range(4):
        retry_at = house.directory.get(plugin.id).retry_at
        assert retry_at is not None
        pauses.append((retry_at - house.clock.now()).total_seconds())
        house.clock.advance(pauses[-1])
        await house.manager.recover()
    assert pauses == sorted(pauses)
    assert pauses[-1] > 4


async def test_dependant_comes_up_as_soon_as_what_it_requires_does(house: House) -> None:
    await house.enabled("base")
    top = await house.enabled("top", dependencies=needs("base"))
    house.runtime.script("base").fails = "no such server"
    house = await house.restart()
    house.runtime.script("base").fails = None
    await house.manager.enable(house.directory.by_name("base").id, ADA)
    await house.manager.recover()
    assert house.directory.get(top.id).state is State.ACTIVE


async def test_ticker_retries_by_itself(house: House) -> None:
    plugin = await house.enabled()
    house.runtime.script("mailer").fails = "no such server"
    house = await house.restart()
    house.runtime.script("mailer").fails = None
    house.clock.advance(10)
    house.manager._stage.recovery.expect(plugin.id, 0.0)
    async with asyncio.timeout(60):
        while house.directory.get(plugin.id).state is not State.ACTIVE:
            await asyncio.sleep(0.01)
    assert house.directory.get(plugin.id).state is State.ACTIVE
    await house.manager.close()


async def test_retried_failure_is_audited_once(house: House) -> None:
    await house.enabled()
    house.runtime.script("mailer").fails = "no such server"
    house = await house.restart()
    for _ in range(3):
        house.clock.advance(100)
        await house.manager.recover()
    assert [tag for tag, _, _ in await house.trail()].count("plugin.failed") == 1


async def test_disabled_plugin_is_not_retried(house: House) -> None:
    plugin = await house.enabled()
    house.runtime.script("mailer").fails = "no such server"
    house = await house.restart()
    await house.manager.disable(plugin.id, ADA)
    house.clock.advance(100)
    await house.manager.recover()
    assert len(house.runtime.starts) == 1


async def test_eight_abandoned_threads_quarantine(house: House) -> None:
    plugin = await house.enabled()
    house.manager.on_abandoned(plugin.id, 7)
    house.manager.on_abandoned(plugin.id, 8)
    async with asyncio.timeout(60):
        while house.directory.get(plugin.id).state is not State.QUARANTINED or house.runtime.alive:
            await asyncio.sleep(0)
    record = house.directory.get(plugin.id)
    assert (record.desired, house.engine.subscriptions) == (Desired.ENABLED, {})
    assert "8 of its calls" in str(record.cause)
    await house.manager._stage.announcer.flush(5)
    (told,) = [payload for hook, payload in house.engine.dispatched if hook == "plugin_quarantined"]
    assert "window" not in told


async def test_quarantine_survives_a_restart_until_the_operator_enables(house: House) -> None:
    plugin = await house.enabled()
    house.manager.on_abandoned(plugin.id, 8)
    async with asyncio.timeout(60):
        while house.runtime.alive:
            await asyncio.sleep(0)
    house = await house.restart()
    house.clock.advance(599)
    await house.manager.recover()
    assert house.directory.get(plugin.id).state is State.QUARANTINED
    assert (await house.manager.enable(plugin.id, ADA)).state is State.ACTIVE


async def test_close_stops_dependants_first_and_keeps_what_is_wanted(house: House) -> None:
    base = await house.enabled("base")
    top = await house.enabled("top", dependencies=needs("base"))
    house.engine.history.clear()
    await house.manager.close()
    assert house.engine.history == [f"unsubscribe {top.id}", f"unsubscribe {base.id}"]
    assert house.runtime.alive == []
    assert {record.desired for record in await house.manager._stage.ledger.load()} == {Desired.ENABLED}


async def test_closed_manager_refuses(house: House) -> None:
    plugin = await house.register()
    await house.manager.close()
    with pytest.raises(PluginsClosingError):
        await house.manager.enable(plugin.id, ADA)


async def test_circle_in_the_table_stops_nobody(house: House) -> None:
    """No operation makes a circle; another hand in the database might."""
    from sqlalchemy import insert

    from isp_plugins.db.tables import PluginDependency

    base = await house.enabled("base")
    await house.enabled("top", dependencies=needs("base"))
    async with house.database.transaction() as session:
        await session.execute(
            insert(PluginDependency).values(
                plugin_id=base.id, kind="plugin", name="top", specifier="", optional=False
            )
        )
    house = await house.restart()
    assert "base -> top -> base" in str(house.directory.get(base.id).cause)
