"""UDP, ping and listening by way of the host: unchanged code works where it is granted, and everything else is named, told and denied."""

import asyncio
import contextlib
import socket
import threading

import pytest

from isp_plugin_sdk.sandbox.frames import framed
from isp_plugin_sdk.sandbox.grants import Grants
from isp_plugins.contracts.grants import DenialKind
from isp_plugins.runtime.worker.broker import WorkerBroker
from isp_plugins.runtime.worker.echo import EchoSocket
from isp_plugins.runtime.worker.listeners import Listeners
from support.sandbox import IS_ROOT, ORDINARY, ROOT_THEN_OTHER, make_target, policy_for, run_brokered

WHO = ROOT_THEN_OTHER if IS_ROOT else ORDINARY


@pytest.fixture(scope="module")
def target(kit):
    python = kit.python_for(WHO) or pytest.skip("no interpreter that this user can start")
    made = make_target(python, WHO)
    yield made
    made.close()


@pytest.fixture
def echo():
    """A UDP server in a thread of its own that answers in capitals; what it heard."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as server:
        server.bind(("127.0.0.1", 0))
        heard = []

        def serve():
            while True:
                data, source = server.recvfrom(65_535)
                if data == b"end":
                    return
                heard.append(data)
                server.sendto(data.upper(), source)

        thread = threading.Thread(target=serve)
        thread.start()
        yield server.getsockname()[1], heard
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as last:
            last.sendto(b"end", server.getsockname())
        thread.join()


def free_port(kind):
    with socket.socket(socket.AF_INET, kind) as found:
        found.bind(("127.0.0.1", 0))
        return found.getsockname()[1]


async def ask(kit, target, pieces, table, **changes):
    """Run the pieces with these grants; the outcomes and the denials."""
    denials = []
    broker = WorkerBroker(Grants.of(table), denials.append)
    policy = policy_for(kit, target, WHO, **changes)
    ended = await run_brokered(kit, target, WHO, policy, pieces, broker)
    assert ended.report is not None, ended
    return ended.outcomes, denials


UDP = {
    "sendto and recvfrom": "import socket\ns = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)\ns.settimeout(20)\ns.sendto(b'hello', ({host!r}, {port}))\nvalue = s.recvfrom(100)[0].decode()",
    "connect, send and recv": "import socket\ns = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)\ns.settimeout(20)\ns.connect(({host!r}, {port}))\ns.send(b'hello')\nvalue = s.recv(100).decode()",
    "sendmsg and recv_into": "import socket\ns = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)\ns.settimeout(20)\ns.sendmsg([b'hel', b'lo'], [], 0, ({host!r}, {port}))\nb = bytearray(100)\nvalue = bytes(b[:s.recv_into(b)]).decode()",
    "from a port of the system's choice": "import socket\ns = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)\ns.bind(('0.0.0.0', 0))\ns.settimeout(20)\ns.sendto(b'hello', ({host!r}, {port}))\nvalue = s.recvfrom(100)[0].decode()",
    "after a select": "import select, socket\ns = socket.socket(socket.AF_INET, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK)\ns.sendto(b'hello', ({host!r}, {port}))\nselect.select([s], [], [], 20)\nvalue = s.recvfrom(100)[0].decode()",
    "a copy of the socket": "import socket\ns = socket.socket(socket.AF_INET, socket.SOCK_DGRAM).dup()\ns.settimeout(20)\ns.sendto(b'hello', ({host!r}, {port}))\nvalue = s.recvfrom(100)[0].decode()",
    "a class of its own": "import socket\nclass Own(socket.socket):\n    pass\ns = Own(socket.AF_INET, socket.SOCK_DGRAM)\ns.settimeout(20)\ns.sendto(b'hello', ({host!r}, {port}))\nvalue = s.recvfrom(100)[0].decode() if isinstance(s, Own) else ''",
    "asyncio": "import asyncio\nclass P(asyncio.DatagramProtocol):\n    def __init__(self, got): self.got = got\n    def connection_made(self, t): t.sendto(b'hello')\n    def datagram_received(self, data, addr): self.got.set_result(data.decode())\nasync def go():\n    loop = asyncio.get_running_loop()\n    got = loop.create_future()\n    t, _ = await loop.create_datagram_endpoint(lambda: P(got), remote_addr=({host!r}, {port}))\n    try: return await asyncio.wait_for(got, 20)\n    finally: t.close()\nvalue = asyncio.run(go())",
    "a large one": "import socket\ns = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)\ns.settimeout(20)\ns.sendto(b'x' * 60000, ({host!r}, {port}))\nvalue = 'HELLO' if s.recv(65535) == b'X' * 60000 else 'lost'",
}


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1"])
async def test_granted_peer_is_reached_over_udp_by_unchanged_code(kit, target, echo, host):
    port, heard = echo
    pieces = {name: code.format(host=host, port=port) for name, code in UDP.items()}
    outcomes, denials = await ask(kit, target, pieces, {"network": [f"udp:{host}:{port}"]})
    assert {name: outcome.get("value", outcome) for name, outcome in outcomes.items()} == dict.fromkeys(
        UDP, "HELLO"
    )
    assert denials == []
    assert len(heard) == len(UDP)


DENIED = {
    "another port": ("s.sendto(b'x', ('127.0.0.1', target['udp']))", 'network = ["udp:127.0.0.1:{udp}"]'),
    "another address": ("s.connect(('192.0.2.1', 161))", 'network = ["udp:192.0.2.1:161"]'),
    "another name": ("s.sendto(b'x', ('example.com', 53))", 'network = ["udp:example.com:53"]'),
    "a message": ("s.sendmsg([b'x'], [], 0, ('127.0.0.1', target['udp']))", 'network = ["udp:127.0.0.1:{udp}"]'),
    "a port to listen on": ("s.bind(('0.0.0.0', 514))", 'listen = ["udp:514"]'),
    "ping": ("socket.socket(socket.AF_INET, socket.SOCK_DGRAM, socket.IPPROTO_ICMP)", 'network = ["icmp:HOST"]'),
    "TCP to the same peer": ("socket.create_connection(('127.0.0.1', target['port']), 5)", 'network = ["127.0.0.1:{port}"]'),
    "listening over TCP": ("socket.socket().bind(('127.0.0.1', 8125))", 'listen = ["tcp:8125"]'),
}  # fmt: skip


async def test_everything_else_is_denied_with_the_grant_to_ask_for(kit, target):
    before = "import socket\ns = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)\n"
    pieces = {name: before + code for name, (code, _grant) in DENIED.items()}
    outcomes, denials = await ask(kit, target, pieces, {"network": ["udp:192.0.2.9:161"]})
    for name, (_code, grant) in DENIED.items():
        assert outcomes[name]["error"] == "NotGrantedError", outcomes[name]
        assert grant.format(**target.values) in outcomes[name]["text"], outcomes[name]
    assert {denial.kind for denial in denials} == {DenialKind.CONNECT, DenialKind.LISTEN}
    assert len(denials) >= len(DENIED)
    assert target.is_unharmed()


async def test_plugin_without_any_such_grant_gets_no_socket_for_datagrams(kit, target):
    code = "import socket; socket.socket(socket.AF_INET, socket.SOCK_DGRAM)"
    outcomes, denials = await ask(kit, target, {"one": code}, {"network": ["127.0.0.1:1"]})
    assert 'network = ["udp:HOST:PORT"]' in outcomes["one"]["text"]
    assert [denial.kind for denial in denials] == [DenialKind.CONNECT]


WAYS_AROUND = {
    "a frame for somebody else": "socket.socket.send(s, bytes([9]) + b'127.0.0.1' + target['udp'].to_bytes(2, 'big') + b'x')",
    "the system call": "import struct\naddress = struct.pack('!HH4s8x', 0x0200, target['udp'], bytes([127, 0, 0, 1]))\nlibc.sendto(s.fileno(), b'x', 1, 0, address, 16)",
    "connecting what is handed over": "import struct\naddress = struct.pack('!HH4s8x', 0x0200, target['udp'], bytes([127, 0, 0, 1]))\nif libc.connect(s.fileno(), address, 16): raise OSError(ctypes.get_errno(), '')",
    "monkeypatching the SDK": "from isp_plugin_sdk.sandbox import datagrams\ndatagrams._reach = lambda sock, address: (address[0], address[1])\ns.sendto(b'x', ('127.0.0.1', target['udp']))",
}


async def test_socket_that_was_handed_over_reaches_nobody_else(kit, target, echo):
    """Whatever the worker does to its end, the host looks at every datagram."""
    port, heard = echo
    before = "import socket\ns = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)\n"
    pieces = {name: before + code for name, code in WAYS_AROUND.items()}
    pieces["last"] = UDP["sendto and recvfrom"].format(host="127.0.0.1", port=port)
    outcomes, denials = await ask(kit, target, pieces, {"network": [f"udp:127.0.0.1:{port}"]})
    assert outcomes["last"]["value"] == "HELLO"
    assert heard == [b"hello"]
    assert f"udp:127.0.0.1:{target.values['udp']}" in {denial.what for denial in denials}
    assert target.is_unharmed()


async def test_datagram_of_a_stranger_does_not_reach_a_socket_that_only_asks(echo):
    port, _heard = echo
    broker = WorkerBroker(Grants.of({"network": [f"udp:127.0.0.1:{port}"]}), lambda _: None)
    with broker.open():
        _told, end = broker._desk.open("udp", int(socket.AF_INET))
        relay = next(iter(broker._desk._relays.values()))
        end.settimeout(0)
        loop = asyncio.get_running_loop()
        await loop.sock_sendall(end, framed("127.0.0.1", port, b"a"))
        assert (await loop.sock_recv(end, 100)).endswith(b"A")
        own = relay._outside.getsockname()[1]
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as stranger:
            stranger.sendto(b"forged", ("127.0.0.1", own))
        await loop.sock_sendall(end, framed("127.0.0.1", port, b"b"))
        assert (await loop.sock_recv(end, 100)).endswith(b"B")
    broker.close()


async def test_many_sockets_for_datagrams_are_refused_as_too_many(kit, target):
    code = "import socket\nheld = [socket.socket(socket.AF_INET, socket.SOCK_DGRAM) for _ in range(70)]"
    outcomes, _ = await ask(kit, target, {"one": code}, {"network": ["udp:192.0.2.1:1"]})
    assert "at most 64 sockets" in outcomes["one"]["text"]


SERVERS = {
    "socket": "import socket\nwith socket.create_server(('127.0.0.1', {port})) as server:\n    c, _ = server.accept()\n    value = c.recv(10).decode(); c.sendall(b'bye'); c.close()",
    "asyncio": "import asyncio\nasync def go():\n    got = asyncio.get_running_loop().create_future()\n    async def answer(r, w):\n        got.set_result((await r.read(10)).decode()); w.write(b'bye'); w.close()\n    server = await asyncio.start_server(answer, 'localhost', {port}, family=2)\n    async with server: return await got\nvalue = asyncio.run(go())",
    "http.server": "import http.server\nclass H(http.server.BaseHTTPRequestHandler):\n    def do_POST(self):\n        self.send_response(200); self.end_headers(); self.wfile.write(b'bye')\n    def log_message(self, *a): pass\nserver = http.server.HTTPServer(('127.0.0.1', {port}), H)\nserver.handle_request(); value = 'hello'",
}


async def call(port, text):
    """Connect as soon as somebody listens, and say something."""
    while True:
        with contextlib.suppress(ConnectionRefusedError):
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.write(text)
            answer = await reader.read()
            writer.close()
            return answer
        await asyncio.sleep(0.01)


@pytest.mark.parametrize("way", SERVERS)
async def test_granted_port_is_listened_on_by_unchanged_code(kit, target, way):
    port = free_port(socket.SOCK_STREAM)
    pieces = {"one": SERVERS[way].format(port=port)}
    text = b"POST / HTTP/1.0\r\n\r\n" if way == "http.server" else b"hello"
    caller = asyncio.create_task(call(port, text))
    outcomes, denials = await ask(kit, target, pieces, {"listen": [f"tcp:{port}"]}, accept=True)
    assert outcomes["one"].get("value") == "hello", outcomes
    assert (await asyncio.wait_for(caller, 60)).endswith(b"bye")
    assert denials == []


async def test_granted_port_hears_datagrams_and_answers_them(kit, target):
    port = free_port(socket.SOCK_DGRAM)
    code = (
        f"import socket\ns = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)\ns.bind(('127.0.0.1', {port}))\ns.settimeout(30)\n"
        f"own = s.getsockname()\ndata, source = s.recvfrom(100)\ns.sendto(data.upper(), source)\n"
        f"value = data.decode() if own == ('127.0.0.1', {port}) else str(own)"
    )
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
        client.setblocking(False)

        async def until_answered():
            loop = asyncio.get_running_loop()
            while True:
                with contextlib.suppress(OSError):
                    client.sendto(b"trap", ("127.0.0.1", port))
                with contextlib.suppress(TimeoutError, ConnectionRefusedError):
                    return await asyncio.wait_for(loop.sock_recv(client, 100), 0.05)

        caller = asyncio.create_task(until_answered())
        outcomes, denials = await ask(kit, target, {"one": code}, {"listen": [f"udp:{port}"]})
        assert outcomes["one"].get("value") == "trap", outcomes
        assert await asyncio.wait_for(caller, 60) == b"TRAP"
    assert denials == []


async def test_listening_on_what_the_system_chooses_stays_denied(kit, target):
    pieces = {
        "port 0": "import socket; socket.socket().bind(('127.0.0.1', 0))",
        "no bind": "import socket; socket.socket().listen()",
        "by system calls": "import socket\ns = socket.socket()\nif libc.listen(s.fileno(), 1): raise OSError(ctypes.get_errno(), '')",
    }
    outcomes, _ = await ask(kit, target, pieces, {"listen": ["tcp:8125"]}, accept=True)
    assert {outcome["errno"] for outcome in outcomes.values()} <= {1, 13}


def can_ping():
    try:
        EchoSocket(int(socket.AF_INET)).socket.close()
    except OSError:
        return False
    return True


PING = (
    "import socket, struct\ns = socket.socket(socket.AF_INET, socket.SOCK_DGRAM, socket.IPPROTO_ICMP)\ns.settimeout(20)\n"
    "s.sendto(struct.pack('!BBHHH', 8, 0, 0, 0, 7) + b'ping', ({host!r}, 0))\n"
    "data, source = s.recvfrom(100)\nvalue = [data[0], struct.unpack('!H', data[6:8])[0], data[8:].decode(), source[0]]"
)


async def test_granted_host_is_pinged(kit, target):
    pieces = {"granted": PING.format(host="127.0.0.1"), "another": PING.format(host="192.0.2.1")}
    outcomes, denials = await ask(kit, target, pieces, {"network": ["icmp:127.0.0.1"]})
    if not can_ping():
        assert "ping_group_range" in outcomes["granted"]["text"]
        return
    assert outcomes["granted"].get("value") == [0, 7, "ping", "127.0.0.1"], outcomes
    assert 'network = ["icmp:192.0.2.1"]' in outcomes["another"]["text"]
    assert [denial.what for denial in denials] == ["icmp:192.0.2.1"]


@pytest.mark.skipif(not can_ping(), reason="the kernel lets this user send no echo requests")
async def test_only_echo_requests_leave_through_a_socket_for_ping(kit, target):
    code = PING.replace("'!BBHHH', 8,", "'!BBHHH', 5,").replace("settimeout(20)", "settimeout(0.2)")
    outcomes, _ = await ask(
        kit, target, {"redirect": code.format(host="127.0.0.1")}, {"network": ["icmp:127.0.0.1"]}
    )
    assert outcomes["redirect"]["error"] == "TimeoutError"


def test_port_of_one_plugin_is_taken_for_another():
    listeners, port = Listeners(), free_port(socket.SOCK_STREAM)
    family = int(socket.AF_INET)
    place = ("tcp", family, "127.0.0.1", port)
    first = listeners.tcp(1, family, "127.0.0.1", port, only_v6=False)
    with pytest.raises(OSError, match="another plugin"):
        listeners.tcp(2, family, "127.0.0.1", port, only_v6=False)
    again = listeners.tcp(1, family, "127.0.0.1", port, only_v6=False)
    first.close()
    listeners.give_back(place)
    with (
        again,
        socket.create_connection(("127.0.0.1", port), 10),
    ):  # the next worker of the plugin still listens
        again.settimeout(10)
        again.accept()[0].close()
    listeners.give_back(place)
    listeners.tcp(2, family, "127.0.0.1", port, only_v6=False).close()
    listeners.give_back(place)


def test_port_for_datagrams_is_taken_for_another_plugin_too():
    listeners, port = Listeners(), free_port(socket.SOCK_DGRAM)
    family = int(socket.AF_INET)
    with listeners.udp(1, family, "127.0.0.1", port, only_v6=False):
        with pytest.raises(OSError, match="another plugin"):
            listeners.udp(2, family, "127.0.0.1", port, only_v6=False)
        listeners.udp(1, family, "127.0.0.1", port, only_v6=False).close()
