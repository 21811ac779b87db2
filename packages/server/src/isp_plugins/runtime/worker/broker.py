"""Connects and resolves for one worker, and hands the connections over: the only way out that a sandboxed plugin has.

1. What is asked is checked against the grants before anything is resolved, and every address that a name led to is checked once more.
2. A connection that turns out to lead to this machine itself, although only a name was granted, is closed before the worker sees it.
3. A refusal is answered with the grant to ask for, and told to whoever counts and records denials. It is never more than an answer: the worker lives on.
4. A worker has at most `MAX_UNDER_WAY` questions under way, further ones are answered as busy; an answer waits until the worker has room for it.
5. A packet that is not a question ends the broker: the worker speaks another language, or lies.
"""

import array
import asyncio
import contextlib
import errno
import json
import os
import socket
import time
from collections.abc import Awaitable, Callable
from typing import Any

from isp_plugin_sdk.sandbox.broker import MAX_PACKET, MAX_UNDER_WAY
from isp_plugin_sdk.sandbox.grants import Grants, Peer
from isp_plugins.contracts.grants import Denial, DenialKind
from isp_plugins.runtime.worker.peers import Address, Peers, address_of

MAX_TIMEOUT_S = 120.0
MAX_HOST = 253
_FAMILIES = frozenset({0, int(socket.AF_INET), int(socket.AF_INET6)})

Reply = tuple[dict[str, Any], socket.socket | None]


class RefusedError(Exception):
    """The answer is no; carries what the worker is told."""

    def __init__(self, told: dict[str, Any]) -> None:
        super().__init__(told)
        self.told = told


