"""IPv6 and the kernel's socket for ping, in networks of their own where every setting is the test's: what is granted works, nothing else leaves."""

import asyncio
import socket
import threading

import pytest

from isp_plugin_sdk.sandbox.grants import Grants
from isp_plugin_sdk.sandbox.policy import Enforcement
from isp_plugins.runtime.worker.broker import WorkerBroker
from isp_plugins.runtime.worker.echo import EchoSocket
from support.networks import EVERY_GROUP, NO_GROUP, in_own_network
from support.sandbox import (
    EVERYBODY,
    IS_ROOT,
    ORDINARY,
    ROOT_THEN_OTHER,
    make_target,
    policy_for,
    run,
    run_brokered,
)

pytestmark = pytest.mark.skipif(not IS_ROOT, reason="only root can make a network and choose its settings")
WHO = ROOT_THEN_OTHER if IS_ROOT else ORDINARY
SOCKETS = {
    "IPv4": "import socket; socket.socket(socket.AF_INET, socket.SOCK_DGRAM, socket.IPPROTO_ICMP)",
    "IPv6": "import socket; socket.socket(socket.AF_INET6, socket.SOCK_DGRAM, socket.IPPROTO_ICMPV6)",
}


@pytest.fixture(scope="module")
def targets(kit):
    made = {who: make_target(kit.python_for(who), who) for who in EVERYBODY if kit.python_for(who)}
    yield made
    for target in made.values():
        target.close()


def target_of(targets, who):
    return targets.get(who) or pytest.skip("no interpreter that this user can start")


@pytest.mark.parametrize("who", EVERYBODY, ids=lambda who: who.name)
@pytest.mark.parametrize("enforcement", [Enforcement.BEST_EFFORT, Enforcement.OFF])
def test_kernels_socket_for_ping_is_the_filters_to_deny(kit, targets, who, enforcement):
    """Every group may have it: without the sandbox everybody gets one, in it nobody."""
    target = target_of(targets, who)

    async def tried():
        policy = policy_for(kit, target, who, enforcement=enforcement, namespaces=False)
        return await asyncio.to_thread(run, kit, target, who, policy, SOCKETS)

    ended = in_own_network(tried, ping_groups=EVERY_GROUP)
    wanted = None if enforcement is Enforcement.OFF else "PermissionError"
    assert {name: outcome["error"] for name, outcome in ended.outcomes.items()} == dict.fromkeys(
        SOCKETS, wanted
    )


class Echo:
    """A server on `::1` in the thread's own network that answers in capitals."""

    def __init__(self):
        self.heard = []
        self.socket = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)
        self.socket.bind(("::1", 0))
        self.port = self.socket.getsockname()[1]
        self.thread = threading.Thread(target=self.serve)
        self.thread.start()

    def serve(self):
        while True:
            data, source = self.socket.recvfrom(65_535)
            if data == b"end":
                return
            self.heard.append(data)
            self.socket.sendto(data.upper(), source)

    def close(self):
        with socket.socket(socket.AF_INET6, socket.SOCK_DGRAM) as last:
            last.sendto(b"end", self.socket.getsockname())
        self.thread.join()
        self.socket.close()


async def ask(kit, target, pieces, table):
    denials = []
    broker = WorkerBroker(Grants.of(table), denials.append)
    ended = await run_brokered(kit, target, WHO, policy_for(kit, target, WHO), pieces, broker)
    assert ended.report is not None, ended
    return ended.outcomes, [denial.what for denial in denials]


