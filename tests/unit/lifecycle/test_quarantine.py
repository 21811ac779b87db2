"""Quarantine: one restart too many leads into it; one try after its pause, or the operator, leads out."""

import asyncio

import pytest

from isp_plugins.contracts.vocabulary import HealthStatus, State
from isp_plugins.lifecycle.errors import PluginEnableFailedError
from isp_plugins.lifecycle.quarantine import quarantine_locked
from support.fakes_lifecycle import ADA, House, needs
from support.health import probed, recovered, told
from support.waiting import until


@pytest.fixture
async def plugin_id(house: House) -> int:
    return (await house.enabled()).id


async def quarantined(house: House) -> House:
    """A node started while the plugin is broken, when that has led to quarantine."""
    house.runtime.script("mailer").fails = "no such server"
    house = await house.restart()
    for _ in range(5):
        await recovered(house, 40)
    assert house.directory.by_name("mailer").state is State.QUARANTINED
    return house


def state_of(house: House, plugin_id: int) -> State:
    return house.directory.get(plugin_id).state


async def test_sixth_restart_within_the_window_is_quarantine_instead(house: House, plugin_id: int) -> None:
    house.runtime.script("mailer").fails = "no such server"
    house = await house.restart()
    for _ in range(4):
        await recovered(house, 40)
        assert state_of(house, plugin_id) is State.FAILED
    await recovered(house, 40)
    record = house.directory.get(plugin_id)
    assert (record.state, len(house.runtime.starts)) == (State.QUARANTINED, 6)
    assert "no such server" in str(record.cause)
    assert ("plugin.quarantined", "failed", "system") in await house.trail()


async def test_restarts_that_are_far_apart_never_lead_to_quarantine(house: House, plugin_id: int) -> None:
    house.runtime.script("mailer").fails = "no such server"
    house = await house.restart()
    for _ in range(20):
        await recovered(house, 120)
    assert state_of(house, plugin_id) is State.FAILED


async def test_waiting_for_another_plugin_is_no_restart(house: House, plugin_id: int) -> None:
    top = await house.enabled("top", dependencies=needs("mailer"))
    house = await quarantined(house)
    for _ in range(10):
        await recovered(house, 61)
    assert state_of(house, top.id) is State.FAILED


async def test_quarantine_is_announced_with_why_and_until_when(house: House, plugin_id: int) -> None:
    house = await quarantined(house)
    (one,) = await told(house, "plugin_quarantined")
    record = house.directory.get(plugin_id)
    assert (one["plugin"], one["failures"], one["window"], one["cause"]) == ("mailer", 6, 300.0, record.cause)
    assert record.retry_at is not None
    assert one["until"] == record.retry_at.isoformat()
    assert (record.retry_at - house.clock.now()).total_seconds() == 600


async def test_one_try_after_the_pause_that_works_ends_it(house: House, plugin_id: int) -> None:
    house = await quarantined(house)
    house.runtime.script("mailer").fails = None
    await recovered(house, 599)
    assert state_of(house, plugin_id) is State.QUARANTINED
    await recovered(house, 1)
    assert state_of(house, plugin_id) is State.ACTIVE
    assert house.directory.get(plugin_id).health.status is HealthStatus.HEALTHY


async def test_try_that_fails_leads_back_for_another_pause(house: House, plugin_id: int) -> None:
    house = await quarantined(house)
    since = house.directory.get(plugin_id).since
    starts = len(house.runtime.starts)
    await recovered(house, 600)
    record = house.directory.get(plugin_id)
    assert (record.state, record.since, len(house.runtime.starts)) == (State.QUARANTINED, since, starts + 1)
    assert record.retry_at is not None
    assert (record.retry_at - house.clock.now()).total_seconds() == 600
    assert len(await told(house, "plugin_quarantined")) == 1


async def test_try_has_to_answer_before_anything_calls_it(house: House, plugin_id: int) -> None:
    house = await quarantined(house)
    house.runtime.script("mailer").fails = None
    house.runtime.script("mailer").answers = False
    house.engine.history.clear()
    await recovered(house, 600)
    record = house.directory.get(plugin_id)
    assert (record.state, house.runtime.alive, house.engine.history) == (State.QUARANTINED, [], [])
    assert "does not answer its health check: it did not return" in str(record.cause)


async def test_what_goes_wrong_on_trial_leads_back_at_once(house: House, plugin_id: int) -> None:
    house = await quarantined(house)
    house.runtime.script("mailer").fails = None
    await recovered(house, 600)
    house.runtime.script("mailer").answers = False
    await probed(house, 3)
    await recovered(house, 0)
    assert state_of(house, plugin_id) is State.QUARANTINED


async def test_trial_that_was_passed_is_forgotten(house: House, plugin_id: int) -> None:
    house = await quarantined(house)
    house.runtime.script("mailer").fails = None
    await recovered(house, 600)
    house.clock.advance(301)
    house.runtime.script("mailer").answers = False
    await probed(house, 3)
    house.runtime.script("mailer").answers = True
    await recovered(house, 2)
    assert state_of(house, plugin_id) is State.ACTIVE


