"""The broker: granted peers are reached by unchanged code, everything else is told what to ask for, and the host tells of every denial."""

import asyncio
import socket
import ssl
from contextlib import asynccontextmanager

import pytest
import trustme

from isp_plugin_sdk.sandbox.grants import Grants
from isp_plugins.contracts.grants import DenialKind
from isp_plugins.runtime.worker.broker import WorkerBroker
from support.sandbox import (
    IS_ROOT,
    ORDINARY,
    ROOT_THEN_OTHER,
    make_target,
    policy_for,
    run_brokered,
)

WHO = ROOT_THEN_OTHER if IS_ROOT else ORDINARY
REPLY = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nConnection: close\r\n\r\nhello"


@pytest.fixture
def target(kit):
    python = kit.python_for(WHO) or pytest.skip("no interpreter that this user can start")
    made = make_target(python, WHO)
    yield made
    made.close()


class Peer:
    """An HTTP server that counts its callers."""

    def __init__(self):
        self.callers = 0

    async def answer(self, reader, writer):
        self.callers += 1
        try:
            await reader.readuntil(b"\r\n\r\n")
            writer.write(REPLY)
            await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()


@asynccontextmanager
async def peer(context=None, host="127.0.0.1"):
    made = Peer()
    server = await asyncio.start_server(made.answer, host, 0, ssl=context)
    made.port = server.sockets[0].getsockname()[1]
    try:
        yield made
    finally:
        server.close()


async def ask(kit, target, pieces, network, *, imports=(), **changes):
    """Run the pieces with these network grants; the outcomes and the denials."""
    denials = []
    broker = WorkerBroker(Grants.of({"network": network}), denials.append)
    ended = await run_brokered(
        kit, target, WHO, policy_for(kit, target, WHO, **changes), pieces, broker, imports=imports
    )
    assert ended.report is not None, ended
    return ended.outcomes, denials


WAYS = {
    "socket": "import socket\nc = socket.create_connection(({host!r}, {port}), 10)\nc.sendall(b'GET / HTTP/1.0\\r\\n\\r\\n')\nvalue = c.makefile('rb').read().decode()[-5:]",
    "http.client": "import http.client\nc = http.client.HTTPConnection({host!r}, {port}, timeout=10)\nc.request('GET', '/')\nvalue = c.getresponse().read().decode()",
    "urllib": "import urllib.request\nvalue = urllib.request.urlopen('http://{host}:{port}/', timeout=10).read().decode()",
    "httpx": "import httpx\nvalue = httpx.get('http://{host}:{port}/', trust_env=False).text",
    "httpx on a loop": "import asyncio, httpx\nasync def go():\n    async with httpx.AsyncClient(trust_env=False) as c:\n        return (await c.get('http://{host}:{port}/')).text\nvalue = asyncio.run(go())",
    "asyncio streams": "import asyncio\nasync def go():\n    r, w = await asyncio.open_connection({host!r}, {port})\n    w.write(b'GET / HTTP/1.0\\r\\n\\r\\n')\n    got = await r.read()\n    w.close()\n    return got.decode()[-5:]\nvalue = asyncio.run(go())",
    "threads": "import concurrent.futures as f, http.client\ndef go(_):\n    c = http.client.HTTPConnection({host!r}, {port}, timeout=10)\n    c.request('GET', '/')\n    return c.getresponse().read().decode()\nvalue = [*f.ThreadPoolExecutor(8).map(go, range(40))][-1]",
    "many at once": "import asyncio\nasync def one():\n    r, w = await asyncio.open_connection({host!r}, {port})\n    w.close()\nasync def go():\n    await asyncio.gather(*(one() for _ in range(60)))\n    return 'hello'\nvalue = asyncio.run(go())",
}


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1"])
async def test_granted_peer_is_reached_by_unchanged_code(kit, target, host):
    async with peer() as server:
        pieces = {name: code.format(host=host, port=server.port) for name, code in WAYS.items()}
        outcomes, denials = await ask(kit, target, pieces, [f"{host}:{server.port}"], open_files=256)
        assert {name: outcome.get("value", outcome) for name, outcome in outcomes.items()} == dict.fromkeys(
            WAYS, "hello"
        )
        assert denials == []
        assert server.callers >= len(WAYS) + 39


