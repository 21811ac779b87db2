"""A worker's death: skipped at once, failed with the cause, recorded, started again; too many lead to quarantine."""

import asyncio
from itertools import pairwise

import pytest

from isp_plugins.contracts.vocabulary import HealthEvent, HealthStatus, State
from isp_plugins.contracts.worker import Death, DeathReason, ResourceUse
from isp_plugins.lifecycle.dying import cause_of_death
from isp_plugins.lifecycle.errors import PluginEnableFailedError
from support.fakes_lifecycle import ADA, House, MortalPlugin, declared
from support.health import recovered, told


@pytest.fixture
async def plugin_id(house: House) -> int:
    house.runtime.script("mailer").mortal = True
    house.runtime.script("mailer").declares = [declared()]
    return (await house.enabled()).id


def worker(house: House) -> MortalPlugin:
    (found,) = house.runtime.living("mailer")
    assert isinstance(found, MortalPlugin)
    return found


async def settled(house: House) -> None:
    """Wait for what the manager does by itself."""
    while working := tuple(house.manager._operations.under_way):
        await asyncio.wait(working)


async def dies(house: House, **fields: object) -> Death:
    death = worker(house).die(**fields)
    house.manager.on_died(death)
    await settled(house)
    return death


async def deaths(house: House, plugin_id: int) -> list[Death]:
    return list((await house.manager.workers.deaths(plugin_id)).items)


async def test_plugin_is_skipped_at_once_before_anything_is_awaited(house: House, plugin_id: int) -> None:
    house.manager.on_died(worker(house).die())
    assert house.engine.suspended == {plugin_id}
    await settled(house)


async def test_it_is_failed_with_the_cause_and_waits_for_its_restart(house: House, plugin_id: int) -> None:
    await dies(house, reason=DeathReason.SIGNALLED, exit_code=None, signal="SIGSEGV")
    record = house.directory.get(plugin_id)
    assert (record.state, record.health.status) == (State.FAILED, HealthStatus.UNHEALTHY)
    assert "version 1.0.0" in str(record.cause)
    assert "SIGSEGV" in str(record.cause)
    assert record.retry_at is not None
    assert house.runtime.alive == []
    assert ("plugin.failed", "failed", "system") in await house.trail()
    assert plugin_id in house.engine.subscriptions  # skipped, not forgotten
    assert [(one["old"], one["new"]) for one in await told(house)][-1] == ("healthy", "unhealthy")


async def test_death_is_kept_with_its_last_log_lines_and_what_it_used(house: House, plugin_id: int) -> None:
    use = ResourceUse(1.5, 2**33, 9, 3)
    await dies(house, detail="It called exit.", usage=use, log_tail=("INFO one", "INFO two"))
    (kept,) = await deaths(house, plugin_id)
    assert (kept.exit_code, kept.reason, kept.detail) == (3, DeathReason.EXITED, "It called exit.")
    assert (kept.usage, kept.log_tail) == (use, ("INFO one", "INFO two"))


async def test_secret_is_in_no_record_of_a_death(house: House) -> None:
    house.runtime.script("mailer").mortal = True
    schema = {"password": {"type": "string", "encrypted": True}}
    plugin = await house.register(config_schema=schema)
    await house.configure(plugin.id, password="hunter2hunter2")
    await house.manager.enable(plugin.id, ADA)
    await dies(house, detail="It sent hunter2hunter2.")
    (kept,) = await deaths(house, plugin.id)
    assert "hunter2" not in f"{kept} {house.directory.get(plugin.id).cause}"


async def test_it_is_started_again_after_its_pause_and_called_again(house: House, plugin_id: int) -> None:
    await dies(house)
    await recovered(house, 2)
    assert house.directory.get(plugin_id).state is State.ACTIVE
    assert house.engine.suspended == set()
    assert house.manager.last_health(plugin_id).restarts == 1


async def test_pauses_grow_and_the_sixth_death_is_quarantine_with_the_cause(
    house: House, plugin_id: int
) -> None:
    pauses = []
    for _ in range(5):
        await dies(house)
        record = house.directory.get(plugin_id)
        pauses.append((record.retry_at - house.clock.now()).total_seconds())
        await recovered(house, pauses[-1])
    await dies(house)
    record = house.directory.get(plugin_id)
    assert record.state is State.QUARANTINED
    assert "exit code 3" in str(record.cause)
    assert "crashed 6 times" in str(record.cause)
    assert 0.8 <= pauses[0] <= 1.2
    assert all(later > earlier for earlier, later in pairwise(pauses))
    (quarantine,) = await told(house, "plugin_quarantined")
    assert "exit code 3" in quarantine["cause"]
    assert len(await deaths(house, plugin_id)) == 6


