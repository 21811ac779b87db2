"""Devices come from the configuration and from hooks; what cannot be watched is said to be so."""

from typing import Any

import pytest


@pytest.fixture
def plugin(start: Any, config: Any) -> Any:
    return start(config | {"devices": []})


def place(fleet: Any, number: int) -> dict[str, Any]:
    return dict(fleet.configuration()[number])


def test_created_device_is_watched(plugin: Any, fleet: Any, until: Any, changes: Any) -> None:
    assert (
        plugin.action("add_device", place(fleet, 1) | {"role": "cpe"}, hook="device_created")["watched"]
        is True
    )
    until(lambda: plugin.call("summary")["up"] == 1)
    fleet.down(1)
    until(lambda: changes() == [(1, "up", "down")])


def test_learned_device_survives_a_restart(plugin: Any, start: Any, config: Any, fleet: Any) -> None:
    plugin.action("add_device", place(fleet, 1))
    plugin.stop()
    assert start(config | {"devices": []}).call("summary")["devices"] == 1


def test_removed_device_is_not_watched_any_more(
    plugin: Any, start: Any, config: Any, fleet: Any, host: Any
) -> None:
    plugin.action("add_device", place(fleet, 1))
    assert plugin.action("remove_device", {"id": "1"}, hook="device_removed") == {
        "watched": False,
        "reason": None,
    }
    assert plugin.call("summary")["devices"] == 0
    plugin.stop()
    assert start(config | {"devices": []}).call("summary")["devices"] == 0


def test_removed_device_that_is_down_is_not_told_again(
    plugin: Any, fleet: Any, until: Any, changes: Any
) -> None:
    plugin.action("add_device", place(fleet, 1))
    fleet.down(1)
    until(lambda: len(changes()) == 1)
    plugin.action("remove_device", {"id": 1})
    fleet.up(1)
    plugin.action("add_device", place(fleet, 2))
    until(lambda: plugin.call("summary")["up"] == 1)
    assert len(changes()) == 1


def test_alarm_of_a_removed_device_is_cleared(
    start: Any, config: Any, fleet: Any, until: Any, host: Any
) -> None:
    plugin = start(config | {"devices": [], "alarms": True})
    plugin.action("add_device", place(fleet, 1))
    fleet.down(1)
    until(lambda: plugin.plugin._monitor.get("1").state.alarm)
    plugin.action("remove_device", {"id": 1})
    assert host.dispatches[-1].hook == "alarm_cleared"


def test_updated_address_is_followed(plugin: Any, fleet: Any, until: Any) -> None:
    first, second = place(fleet, 1), place(fleet, 2)
    plugin.action("add_device", first)
    fleet.down(1)
    change = {
        "address": {"old": first["address"], "new": second["address"]},
        "port": {"old": first["port"], "new": second["port"]},
    }
    plugin.action("update_device", {"id": 1, "changes": change}, hook="device_updated")
    assert until(lambda: plugin.call("check_device_status", {"id": 1})["status"] == "online")


def test_address_that_is_taken_away_ends_the_watching(plugin: Any, fleet: Any) -> None:
    plugin.action("add_device", place(fleet, 1))
    plugin.action("update_device", {"id": 1, "changes": {"address": {"old": "127.0.0.2", "new": None}}})
    assert plugin.call("summary")["devices"] == 0


def test_update_of_something_else_is_left_alone(plugin: Any, fleet: Any) -> None:
    plugin.action("add_device", place(fleet, 1))
    assert (
        plugin.action("update_device", {"id": 1, "changes": {"vendor": {"old": "a", "new": "b"}}})["watched"]
        is True
    )


def test_configured_device_is_not_removed_by_a_hook(start: Any, config: Any) -> None:
    plugin = start(config)
    assert plugin.action("remove_device", {"id": 1})["watched"] is True
    assert plugin.call("summary")["devices"] == 6


def test_created_device_that_is_configured_keeps_its_configuration(
    start: Any, config: Any, host: Any
) -> None:
    plugin = start(config)
    assert (
        plugin.action("add_device", {"id": 1, "address": "192.0.2.1"})["reason"]
        == "it is in the configuration"
    )
    assert plugin.plugin._monitor.get("1").device.address.startswith("127.")


def test_learning_can_be_switched_off(start: Any, config: Any, fleet: Any) -> None:
    plugin = start(config | {"devices": [], "learn_devices": False})
    assert plugin.action("add_device", place(fleet, 1)) == {
        "watched": False,
        "reason": "learn_devices is off",
    }


@pytest.mark.parametrize("address", [None, "router.example.net", "10.0.0.256", 7, ""])
def test_created_device_without_an_ip_address_is_not_watched(plugin: Any, address: Any) -> None:
    result = plugin.action("add_device", {"id": 1, "address": address})
    assert result["watched"] is False
    assert "expected an IP address" in result["reason"]


def test_all_mistakes_in_configured_devices_are_told(start: Any, config: Any) -> None:
    devices = [
        {"id": 1, "address": "x"},
        {"id": 2, "address": "10.0.0.1"},
        {"id": "2", "address": "10.0.0.2"},
    ]
    with pytest.raises(Exception, match=r"device 1 cannot be watched.*the id 2 is there twice"):
        start(config | {"devices": devices})


def test_device_is_checked_on_demand(start: Any, config: Any, fleet: Any) -> None:
    plugin = start(config)
    result = plugin.call("check_device_status", {"id": 1})
    assert result["status"] == "online"
    assert 0 < result["response_time"] < 500
    fleet.down(1)
    assert plugin.call("check_device_status", {"id": 1})["status"] == "offline"


def test_device_that_is_not_watched_is_checked_by_its_address(plugin: Any, fleet: Any) -> None:
    assert plugin.call("check_device_status", place(fleet, 1))["status"] == "online"


def test_check_of_nothing_says_so(plugin: Any) -> None:
    with pytest.raises(Exception, match="Device 99 is not watched"):
        plugin.call("check_device_status", {"id": 99})


def test_ids_may_be_text(plugin: Any, fleet: Any, until: Any, changes: Any) -> None:
    fleet.down(1)
    plugin.action("add_device", place(fleet, 1) | {"id": "olt/7 á"})
    until(changes)
    assert changes() == [("olt/7 á", "unknown", "down")]