async def test_granted_peer_is_reached_over_tls(kit, target):
    authority = trustme.CA()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("localhost").configure_cert(context)
    authority.cert_pem.write_to_path(str(kit.folder / "ca.pem"))
    (kit.folder / "ca.pem").chmod(0o644)
    trust = f"import ssl\nctx = ssl.create_default_context(cafile={str(kit.folder / 'ca.pem')!r})\n"
    async with peer(context) as server:
        pieces = {
            "http.client": trust
            + f"import http.client\nc = http.client.HTTPSConnection('localhost', {server.port}, context=ctx, timeout=10)\nc.request('GET', '/')\nvalue = c.getresponse().read().decode()",
            "asyncio": trust
            + f"import asyncio\nasync def go():\n    r, w = await asyncio.open_connection('localhost', {server.port}, ssl=ctx)\n    w.write(b'GET / HTTP/1.0\\r\\n\\r\\n')\n    got = await r.read()\n    return got.decode()[-5:]\nvalue = asyncio.run(go())",
        }
        outcomes, _ = await ask(kit, target, pieces, [f"localhost:{server.port}"])
        assert {name: outcome.get("value", outcome) for name, outcome in outcomes.items()} == dict.fromkeys(
            pieces, "hello"
        )


DENIED = {
    "another port": (
        "import socket; socket.create_connection(('localhost', {port}), 5)",
        'network = ["localhost:{port}"]',
    ),
    "another host": (
        "import http.client; http.client.HTTPConnection('example.com', 443).connect()",
        'network = ["example.com:PORT"]',
    ),
    "an address": ("import socket; socket.socket().connect(('192.0.2.1', 25))", 'network = ["192.0.2.1:25"]'),
    "on a loop": (
        "import asyncio; asyncio.run(asyncio.open_connection('192.0.2.1', 25))",
        'network = ["192.0.2.1:25"]',
    ),
    "an IPv6 address": (
        "import socket; socket.create_connection(('2001:db8::1', 25), 5)",
        'network = ["[2001:db8::1]:25"]',
    ),
    "resolving": (
        "import socket; socket.getaddrinfo('secret.example.com', 53)",
        'network = ["secret.example.com:PORT"]',
    ),
    "resolving the old way": (
        "import socket; socket.gethostbyname('secret.example.com')",
        'network = ["secret.example.com:PORT"]',
    ),
}


async def test_everything_else_is_denied_with_the_grant_to_ask_for(kit, target):
    values = {"port": target.values["port"]}
    pieces = {name: code.format(**values) for name, (code, _grant) in DENIED.items()}
    outcomes, denials = await ask(kit, target, pieces, ["localhost:1"])
    for name, (_code, grant) in DENIED.items():
        assert outcomes[name]["error"] == "NotGrantedError", outcomes[name]
        assert grant.format(**values) in outcomes[name]["text"], name
    kinds = {denial.kind for denial in denials}
    assert kinds == {DenialKind.CONNECT, DenialKind.RESOLVE}
    assert len(denials) >= len(DENIED)
    assert target.is_unharmed()


async def test_what_can_never_be_granted_says_so(kit, target):
    pieces = {
        "raw": "import socket; socket.socket(socket.AF_INET, socket.SOCK_RAW, 1)",
        "unix": "import socket; socket.socket(socket.AF_UNIX)",
        "listen": "import socket; socket.socket().bind(('127.0.0.1', 0))",
    }
    outcomes, _ = await ask(kit, target, pieces, [])
    assert {outcome["error"] for outcome in outcomes.values()} == {"NeverGrantedError"}
    assert "SOCK_RAW" in outcomes["raw"]["text"]


