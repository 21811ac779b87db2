"""Probes: what plugins answer is their health, and one that does not answer is restarted, with growing pauses, and not too often."""

import asyncio
from dataclasses import replace

import pytest

from isp_plugins.contracts.vocabulary import Desired, HealthStatus, State
from isp_plugins.lifecycle.health import worst_first
from support.fakes_lifecycle import ADA, House, declared
from support.health import probed, recovered, settled, told
from support.waiting import until


@pytest.fixture
async def plugin_id(house: House) -> int:
    house.runtime.script("mailer").declares = [declared()]
    return (await house.enabled()).id


def health_of(house: House, plugin_id: int) -> HealthStatus:
    return house.directory.get(plugin_id).health.status


async def test_every_plugin_is_probed_on_its_interval(house: House) -> None:
    for name in ("one", "two", "three"):
        await house.enabled(name)
    await probed(house, 4)
    assert [plugin.asked for plugin in house.runtime.alive] == [4, 4, 4]


async def test_what_it_answers_is_its_health(house: House, plugin_id: int) -> None:
    house.runtime.script("mailer").health = "degraded"
    await probed(house)
    record = house.directory.get(plugin_id)
    assert (record.health.status, record.health.reasons) == (HealthStatus.DEGRADED, ("peer: looked",))
    house.runtime.script("mailer").health = "healthy"
    await probed(house)
    assert health_of(house, plugin_id) is HealthStatus.HEALTHY


async def test_plugin_that_says_it_is_unhealthy_is_not_restarted(house: House, plugin_id: int) -> None:
    house.runtime.script("mailer").health = "unhealthy"
    for _ in range(10):
        await probed(house)
        await recovered(house)
    assert (len(house.runtime.starts), health_of(house, plugin_id)) == (1, HealthStatus.UNHEALTHY)


async def test_one_and_two_misses_change_nothing(house: House, plugin_id: int) -> None:
    house.runtime.script("mailer").answers = False
    await probed(house, 2)
    assert health_of(house, plugin_id) is HealthStatus.HEALTHY
    assert house.manager.last_health(plugin_id).misses == 2
    house.runtime.script("mailer").answers = True
    await probed(house)
    assert house.manager.last_health(plugin_id).misses == 0


async def test_three_misses_make_it_unhealthy_and_it_waits_for_a_restart(
    house: House, plugin_id: int
) -> None:
    house.runtime.script("mailer").answers = False
    await probed(house, 3)
    record = house.directory.get(plugin_id)
    assert (record.state, record.health.status) == (State.ACTIVE, HealthStatus.UNHEALTHY)
    assert "does not answer its health checks (3 in a row): it did not return" in record.health.reasons[0]
    assert record.retry_at is not None
    assert 0 < (record.retry_at - house.clock.now()).total_seconds() <= 1.2


async def test_restart_brings_the_same_code_and_configuration(house: House, plugin_id: int) -> None:
    first = house.runtime.alive[0]
    house.runtime.script("mailer").answers = False
    await probed(house, 3)
    house.runtime.script("mailer").answers = True
    house.runtime.script("mailer").code = "2"
    await recovered(house, 2)
    (second,) = house.runtime.alive
    assert second is not first
    assert second.config == first.config
    assert health_of(house, plugin_id) is HealthStatus.HEALTHY
    assert house.manager.last_health(plugin_id).restarts == 1
    assert ("plugin.restarted", "done", "system") in await house.trail()


async def test_restart_lets_calls_wait_and_subscribes_again(house: House, plugin_id: int) -> None:
    house.runtime.script("mailer").answers = False
    await probed(house, 3)
    house.engine.history.clear()
    await recovered(house, 2)
    assert house.engine.history[:2] == [f"drain {plugin_id}", f"subscribe {plugin_id}"]
    (one,) = house.engine.subscriptions[plugin_id]
    assert one.callee is not None


