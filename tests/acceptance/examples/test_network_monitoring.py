"""The monitoring example on a real server: three hundred devices are watched, and a second plugin is told of each that goes and comes back."""

import time

import pytest

from support.commands import serving
from support.examples import RUNTIMES, example_test_module, execute, heard, install, install_listener
from support.waiting import wait_until

double = example_test_module("network_monitoring", "fleet")
CONFIG = {
    "method": "tcp",
    "interval": 2,
    "recheck_interval": 0.5,
    "timeout": 5,
    "failures_down": 2,
    "hold_seconds": 0,
}
SIZE = 300
GONE = range(0, SIZE, 3)


@pytest.fixture(scope="module", params=RUNTIMES)
def runtime(request):
    """Where the example runs; it cannot tell."""
    return request.param


@pytest.fixture(scope="module")
def fleet(runtime):
    with double.standing(SIZE + 1) as running:
        yield running


@pytest.fixture(scope="module")
def server(tmp_path_factory, runtime):
    with serving(tmp_path_factory.mktemp("monitoring")) as running:
        yield running


@pytest.fixture(scope="module")
def plugins(server, fleet, runtime):
    """The ids of the listener and of the example, once every device is known to be up."""
    with server.client() as api:
        listener = install_listener(server, api, "device_status_changed")
        plugin = install(
            server,
            api,
            "network_monitoring",
            CONFIG | {"devices": fleet.configuration()[:SIZE]},
            runtime=runtime,
        )
        wait_until(lambda: execute(api, plugin, "summary", {})["up"] == SIZE)
        assert heard(api, listener) == []
        yield listener, plugin


@pytest.fixture
def api(server, plugins):
    with server.client() as client:
        yield client


def told(api, plugins):
    """What the second plugin heard: (device, old, new)."""
    return [
        (one["payload"]["id"], one["payload"]["old"], one["payload"]["new"]) for one in heard(api, plugins[0])
    ]


def test_outage_of_a_third_is_told_to_the_second_plugin_and_survives_reload_and_kill(server, fleet, plugins):
    with server.client() as api:
        fleet.down(*GONE)
        wait_until(lambda: execute(api, plugins[0], "count", {}) >= len(GONE))
        assert {(number, new) for number, _, new in told(api, plugins)} == {
            (number, "down") for number in GONE
        }
        api.post(f"/plugins/{plugins[1]}/reload").raise_for_status()
        assert execute(api, plugins[1], "summary", {})["down"] == len(GONE)
    server.kill()
    fleet.up(*GONE)
    server.start()
    with server.client() as api:
        wait_until(lambda: execute(api, plugins[0], "count", {}) >= 2 * len(GONE))
        assert {number for number, _, new in told(api, plugins) if new == "up"} == set(GONE)


def test_created_device_is_watched_and_told(api, fleet, plugins):
    device = fleet.configuration()[SIZE] | {"id": "olt-7", "role": "olt"}
    api.post("/hooks/device_created/dispatch", json={"payload": device}).raise_for_status()
    wait_until(lambda: execute(api, plugins[1], "summary", {})["up"] == SIZE + 1)
    fleet.down(SIZE)
    wait_until(lambda: ("olt-7", "up", "down") in told(api, plugins))
    api.post("/hooks/device_removed/dispatch", json={"payload": {"id": "olt-7"}}).raise_for_status()
    assert wait_until(lambda: execute(api, plugins[1], "summary", {})["devices"] == SIZE)


def test_device_is_checked_on_demand(api, plugins):
    result = execute(api, plugins[1], "check_device_status", {"device_data": {"id": 1}})
    assert result["status"] == "online"
    assert result["response_time"] > 0


def test_health_says_how_far_behind_the_sweep_is(api, plugins):
    report = api.get(f"/plugins/{plugins[1]}/health").raise_for_status().json()
    messages = {check["name"]: check["message"] for check in report["checks"]}
    assert "devices every 2 s" in messages["sweep"]


def test_disabled_plugin_tells_nothing_more(api, fleet, plugins):
    api.post(f"/plugins/{plugins[1]}/disable").raise_for_status()
    before = len(told(api, plugins))
    fleet.down(1)
    time.sleep(3 * CONFIG["interval"])  # nothing can be waited for: the rule is that nothing comes
    assert len(told(api, plugins)) == before