async def test_connection_that_was_handed_over_cannot_be_led_elsewhere(kit, target):
    """A TCP socket may be disconnected and connected anew; not in here."""
    async with peer() as server:
        code = (
            f"import socket\nc = socket.create_connection(('127.0.0.1', {server.port}), 5)\n"
            "address = ctypes.create_string_buffer(bytes([0, 0]) + bytes(14))\n"
            "if libc.connect(c.fileno(), address, 16): raise OSError(ctypes.get_errno(), '')"
        )
        outcomes, _ = await ask(kit, target, {"again": code}, [f"127.0.0.1:{server.port}"])
        assert outcomes["again"]["errno"] == 1


async def test_refused_connection_is_refused_as_anywhere(kit, target):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
        pieces = {"one": f"import socket; socket.create_connection(('127.0.0.1', {port}), 5)"}
        outcomes, denials = await ask(kit, target, pieces, [f"127.0.0.1:{port}"])
    assert outcomes["one"]["error"] == "ConnectionRefusedError"
    assert denials == []


async def test_name_that_does_not_exist_is_unknown_as_anywhere(kit, target):
    pieces = {"one": "import socket; socket.getaddrinfo('no-such-name.invalid', 80)"}
    outcomes, denials = await ask(kit, target, pieces, ["no-such-name.invalid:80"])
    assert outcomes["one"]["error"] == "gaierror"
    assert denials == []


async def test_name_that_leads_to_the_machine_itself_is_denied(kit, target, monkeypatch):
    """DNS rebinding: the owner of a granted name points it at the host."""

    async def rebound(*_args, **_kwargs):
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.1", 0))]

    monkeypatch.setattr(asyncio.get_running_loop(), "getaddrinfo", rebound)
    port = target.values["port"]
    pieces = {
        "resolve": "import socket; socket.getaddrinfo('api.example.com', 443)",
        "connect": f"import socket; socket.socket().connect(('api.example.com', {port}))",
    }
    outcomes, denials = await ask(kit, target, pieces, [f"api.example.com:{port}"])
    assert {outcome["error"] for outcome in outcomes.values()} == {"NotGrantedError"}
    assert all("leads to 127.0.0.1" in denial.what for denial in denials)
    assert target.is_unharmed()


LIES = {
    "no JSON": b"hello",
    "no id": b'{"connect": {}}',
    "two questions": b'{"id": 1, "connect": {}, "resolve": {}}',
    "a further member": b'{"id": 1, "resolve": {"host": "x", "family": 0, "as": "root"}}',
    "a port beyond all": b'{"id": 1, "connect": {"host": "x", "port": 65536, "family": 0, "timeout_ms": 1}}',
    "a host with a line break": b'{"id": 1, "resolve": {"host": "x\\ny", "family": 0}}',
    "nothing": b"",
}


@pytest.mark.parametrize("lie", LIES)
async def test_worker_that_lies_to_the_broker_is_cut_off(lie):
    denials = []
    broker = WorkerBroker(Grants(), denials.append)
    with broker.open() as theirs:
        theirs.send(LIES[lie])
        theirs.setblocking(False)
        if lie != "nothing":
            assert await asyncio.get_running_loop().sock_recv(theirs, 100) == b""
    broker.close()


async def test_broker_does_not_wait_for_a_worker_that_does_not_read():
    denials = []
    broker = WorkerBroker(Grants(), denials.append)
    theirs = broker.open()
    theirs.settimeout(0)
    question = b'{"id": 1, "resolve": {"host": "%s", "family": 0}}' % (b"x" * 200)
    for _ in range(3000):
        try:
            theirs.send(question)
        except BlockingIOError:
            await asyncio.sleep(0)
    theirs.close()
    broker.close()
    assert denials
