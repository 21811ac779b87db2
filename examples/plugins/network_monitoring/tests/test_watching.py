"""Devices that go away and come back are told once each, with what the hook's payload promises, through restarts and reloads."""

import asyncio
import time
from datetime import datetime
from typing import Any

import pytest


def summary(plugin: Any) -> Any:
    return plugin.call("summary")


def all_up(plugin: Any, count: int = 6) -> bool:
    return bool(summary(plugin)["up"] == count)


def test_device_that_answers_is_up_and_not_told(start: Any, config: Any, until: Any, changes: Any) -> None:
    plugin = start(config)
    until(lambda: all_up(plugin))
    assert changes() == []


def test_first_up_is_told_where_the_operator_wants_it(
    start: Any, config: Any, until: Any, changes: Any
) -> None:
    start(config | {"announce_first_up": True})
    until(lambda: len(changes()) == 6)
    assert {change[1:] for change in changes()} == {("unknown", "up")}


def test_device_that_goes_away_is_told_once(
    start: Any, config: Any, fleet: Any, until: Any, changes: Any
) -> None:
    plugin = start(config)
    until(lambda: all_up(plugin))
    fleet.down(3)
    until(lambda: changes() == [(3, "up", "down")])
    assert summary(plugin)["down_ids"] == [3]


def test_device_that_comes_back_is_told(
    start: Any, config: Any, fleet: Any, until: Any, changes: Any
) -> None:
    plugin = start(config)
    until(lambda: all_up(plugin))
    fleet.down(3)
    until(lambda: len(changes()) == 1)
    fleet.up(3)
    until(lambda: len(changes()) == 2)
    assert changes() == [(3, "up", "down"), (3, "down", "up")]


def test_payload_tells_since_when_and_how_bad(
    start: Any, config: Any, fleet: Any, until: Any, host: Any
) -> None:
    plugin = start(config)
    until(lambda: all_up(plugin))
    gone = time.time()
    fleet.down(3)
    until(lambda: host.dispatches)
    payload = host.dispatches[0].payload
    assert gone - 0.01 <= datetime.fromisoformat(payload["since"]).timestamp() <= gone + 2
    assert 0 < payload["loss"] <= 100
    assert payload["rtt_ms"] is None


def test_device_that_is_down_from_the_start_is_told(
    start: Any, config: Any, fleet: Any, until: Any, changes: Any
) -> None:
    fleet.down(2)
    start(config)
    until(changes)
    assert changes() == [(2, "unknown", "down")]


def test_flapping_device_is_held(start: Any, config: Any, fleet: Any, until: Any, changes: Any) -> None:
    plugin = start(config | {"hold_seconds": 60})
    until(lambda: all_up(plugin))
    for _ in range(3):
        fleet.down(3)
        until(lambda: not fleet_answers(plugin, 3))
        fleet.up(3)
        until(lambda: fleet_answers(plugin, 3))
    assert changes() == []


def fleet_answers(plugin: Any, number: int) -> bool:
    return bool(plugin.call("check_device_status", {"id": number})["status"] == "online")


def test_one_missed_probe_changes_nothing(
    start: Any, config: Any, fleet: Any, until: Any, changes: Any, host: Any
) -> None:
    plugin = start(config | {"failures_down": 50})
    until(lambda: all_up(plugin))
    fleet.down(3)
    watched = plugin.plugin._monitor.get("3")
    until(lambda: watched.state.is_suspect)
    fleet.up(3)
    until(lambda: not watched.state.is_suspect)
    assert changes() == []


def test_alarm_is_raised_and_cleared(start: Any, config: Any, fleet: Any, until: Any, host: Any) -> None:
    plugin = start(config | {"alarms": True, "alarm_severity": "critical"})
    until(lambda: all_up(plugin))
    fleet.down(3)
    until(lambda: len(host.dispatches) == 2)
    fleet.up(3)
    until(lambda: len(host.dispatches) == 4)
    raised, cleared = host.dispatches[1], host.dispatches[3]
    assert (raised.hook, cleared.hook) == ("alarm_raised", "alarm_cleared")
    assert raised.payload["id"] == cleared.payload["id"]
    assert (raised.payload["severity"], raised.payload["device_id"]) == ("critical", 3)


def test_status_survives_a_restart(start: Any, config: Any, fleet: Any, until: Any, changes: Any) -> None:
    plugin = start(config)
    fleet.down(3)
    until(lambda: (3, "unknown", "down") in changes() and summary(plugin)["up"] == 5)
    plugin.stop()
    again = start(config)
    assert (summary(again)["up"], summary(again)["down"]) == (5, 1)
    fleet.up(3)
    until(lambda: changes()[-1] == (3, "down", "up"))
    assert len(changes()) == 2