async def test_crashes_degrade_the_health_of_the_next_worker_for_a_minute(
    house: House, plugin_id: int
) -> None:
    await dies(house)
    await recovered(house, 2)
    await house.manager._stage.supervisor.look()
    record = house.directory.get(plugin_id)
    assert record.health.status is HealthStatus.DEGRADED
    assert record.health.reasons == ("its worker crashed once in the last minute",)
    house.clock.advance(61)
    await house.manager._stage.supervisor.look()
    assert house.directory.get(plugin_id).health.status is HealthStatus.HEALTHY
    events = [entry.event for entry in (await house.manager.health_history(plugin_id)).items]
    assert events.count(HealthEvent.STRAINED) == 2


async def test_only_the_last_deaths_are_kept(house: House, plugin_id: int) -> None:
    most = house.settings.worker_death_history
    for number in range(most + 3):
        await house.manager._stage.deaths.store(worker(house).die(exit_code=number))
    kept = await deaths(house, plugin_id)
    assert [death.exit_code for death in kept] == list(range(most + 2, 2, -1))


async def test_death_of_a_worker_that_a_reload_replaced_only_leaves_its_record(
    house: House, plugin_id: int
) -> None:
    old = worker(house)
    await house.manager.reload(plugin_id, ADA)
    house.manager.on_died(old.die())
    await settled(house)
    assert house.directory.get(plugin_id).state is State.ACTIVE
    assert house.engine.suspended == set()
    assert len(await deaths(house, plugin_id)) == 1


async def test_death_before_the_first_call_only_leaves_its_record(house: House, plugin_id: int) -> None:
    old = worker(house)
    await house.manager.disable(plugin_id, ADA)
    house.manager.on_died(old.die())
    await settled(house)
    assert house.directory.get(plugin_id).state is State.DISABLED
    assert len(await deaths(house, plugin_id)) == 1


async def test_death_of_a_deleted_plugins_worker_leaves_nothing(house: House, plugin_id: int) -> None:
    old = worker(house)
    await house.manager.delete(plugin_id, ADA)
    house.manager.on_died(old.die())
    await settled(house)
    assert plugin_id not in house.directory


async def test_what_the_database_does_not_take_is_shown_all_the_same(house: House, plugin_id: int) -> None:
    house.audit.torn = True
    await dies(house)
    house.audit.torn = False
    assert house.directory.get(plugin_id).state is State.FAILED
    assert house.runtime.alive == []
    assert await deaths(house, plugin_id) == []
    await recovered(house, 2)
    assert house.directory.get(plugin_id).state is State.ACTIVE


async def test_disabled_while_its_worker_is_down_it_is_not_started_again(
    house: House, plugin_id: int
) -> None:
    await dies(house)
    await house.manager.disable(plugin_id, ADA)
    await recovered(house, 120)
    assert house.directory.get(plugin_id).state is State.DISABLED
    assert plugin_id not in house.engine.subscriptions
    assert house.runtime.alive == []


async def test_activate_that_fails_after_a_death_leaves_it_skipped_as_before(
    house: House, plugin_id: int
) -> None:
    before = house.engine.subscriptions[plugin_id]
    await dies(house)
    house.runtime.script("mailer").activates = False
    await recovered(house, 2)
    assert "activate said no" in str(house.directory.get(plugin_id).cause)
    assert (house.engine.suspended, house.engine.subscriptions[plugin_id]) == ({plugin_id}, before)
    assert house.runtime.alive == []
    house.runtime.script("mailer").activates = True
    await recovered(house, 5)
    assert house.directory.get(plugin_id).state is State.ACTIVE
    assert house.engine.suspended == set()


async def test_first_start_whose_activate_fails_leaves_nothing_to_call(house: House) -> None:
    house.runtime.script("mailer").activates = False
    plugin = await house.register()
    with pytest.raises(PluginEnableFailedError):
        await house.manager.enable(plugin.id, ADA)
    assert plugin.id not in house.engine.subscriptions
    assert house.engine.suspended == set()


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"exit_code": 0}, "The worker died: exit code 0, by itself (version 1.0.0, process"),
        ({"reason": DeathReason.SIGNALLED, "signal": "SIGABRT"}, "signal SIGABRT, not sent by the host"),
        (
            {"reason": DeathReason.LIMIT, "detail": "The worker died: it used 300 threads."},
            "it used 300 threads (version 1.0.0, process",
        ),
        ({"reason": DeathReason.UNRESPONSIVE}, "did not answer"),
        ({"reason": DeathReason.PROTOCOL}, "not the protocol"),
    ],
)
async def test_cause_says_how_it_ended_and_which_it_was(
    house: House, plugin_id: int, fields: dict[str, object], words: str
) -> None:
    assert words in cause_of_death(worker(house).die(**fields))
