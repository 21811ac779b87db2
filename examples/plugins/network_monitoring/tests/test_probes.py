"""What a probe concludes from real sockets: an answer, a refusal, silence, an answer that comes late, and trouble of this machine's own."""

import errno
import resource
import socket
import sys
import threading
import time
from collections.abc import Iterator
from typing import Any

import pytest


def can_ping() -> bool:
    """Whether this process may send echo requests."""
    for kind in (socket.SOCK_DGRAM, socket.SOCK_RAW):
        try:
            socket.socket(socket.AF_INET, kind, socket.IPPROTO_ICMP).close()
        except OSError:
            continue
        return True
    return False


needs_icmp = pytest.mark.skipif(not can_ping(), reason="this process may not send ICMP echo requests")


@pytest.fixture
def full() -> Iterator[socket.socket]:
    """A listener whose queue is full, so that a connection gets no answer until somebody accepts."""
    with (
        socket.create_server(("127.0.0.1", 0), backlog=0) as listener,
        socket.create_connection(listener.getsockname()),
    ):
        yield listener


def accept(listener: socket.socket) -> None:
    """Make room in a listener's queue."""
    listener.accept()[0].close()


@pytest.fixture
def plugin(start: Any, config: Any) -> Any:
    return start(config | {"devices": []})


def check(plugin: Any, address: str, port: int | None = None) -> Any:
    return plugin.call("check_device_status", {"address": address, "port": port})


def test_silent_device_is_offline_after_the_timeout(plugin: Any, full: socket.socket) -> None:
    result = check(plugin, *full.getsockname())
    assert (result["status"], result["reason"]) == ("offline", "no answer within 0.5 s")


def test_device_that_answers_late_but_in_time_is_online(start: Any, config: Any, full: socket.socket) -> None:
    plugin = start(config | {"devices": [], "timeout": 20})
    threading.Timer(0.2, accept, [full]).start()
    result = check(plugin, *full.getsockname())
    assert result["status"] == "online"
    assert result["response_time"] > 200


@pytest.mark.parametrize(("counts_as", "status"), [("down", "offline"), ("up", "online")])
def test_refusal_counts_as_the_operator_says(
    start: Any, config: Any, fleet: Any, counts_as: str, status: str
) -> None:
    fleet.down(0)
    place = fleet.configuration()[0]
    plugin = start(config | {"devices": [], "refused_counts_as": counts_as})
    assert check(plugin, place["address"], place["port"])["status"] == status


def test_ipv6_device_is_probed(plugin: Any) -> None:
    try:
        listener = socket.create_server(("::1", 0), family=socket.AF_INET6)
    except OSError:
        pytest.skip("this machine has no IPv6")
    with listener:
        assert check(plugin, "::1", listener.getsockname()[1])["status"] == "online"


def test_silence_of_a_machine_that_was_held_up_says_nothing(load: Any) -> None:
    assert load("tcp").unanswered(1.0, 1.1).kind == "missed"
    assert load("tcp").unanswered(1.0, 1.3).kind == "untried"


def test_held_up_loop_makes_no_device_look_down(start: Any, config: Any, until: Any, changes: Any) -> None:
    plugin = start(config | {"failures_down": 1, "timeout": 0.1})
    until(lambda: plugin.call("summary")["up"] == 6)
    for _ in range(5):
        plugin._runner.loop.call_soon_threadsafe(time.sleep, 0.5)
        plugin.call("summary")
    assert changes() == []


def test_machine_without_sockets_says_nothing_about_its_devices(
    start: Any, config: Any, fleet: Any, until: Any, changes: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    plugin = start(config)
    until(lambda: plugin.call("summary")["up"] == 6)
    tcp = sys.modules[type(plugin.plugin).__module__.rpartition(".")[0] + ".tcp"]

    class NoSockets:
        def __getattr__(self, name: str) -> Any:
            return getattr(socket, name)

        def socket(self, *_: Any) -> socket.socket:
            raise OSError(errno.EMFILE, "Too many open files")

    monkeypatch.setattr(tcp, "socket", NoSockets())
    until(lambda: plugin.health()["status"] == "unhealthy")
    assert plugin.call("summary")["up"] == 6
    assert changes() == []
    assert "Too many open files" in plugin.test_connection()["message"]


def test_concurrency_stays_below_the_limit_of_open_files(start: Any, config: Any) -> None:
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    plugin = start(config | {"concurrency": 4096})
    assert plugin.plugin._settings.concurrency <= max(1, soft - 256)


@needs_icmp
def test_device_is_pinged(start: Any) -> None:
    plugin = start({"devices": [{"id": 1, "address": "127.0.0.1"}], "timeout": 2})
    result = plugin.call("check_device_status", {"id": 1})
    assert result["status"] == "online"
    assert 0 < result["response_time"] < 2000


@needs_icmp
def test_ipv6_device_is_pinged(start: Any) -> None:
    if not socket.has_ipv6 or check(start({"timeout": 2}), "::1")["status"] == "unknown":
        pytest.skip("this machine has no IPv6")
    assert check(start({"timeout": 2}), "::1")["status"] == "online"


@needs_icmp
def test_many_devices_are_pinged_over_one_socket(start: Any, until: Any) -> None:
    devices = [
        {"id": number, "address": f"127.9.{number // 250}.{1 + number % 250}"} for number in range(1000)
    ]
    plugin = start({"devices": devices, "interval": 60, "timeout": 5})
    assert plugin.call("check_all_devices")["up"] == 1000


async def test_late_reply_is_nobodys(load: Any) -> None:
    """A reply after the timeout must not answer the next request."""
    icmp = load("icmp")
    try:
        channel = icmp._Channel(icmp._V4)
    except Exception as error:
        pytest.skip(str(error))
    try:
        kept: list[bytes] = []
        real, channel._received = channel._received, lambda packet, sender: kept.append(packet)
        assert (await channel.ask("127.0.0.1", 0.2)).kind == "missed"
        assert kept
        real(kept[0], "127.0.0.1")
        assert (await channel.ask("127.0.0.1", 0.2)).kind == "missed"
        channel._received = real
        assert (await channel.ask("127.0.0.1", 2)).kind == "reached"
    finally:
        channel.close()


async def test_reply_of_another_sender_is_nobodys(load: Any) -> None:
    icmp = load("icmp")
    try:
        channel = icmp._Channel(icmp._V4)
    except Exception as error:
        pytest.skip(str(error))
    try:
        real = channel._received
        channel._received = lambda packet, sender: real(packet, "203.0.113.1")
        assert (await channel.ask("127.0.0.1", 0.2)).kind == "missed"
    finally:
        channel.close()