def test_change_during_a_restart_is_told_afterwards(
    start: Any, config: Any, fleet: Any, until: Any, changes: Any
) -> None:
    plugin = start(config)
    until(lambda: all_up(plugin))
    plugin.stop()
    fleet.down(1)
    start(config)
    assert until(lambda: changes() == [(1, "up", "down")])


def test_change_that_was_not_told_before_the_end_is_told_after_the_restart(
    start: Any, config: Any, fleet: Any, until: Any, changes: Any, host: Any
) -> None:
    host.answer("device_status_changed", RuntimeError("the host is busy"))
    fleet.down(3)
    plugin = start(config)
    until(changes)
    plugin.stop()
    host._answers.clear()
    start(config)
    until(lambda: len(changes()) == 2)
    assert set(changes()) == {(3, "unknown", "down")}


def test_dispatch_that_fails_is_tried_again(
    start: Any, config: Any, fleet: Any, until: Any, changes: Any, host: Any
) -> None:
    host.answer("device_status_changed", RuntimeError("busy"), {})
    fleet.down(3)
    plugin = start(config)
    until(changes)
    until(lambda: plugin.health()["status"] == "degraded")
    until(lambda: len(changes()) == 2)
    assert until(lambda: plugin.health()["status"] == "healthy")


def test_nothing_is_written_for_probes_that_change_nothing(
    start: Any, config: Any, until: Any, host: Any
) -> None:
    plugin = start(config)
    until(lambda: all_up(plugin))
    until(lambda: all(one.state.reported == "up" for one in plugin.plugin._monitor.all))
    saved = asyncio.run_coroutine_threadsafe(
        plugin.plugin._store.flush(plugin.plugin._monitor.all), plugin._runner.loop
    )
    saved.result(10)
    host.storage.clear()
    watched, began = plugin.plugin._monitor.get("1"), time.monotonic()
    until(lambda: watched.checked > began + 1)
    assert host.storage == {}


def test_cleanup_leaves_no_task(start: Any, config: Any, fleet: Any, until: Any) -> None:
    plugin = start(config)
    until(lambda: all_up(plugin))
    loop = plugin._runner.loop
    asyncio.run_coroutine_threadsafe(plugin.plugin.cleanup(), loop).result(10)
    assert asyncio.run_coroutine_threadsafe(others(), loop).result(10) == 0


async def others() -> int:
    await asyncio.sleep(0)
    return len(asyncio.all_tasks()) - 1


def test_monitoring_can_be_stopped_and_started(
    start: Any, config: Any, fleet: Any, until: Any, changes: Any
) -> None:
    plugin = start(config)
    until(lambda: all_up(plugin))
    assert plugin.call("stop_monitoring") == {"monitoring": False, "devices": 6}
    fleet.down(3)
    assert plugin.health()["status"] == "degraded"
    assert plugin.call("start_monitoring")["monitoring"] is True
    assert plugin.call("start_monitoring")["monitoring"] is True
    until(lambda: changes() == [(3, "up", "down")])


def test_background_work_belongs_to_no_call(
    start: Any, config: Any, fleet: Any, until: Any, changes: Any, host: Any
) -> None:
    plugin = start(config)
    plugin.call("stop_monitoring")
    plugin.call("start_monitoring")
    fleet.down(3)
    until(changes)
    assert host.dispatches[0].request_id is None


@pytest.mark.parametrize("third", [0, 1])
def test_a_thousand_devices_a_third_of_which_goes_and_comes_back(
    start: Any, big_fleet: Any, until: Any, changes: Any, third: int
) -> None:
    config = {
        "method": "tcp",
        "interval": 2,
        "recheck_interval": 0.5,
        "timeout": 1,
        "failures_down": 2,
        "hold_seconds": 0,
    }
    plugin = start(config | {"devices": big_fleet.configuration()})
    until(lambda: all_up(plugin, 1000), "all up")
    gone = range(third, 1000, 3)
    big_fleet.down(*gone)
    until(lambda: len(changes()) == len(gone), "all told as down")
    big_fleet.up(*gone)
    until(lambda: len(changes()) == 2 * len(gone), "all told as up")
    assert {change[0] for change in changes()} == set(gone)
    assert all_up(plugin, 1000)


def test_reload_in_the_middle_of_an_outage_tells_each_device_once(
    start: Any, big_fleet: Any, until: Any, changes: Any
) -> None:
    config = {
        "method": "tcp",
        "interval": 2,
        "recheck_interval": 0.3,
        "timeout": 1,
        "failures_down": 2,
        "hold_seconds": 0,
    }
    config |= {"devices": big_fleet.configuration()}
    plugin = start(config)
    until(lambda: all_up(plugin, 1000), "all up")
    gone = range(0, 1000, 3)
    big_fleet.down(*gone)
    until(lambda: len(changes()) > 20, "the first told")
    plugin.stop()
    start(config)
    until(lambda: {change[0] for change in changes()} == set(gone), "all told")
    twice = len(changes()) - len(gone)
    assert twice <= 8, "only what was being told when it stopped may be told again"
