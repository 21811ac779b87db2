"""The health check says whether the monitoring keeps up; the load is even, bounded, and never a herd."""

import socket
import time
from typing import Any


def checks(plugin: Any) -> dict[str, Any]:
    return {check["name"]: check for check in plugin.health()["checks"]}


def test_healthy_monitoring_says_how_far_behind_it_is(start: Any, config: Any, until: Any) -> None:
    plugin = start(config)
    until(lambda: plugin.call("summary")["up"] == 6)
    assert plugin.health()["status"] == "healthy"
    assert "6 devices every 0.2 s, 0.0 s behind" in checks(plugin)["sweep"]["message"]


def test_monitoring_that_falls_behind_is_told(start: Any, until: Any) -> None:
    silent = socket.create_server(("127.0.0.1", 0), backlog=0)
    with silent, socket.create_connection(silent.getsockname()):
        address, port = silent.getsockname()
        devices = [{"id": number, "address": address, "port": port} for number in range(200)]
        plugin = start({"method": "tcp", "devices": devices, "interval": 0.5, "timeout": 1, "concurrency": 1})
        until(lambda: checks(plugin)["sweep"]["status"] in {"warn", "fail"}, "falling behind")
        assert "raise concurrency" in checks(plugin)["sweep"]["message"]


def test_probes_under_way_are_bounded(start: Any, big_fleet: Any, until: Any) -> None:
    plugin = start(
        {
            "method": "tcp",
            "devices": big_fleet.configuration(),
            "interval": 1,
            "concurrency": 20,
            "timeout": 2,
        }
    )
    most = 0

    def all_up() -> bool:
        nonlocal most
        most = max(most, plugin.plugin._monitor.under_way)
        return bool(plugin.call("summary")["up"] == 1000)

    until(all_up)
    assert most <= 20


def test_devices_are_spread_over_the_interval(load: Any) -> None:
    slots = [load("monitor")._slot(str(number)) for number in range(1000)]
    counts = [sum(index / 10 <= slot < (index + 1) / 10 for slot in slots) for index in range(10)]
    assert min(counts) > 60
    assert max(counts) < 140


def test_sweep_of_a_thousand_is_quick(start: Any, big_fleet: Any) -> None:
    plugin = start({"method": "tcp", "devices": big_fleet.configuration(), "interval": 3600, "timeout": 5})
    began = time.monotonic()
    assert plugin.call("check_all_devices")["up"] == 1000
    assert time.monotonic() - began < 10


def test_storage_that_fails_is_told_and_made_up_for(
    start: Any, config: Any, host: Any, until: Any, monkeypatch: Any
) -> None:
    async def full(*_: Any) -> None:
        raise RuntimeError("the disk is full")

    with monkeypatch.context() as patched:
        patched.setattr(host, "storage_set", full)
        plugin = start(config)
        until(lambda: checks(plugin)["storage"]["status"] == "warn")
        assert plugin.call("summary")["devices"] == 6
    plugin.stop()
    assert any(key.startswith("states/") for key in host.storage)


def test_connection_test_says_how_many_answer(start: Any, config: Any, fleet: Any) -> None:
    fleet.down(0)
    assert start(config).test_connection() == {"ok": True, "message": "4 of the first 5 devices answer"}


def test_connection_test_without_devices_is_well(start: Any, config: Any) -> None:
    assert start(config | {"devices": []}).test_connection()["ok"] is True