async def test_quarantine_survives_a_restart_of_the_host_with_its_cause_and_its_moment(
    house: House, plugin_id: int
) -> None:
    house = await quarantined(house)
    before = house.directory.get(plugin_id)
    house.clock.advance(400)
    house = await house.restart()
    after = house.directory.get(plugin_id)
    assert (after.state, after.cause, after.retry_at) == (State.QUARANTINED, before.cause, before.retry_at)
    assert house.runtime.starts == []
    house.runtime.script("mailer").fails = None
    await recovered(house, 199)
    assert state_of(house, plugin_id) is State.QUARANTINED
    await recovered(house, 1)
    assert state_of(house, plugin_id) is State.ACTIVE


@pytest.mark.parametrize("year", [2020, 2040])
async def test_clock_that_jumped_between_two_runs_shortens_or_keeps_the_pause(
    house: House, plugin_id: int, year: int
) -> None:
    house = await quarantined(house)
    house.clock.set_wall(house.clock.now().replace(year=year))
    house = await house.restart()
    house.runtime.script("mailer").fails = None
    await recovered(house, 0 if year == 2040 else 600)
    assert state_of(house, plugin_id) is State.ACTIVE


async def test_clock_that_jumps_changes_no_pause_of_recovery(house: House, plugin_id: int) -> None:
    house = await quarantined(house)
    house.runtime.script("mailer").fails = None
    house.clock.set_wall(house.clock.now().replace(year=2040))
    await recovered(house, 0)
    assert state_of(house, plugin_id) is State.QUARANTINED
    house.clock.set_wall(house.clock.now().replace(year=2020))
    await recovered(house, 600)
    assert state_of(house, plugin_id) is State.ACTIVE


async def test_operator_ends_it_and_its_restarts_are_forgotten(house: House, plugin_id: int) -> None:
    house = await quarantined(house)
    house.runtime.script("mailer").fails = None
    assert (await house.manager.enable(plugin_id, ADA)).state is State.ACTIVE
    assert house.manager.last_health(plugin_id).restarts == 0


async def test_enable_that_fails_ends_it_too(house: House, plugin_id: int) -> None:
    house = await quarantined(house)
    with pytest.raises(PluginEnableFailedError):
        await house.manager.enable(plugin_id, ADA)
    assert state_of(house, plugin_id) is State.FAILED
    house.runtime.script("mailer").fails = None
    await recovered(house)
    assert state_of(house, plugin_id) is State.ACTIVE


async def test_disable_ends_it(house: House, plugin_id: int) -> None:
    house = await quarantined(house)
    await house.manager.disable(plugin_id, ADA)
    await recovered(house, 1000)
    assert state_of(house, plugin_id) is State.DISABLED


async def test_new_configuration_does_not_shorten_it(house: House, plugin_id: int) -> None:
    house = await quarantined(house)
    house.runtime.script("mailer").fails = None
    await house.configure(plugin_id, key="mended")
    await recovered(house, 1)
    assert state_of(house, plugin_id) is State.QUARANTINED


async def test_what_the_operator_mends_while_it_fails_begins_anew(house: House, plugin_id: int) -> None:
    house.runtime.script("mailer").fails = "no such server"
    house = await house.restart()
    for number in range(20):
        await house.configure(plugin_id, key=number)
        await recovered(house, 1)
    assert state_of(house, plugin_id) is State.FAILED


async def test_try_that_was_asked_for_before_does_not_shorten_it(house: House, plugin_id: int) -> None:
    stage = house.manager._stage
    async with stage.locks.of(plugin_id):
        stage.recovery.expect(plugin_id, 0.0)
        trying = asyncio.create_task(house.manager.recover())
        await until(lambda: not stage.recovery.waiting)  # it waits for the lock now
        await quarantine_locked(stage, plugin_id, "It hangs.")
    await trying
    record = house.directory.get(plugin_id)
    assert (record.state, record.cause, len(house.runtime.starts)) == (State.QUARANTINED, "It hangs.", 1)


async def test_hanging_threads_keep_it_in(house: House, plugin_id: int) -> None:
    house = await quarantined(house)
    house.runtime.script("mailer").fails = None
    stage = house.manager._stage
    object.__setattr__(stage, "hung", lambda _: 8)
    starts = len(house.runtime.starts)
    await recovered(house, 600)
    assert (state_of(house, plugin_id), len(house.runtime.starts)) == (State.QUARANTINED, starts)
    object.__setattr__(stage, "hung", lambda _: 7)
    await recovered(house, 600)
    assert state_of(house, plugin_id) is State.ACTIVE


async def test_threads_that_hung_before_the_operator_enabled_it_are_forgiven(house: House) -> None:
    plugin = await house.register()
    object.__setattr__(house.manager._stage, "hung", lambda _: 9)
    await house.manager.enable(plugin.id, ADA)
    await house.manager.health(plugin.id)
    await house.manager.close()
    assert state_of(house, plugin.id) is State.ACTIVE