class WorkerBroker:
    """The broker of one worker; `open` and `close` on the event loop that it lives on."""

    def __init__(
        self,
        grants: Grants,
        on_denial: Callable[[Denial], None],
        *,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._peers = Peers(grants.network)
        self._on_denial = on_denial
        self._clock = clock
        self._channel: socket.socket | None = None
        self._under_way: set[asyncio.Task[None]] = set()
        self._has_room: asyncio.Future[None] | None = None

    def open(self) -> socket.socket:
        """Make the pair of sockets and listen on one; the other is the worker's to inherit, and the caller's to close."""
        mine, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        mine.settimeout(0)
        self._channel = mine
        asyncio.get_running_loop().add_reader(mine.fileno(), self._read)
        return theirs

    def close(self) -> None:
        """Stop answering; what is under way is dropped."""
        channel, self._channel = self._channel, None
        if channel is not None:
            asyncio.get_running_loop().remove_reader(channel.fileno())
            asyncio.get_running_loop().remove_writer(channel.fileno())
            channel.close()
        own = asyncio.current_task()
        for task in self._under_way:
            if task is not own:
                task.cancel()

    def _read(self) -> None:
        """Take one question."""
        channel = self._channel
        if channel is None:
            return
        try:
            text = channel.recv(MAX_PACKET)
            question = _question(text)
        except BlockingIOError:
            return
        except (OSError, ValueError):
            self.close()
            return
        if len(self._under_way) >= MAX_UNDER_WAY:
            busy = {"kind": "os", "errno": errno.EAGAIN, "message": "too many connects at once"}
            with contextlib.suppress(OSError):
                channel.send(json.dumps({"id": question["id"], "error": busy}).encode(), socket.MSG_DONTWAIT)
            return
        task = asyncio.get_running_loop().create_task(self._answer(question))
        self._under_way.add(task)
        task.add_done_callback(self._under_way.discard)

    async def _answer(self, question: dict[str, Any]) -> None:
        """Work out one answer and send it."""
        given: socket.socket | None = None
        try:
            if "connect" in question:
                reply, given = await self._connect(**question["connect"])
            else:
                reply = await self._resolve(**question["resolve"])
        except RefusedError as error:
            reply = {"error": error.told}
        try:
            await self._send(reply | {"id": question["id"]}, given)
        finally:
            if given is not None:
                given.close()

    async def _send(self, reply: dict[str, Any], given: socket.socket | None) -> None:
        """Send an answer, as soon as there is room for it; to a worker that is gone it is dropped."""
        carried = [] if given is None else [_carrying(given)]
        while self._channel is not None:
            try:
                self._channel.sendmsg([json.dumps(reply).encode()], carried, socket.MSG_DONTWAIT)
            except BlockingIOError:
                await self._room()
            except OSError:
                self.close()
            else:
                return

    async def _room(self) -> None:
        """Wait until the worker has read something; all that wait share one look."""
        loop, channel = asyncio.get_running_loop(), self._channel
        if self._has_room is None and channel is not None:
            self._has_room = loop.create_future()
            loop.add_writer(channel.fileno(), self._tell_room, channel)
        if self._has_room is not None:
            await asyncio.shield(self._has_room)

    def _tell_room(self, channel: socket.socket) -> None:
        """There is room: everybody who waits may try again."""
        asyncio.get_running_loop().remove_writer(channel.fileno())
        waiting, self._has_room = self._has_room, None
        if waiting is not None and not waiting.done():
            waiting.set_result(None)

    async def _connect(self, *, host: str, port: int, family: int, timeout_ms: int) -> Reply:
        """Connect, or say why not."""
        name = host.lower().rstrip(".")
        address = address_of(name)
        if not self._may_reach(name, address, port):
            names = self._peers.names_of(address, self._clock()) if address else ()
            shown = Peer(next(iter(names), name), port)
            raise self._denied(DenialKind.CONNECT, str(shown), f'network = ["{shown}"]')
        limit = min(max(timeout_ms / 1000, 0.001), MAX_TIMEOUT_S)
        try:
            async with asyncio.timeout(limit):
                addresses = [address] if address else await self._addresses(name, family, port)
                return await self._first_of(addresses, name, port)
        except TimeoutError:
            raise RefusedError({"kind": "timeout"}) from None
        except OSError as error:
            message = error.strerror or str(error)
            raise RefusedError({"kind": "os", "errno": error.errno or 0, "message": message}) from error

    def _may_reach(self, name: str, address: Address | None, port: int) -> bool:
        """Whether the grants allow it as it is asked."""
        if address is None:
            return self._peers.may_reach_name(name, port)
        return self._peers.may_reach_address(address, port, self._clock())

    async def _first_of(self, addresses: list[Address], name: str, port: int) -> Reply:
        """The first address that answers."""
        problem: OSError = OSError(errno.EHOSTUNREACH, os.strerror(errno.EHOSTUNREACH))
        for address in addresses:
            try:
                connection = await _connected(address, port)
            except OSError as error:
                problem = error
                continue
            if self._leads_home(connection, name, address, port):
                connection.close()
                raise self._misled(name, address, port)
            return {"peer": [str(address), port]}, connection
        raise problem

    def _leads_home(self, connection: socket.socket, name: str, address: Address, port: int) -> bool:
        """Whether only a name was granted, and the connection leads to this machine."""
        if self._peers.may_be_this_machine(name, address, port, self._clock()):
            return False
        return bool(connection.getsockname()[0] == connection.getpeername()[0])

    async def _resolve(self, *, host: str, family: int) -> dict[str, Any]:
        """Resolve a granted name."""
        name = host.lower().rstrip(".")
        if not self._peers.may_resolve(name):
            grant = f'network = ["{name}:PORT"]'
            raise self._denied(DenialKind.RESOLVE, f"the addresses of {name}", grant)
        addresses = await self._addresses(name, family, None)
        families = {4: int(socket.AF_INET), 6: int(socket.AF_INET6)}
        return {"addresses": [[families[address.version], str(address)] for address in addresses]}

    async def _addresses(self, name: str, family: int, port: int | None) -> list[Address]:
        """The addresses of a granted name that it may stand for."""
        try:
            found = await asyncio.get_running_loop().getaddrinfo(
                name, None, family=family, type=socket.SOCK_STREAM
            )
        except socket.gaierror as error:
            raise RefusedError({"kind": "dns", "code": error.errno, "message": error.strerror}) from error
        addresses = [*dict.fromkeys(found_ for entry in found if (found_ := address_of(str(entry[4][0]))))]
        allowed = [each for each in addresses if self._peers.may_name_lead_to(name, each, port)]
        if addresses and not allowed:
            raise self._misled(name, addresses[0], port)
        for address in allowed:
            self._peers.remember(name, address, self._clock())
        return allowed

    def _misled(self, name: str, address: Address, port: int | None) -> RefusedError:
        """The refusal of a name that leads to where a name must not."""
        what = f"{name}, which leads to {address}: the machine itself or its own wire"
        return self._denied(DenialKind.CONNECT, what, f'network = ["{Peer(str(address), port)}"]')

    def _denied(self, kind: DenialKind, what: str, grant: str) -> RefusedError:
        """Tell of a denial, and make the answer."""
        self._on_denial(Denial(kind, what[:200], grant[:200]))
        said = what if kind is DenialKind.RESOLVE else f"a connection to {what}"
        return RefusedError({"kind": "not_granted", "what": said, "grant": grant})


def _question(text: bytes) -> dict[str, Any]:
    """Read a packet; `ValueError` for anything that is not a question."""
    if not text:
        raise ValueError("the worker closed its end")
    question = json.loads(text)
    if not isinstance(question, dict) or type(question.get("id")) is not int:
        raise ValueError("expected a question with an id")
    asked = [key for key in ("connect", "resolve") if key in question]
    if len(asked) != 1 or not _fits(asked[0], question[asked[0]]):
        raise ValueError("expected one of connect and resolve")
    return question


def _fits(kind: str, values: Any) -> bool:
    """Whether the members of a question are what they must be, no more and no less."""
    numbers = ("port", "timeout_ms", "family") if kind == "connect" else ("family",)
    if not isinstance(values, dict) or set(values) != {"host", *numbers}:
        return False
    host = values["host"]
    return (
        isinstance(host, str)
        and 0 < len(host) <= MAX_HOST
        and host.isprintable()
        and all(type(values[name]) is int for name in numbers)
        and values["family"] in _FAMILIES
        and 0 <= values.get("port", 0) <= 65535
    )


async def _connected(address: Address, port: int) -> socket.socket:
    """A TCP connection to this address."""
    family = socket.AF_INET if address.version == 4 else socket.AF_INET6
    connection = socket.socket(family, socket.SOCK_STREAM)
    connection.settimeout(0)
    try:
        await _sock_connect(connection, (str(address), port))
    except BaseException:
        connection.close()
        raise
    return connection


def _sock_connect(connection: socket.socket, peer: tuple[str, int]) -> Awaitable[None]:
    """Connect on the running loop."""
    return asyncio.get_running_loop().sock_connect(connection, peer)


def _carrying(given: socket.socket) -> tuple[int, int, bytes]:
    """The ancillary data that hands a descriptor over."""
    return socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", [given.fileno()]).tobytes()