async def test_restart_that_fails_is_tried_again(house: House, plugin_id: int) -> None:
    house.runtime.script("mailer").answers = False
    await probed(house, 3)
    house.runtime.script("mailer").fails = "port taken"
    await recovered(house, 2)
    record = house.directory.get(plugin_id)
    assert (record.state, record.desired, plugin_id in house.engine.subscriptions) == (
        State.FAILED,
        Desired.ENABLED,
        False,
    )
    assert "port taken" in str(record.cause)
    house.runtime.script("mailer").fails = None
    house.runtime.script("mailer").answers = True
    await recovered(house)
    assert house.directory.get(plugin_id).state is State.ACTIVE


async def test_answer_before_the_restart_calls_it_off(house: House, plugin_id: int) -> None:
    house.runtime.script("mailer").answers = False
    await probed(house, 3)
    house.runtime.script("mailer").answers = True
    await house.manager.health(plugin_id)
    await recovered(house)
    record = house.directory.get(plugin_id)
    assert (len(house.runtime.starts), record.health.status, record.retry_at) == (
        1,
        HealthStatus.HEALTHY,
        None,
    )


async def test_restarted_plugin_has_to_answer_at_once(house: House, plugin_id: int) -> None:
    house.runtime.script("mailer").answers = False
    await probed(house, 3)
    await recovered(house, 2)
    record = house.directory.get(plugin_id)
    assert (record.state, record.health.status, record.retry_at is not None) == (
        State.ACTIVE,
        HealthStatus.UNHEALTHY,
        True,
    )


async def test_plugin_that_never_answers_is_quarantined_after_five_restarts(
    house: House, plugin_id: int
) -> None:
    house.runtime.script("mailer").answers = False
    await probed(house, 3)
    for restarts in range(1, 6):
        await recovered(house, 40)
        assert house.manager.last_health(plugin_id).restarts == restarts
    await recovered(house, 40)
    record = house.directory.get(plugin_id)
    assert (record.state, house.runtime.alive) == (State.QUARANTINED, [])
    assert "does not answer" in str(record.cause)
    (one,) = await told(house, "plugin_quarantined")
    assert (one["failures"], one["window"]) == (6, 300.0)


async def test_flapping_is_restarted_only_for_misses_in_a_row(house: House, plugin_id: int) -> None:
    for number in range(30):
        house.runtime.script("mailer").answers = number % 3 == 0
        await probed(house)
    assert len(house.runtime.starts) == 1


async def test_asking_together_counts_one_probe(house: House, plugin_id: int) -> None:
    house.runtime.script("mailer").answers = False
    await asyncio.gather(*(house.manager.health(plugin_id) for _ in range(5)))
    assert house.manager.last_health(plugin_id).misses == 1
    assert house.runtime.alive[0].asked == 1


async def test_no_more_probes_at_a_time_than_set(house: House) -> None:
    house.manager._prober._turns = asyncio.Semaphore(2)
    gate, under_way, most = asyncio.Event(), [0], [0]
    for number in range(5):
        plugin = await house.enabled(f"p{number}")
        running = house.manager._stage.instances[plugin.id].running
        plain = running.health

        async def health(deadline_s, plain=plain):
            under_way[0] += 1
            most[0] = max(most[0], under_way[0])
            await gate.wait()
            under_way[0] -= 1
            return await plain(deadline_s)

        running.health = health
    await house.manager.probe_due()
    house.clock.advance(60)
    await house.manager.probe_due()
    await until(lambda: under_way == [2])
    gate.set()
    await settled(house)
    assert most == [2]
    assert [plugin.asked for plugin in house.runtime.alive] == [1] * 5


async def test_clock_that_jumps_changes_no_interval(house: House, plugin_id: int) -> None:
    await probed(house)
    for year in (2040, 2020):
        house.clock.set_wall(house.clock.now().replace(year=year))
        await house.manager.probe_due()
        await settled(house)
    assert house.runtime.alive[0].asked == 1
    assert house.manager.last_health(plugin_id).uptime_s == pytest.approx(33.0)