BEFORE = "import socket\ns = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)\ns.settimeout(20)\n"
GRANTED = {
    "sendto": "s.sendto(b'hello', ('::1', {port}))\nvalue = s.recvfrom(100)[0].decode()",
    "with a scope": "s.sendto(b'hello', ('::1', {port}, 0, 0))\nvalue = s.recvfrom(100)[0].decode()",
    "connect": "s.connect(('::1', {port}, 0, 0))\ns.send(b'hello')\nvalue = s.recv(100).decode()",
    "asyncio": "import asyncio\nclass P(asyncio.DatagramProtocol):\n    def __init__(self, got): self.got = got\n    def connection_made(self, t): t.sendto(b'hello')\n    def datagram_received(self, data, addr): self.got.set_result(data.decode())\nasync def go():\n    got = asyncio.get_running_loop().create_future()\n    t, _ = await asyncio.get_running_loop().create_datagram_endpoint(lambda: P(got), remote_addr=('::1', {port}))\n    try: return await asyncio.wait_for(got, 20)\n    finally: t.close()\nvalue = asyncio.run(go())",
}
DENIED = {
    "another port": ("s.sendto(b'x', ('::1', {other}))", "udp:[::1]:{other}"),
    "another address": ("s.sendto(b'x', ('2001:db9::1', {port}))", "udp:[2001:db9::1]:{port}"),
    "all on the wire": ("s.sendto(b'x', ('ff02::1', {port}))", "udp:[ff02::1]:{port}"),
    "its own wire": ("s.sendto(b'x', ('fe80::1%lo', {port}))", "udp:[fe80::1]:{port}"),
    "IPv4 in the dress of IPv6": ("s.sendto(b'x', ('::ffff:127.0.0.1', {port}))", "udp:127.0.0.1:{port}"),
    "a forged frame": ("place = b'::1'\nsocket.socket.send(s, bytes([len(place)]) + place + ({other}).to_bytes(2, 'big') + b'x')\ns.sendto(b'x', ('::1', {other}))", "udp:[::1]:{other}"),
}  # fmt: skip


def test_datagrams_of_ipv6_reach_whom_they_are_granted_and_nobody_else(kit, targets):
    target = target_of(targets, WHO)

    async def tried():
        granted, other = Echo(), Echo()
        try:
            values = {"port": granted.port, "other": other.port}
            pieces = {
                name: BEFORE + code.replace("{port}", str(granted.port)) for name, code in GRANTED.items()
            }
            pieces |= {name: BEFORE + code.format(**values) for name, (code, _what) in DENIED.items()}
            outcomes, denials = await ask(
                kit, target, pieces, {"network": [f"udp:[::1]:{granted.port}", "udp:[2001:db8::/32]:*"]}
            )
        finally:
            granted.close()
            other.close()
        return outcomes, denials, granted.heard, other.heard, values

    outcomes, denials, heard, others, values = in_own_network(tried)
    assert [outcomes[name].get("value") for name in GRANTED] == ["HELLO"] * len(GRANTED), outcomes
    assert heard == [b"hello"] * len(GRANTED)
    assert others == []
    for name, (_code, what) in DENIED.items():
        assert outcomes[name]["error"] is not None, name
        assert what.format(**values) in denials, (name, outcomes[name], denials)


PING = (
    "import socket, struct\ns = socket.socket({family}, socket.SOCK_DGRAM, {protocol})\ns.settimeout(20)\n"
    "s.sendto(struct.pack('!BBHHH', {request}, 0, 0, 0, 7) + b'ping', ({host!r}, 0))\n"
    "data, source = s.recvfrom(100)\nvalue = [data[0], struct.unpack('!H', data[6:8])[0], data[8:].decode(), source[0]]"
)
FAMILIES = {
    "127.0.0.1": (PING.format(family="socket.AF_INET", protocol="socket.IPPROTO_ICMP", request=8, host="{host}"), 0, "192.0.2.1"),
    "::1": (PING.format(family="socket.AF_INET6", protocol="socket.IPPROTO_ICMPV6", request=128, host="{host}"), 129, "2001:db8::1"),
}  # fmt: skip


def shown(host):
    return f"[{host}]" if ":" in host else host


@pytest.mark.parametrize("host", FAMILIES)
@pytest.mark.parametrize("groups", [EVERY_GROUP, NO_GROUP], ids=["the kernel's socket", "a raw socket"])
def test_ping_reaches_whom_it_is_granted_and_nobody_else(kit, targets, host, groups):
    target = target_of(targets, WHO)
    code, reply, other = FAMILIES[host]

    async def tried():
        made = EchoSocket(int(socket.AF_INET6 if ":" in host else socket.AF_INET))
        made.socket.close()
        pieces = {"granted": code.replace("{host}", host), "another": code.replace("{host}", other)}
        return *await ask(kit, target, pieces, {"network": [f"icmp:{shown(host)}"]}), made.socket.type

    outcomes, denials, _kind = in_own_network(tried, ping_groups=groups)
    assert outcomes["granted"].get("value") == [reply, 7, "ping", host], outcomes
    assert outcomes["another"]["error"] == "NotGrantedError"
    assert denials == [f"icmp:{shown(other)}"]