async def test_secrets_and_what_no_database_keeps_are_cleaned_out_of_checks(house: House) -> None:
    plugin = await house.register(config_schema={"password": {"type": "string", "encrypted": True}})
    await house.configure(plugin.id, password="top-secret")
    await house.manager.enable(plugin.id, ADA)
    check = {"name": "a\x00b", "status": "fail", "message": "top-secret " + "x" * 5000}
    instance = house.manager._stage.instances[plugin.id]

    async def health(deadline_s):
        return {"status": "unhealthy", "checks": [check] * 500}

    instance.running.health = health
    await probed(house)
    checks = (await house.manager.health(plugin.id)).checks
    assert len(checks) == 50
    assert checks[0]["name"] == "a␀b"
    assert checks[0]["message"].startswith("******** xxx")
    assert len(checks[0]["message"]) == 1000
    await house.manager._stage.history.flush()


async def test_report_tells_when_it_was_probed_and_when_it_will_be(house: House, plugin_id: int) -> None:
    await probed(house)
    report = house.manager.last_health(plugin_id).to_dict()
    assert report["last_probe"] == {
        "at": house.clock.now(), "answered": True, "status": "healthy", "duration_ms": 0.0,
    }  # fmt: skip
    assert 27 <= (report["next_probe_at"] - house.clock.now()).total_seconds() <= 33
    assert report["breaker"]["state"] == "closed"
    assert report["checks"] == [{"name": "peer", "status": "pass", "message": "looked"}]


async def test_disabled_plugin_is_not_probed(house: House, plugin_id: int) -> None:
    (plugin,) = house.runtime.alive
    await house.manager.disable(plugin_id, ADA)
    await probed(house, 3)
    assert plugin.asked == 0
    assert house.manager.last_health(plugin_id).next_probe_at is None


async def test_worst_are_listed_first(house: House, plugin_id: int) -> None:
    await house.register("absent")
    house.runtime.script("ill").health = "unhealthy"
    await house.enabled("ill")
    await probed(house)
    reports = worst_first(house.manager.last_health(record.id) for record in house.directory)
    assert [report.name for report in reports] == ["ill", "absent", "mailer"]


async def test_a_change_of_health_is_told_once_with_its_checks(house: House, plugin_id: int) -> None:
    house.runtime.script("mailer").health = "unhealthy"
    await probed(house, 3)
    first, second = await told(house)
    assert (first["old"], first["new"]) == ("unknown", "healthy")
    assert (second["plugin"], second["old"], second["new"]) == ("mailer", "healthy", "unhealthy")
    assert second["checks"] == [{"name": "peer", "status": "fail", "message": "looked"}]
    assert second["reason"] == "peer: looked"


async def test_restart_that_does_not_help_is_not_told_as_recovery(house: House, plugin_id: int) -> None:
    house.runtime.script("mailer").answers = False
    await probed(house, 3)
    await recovered(house, 2)
    await recovered(house, 4)
    assert [(one["old"], one["new"]) for one in await told(house)] == [
        ("unknown", "healthy"),
        ("healthy", "unhealthy"),
    ]


async def test_flapping_health_is_held_back(house: House, plugin_id: int) -> None:
    house.manager._stage.watch._limits = replace(house.manager._stage.watch._limits, most=3)
    for number in range(12):
        house.runtime.script("mailer").health = ("unhealthy", "healthy")[number % 2]
        await probed(house)
    assert len(await told(house)) == 3
    house.runtime.script("mailer").health = "unhealthy"
    await probed(house)
    house.clock.advance(601)
    await house.manager.probe_due()
    assert (await told(house))[-1]["new"] == "unhealthy"


async def test_start_and_end_are_told_once_each(house: House, plugin_id: int) -> None:
    await house.manager.disable(plugin_id, ADA)
    assert [(one["old"], one["new"]) for one in await told(house)] == [
        ("unknown", "healthy"),
        ("healthy", "unknown"),
    ]


async def test_host_that_starts_tells_of_every_plugin_that_does_not_come_up(
    house: House, plugin_id: int
) -> None:
    house.runtime.script("mailer").fails = "no such server"
    house = await house.restart()
    (one,) = await told(house)
    assert (one["old"], one["new"]) == ("unknown", "unhealthy")
    assert "no such server" in one["reason"]
