"""Connects, listens and resolves for one worker, and hands the sockets over: the only way out that a sandboxed plugin has.

1. What is asked is checked against the grants before anything is resolved, and every address that a name led to is checked once more.
2. A connection that turns out to lead to this machine itself, although only a name was granted, is closed before the worker sees it.
3. A refusal is answered with the grant to ask for, and told to whoever counts and records denials. It is never more than an answer: the worker lives on.
4. A worker has at most `MAX_UNDER_WAY` questions under way, further ones are answered as busy; an answer waits until the worker has room for it.
5. A packet that is not a question ends the broker: the worker speaks another language, or lies.
6. Datagrams are carried (`datagrams`): a socket of theirs could send anywhere, so none is handed over.
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
from contextlib import AbstractContextManager
from typing import Any

from isp_plugin_sdk.sandbox.broker import MAX_PACKET, MAX_UNDER_WAY
from isp_plugin_sdk.sandbox.grants import TCP, UDP, Grants, Peer
from isp_plugins.contracts.grants import Denial, DenialKind
from isp_plugins.runtime.worker.datagram_desk import DatagramDesk, shown_peer
from isp_plugins.runtime.worker.listeners import Listeners
from isp_plugins.runtime.worker.peers import Address, Peers, address_of
from isp_plugins.runtime.worker.questions import read_question

MAX_TIMEOUT_S = 120.0

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
        plugin_id: int = 0,
        listeners: Listeners | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._peers = Peers([peer for peer in grants.network if peer.protocol == TCP])
        self._desk = DatagramDesk(grants, plugin_id, listeners or Listeners(), on_denial, clock)
        self._every = (self._peers, *self._desk.peers.values())
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

    def ports_kept(self) -> AbstractContextManager[None]:
        """Keep the ports that the worker listens on inside the block, although it ends."""
        return self._desk.ports_kept()

    def close(self) -> None:
        """Stop answering; what is under way is dropped."""
        channel, self._channel = self._channel, None
        if channel is not None:
            asyncio.get_running_loop().remove_reader(channel.fileno())
            asyncio.get_running_loop().remove_writer(channel.fileno())
            channel.close()
        self._desk.close()
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
            number, kind, values = read_question(text)
        except BlockingIOError:
            return
        except (OSError, ValueError):
            self.close()
            return
        if len(self._under_way) >= MAX_UNDER_WAY:
            busy = {"kind": "os", "errno": errno.EAGAIN, "message": "too many connects at once"}
            with contextlib.suppress(OSError):
                channel.send(json.dumps({"id": number, "error": busy}).encode(), socket.MSG_DONTWAIT)
            return
        task = asyncio.get_running_loop().create_task(self._answer(number, kind, values))
        self._under_way.add(task)
        task.add_done_callback(self._under_way.discard)

    async def _answer(self, number: int, kind: str, values: dict[str, Any]) -> None:
        """Work out one answer and send it."""
        given: socket.socket | None = None
        answers: dict[str, Callable[..., Awaitable[Reply]]] = {
            "connect": self._connect,
            "resolve": self._resolve,
            "datagram": self._datagram,
            "reach": self._reach,
            "listen": self._listen,
        }
        try:
            reply, given = await answers[kind](**values)
        except RefusedError as error:
            reply = {"error": error.told}
        except OSError as error:
            message = error.strerror or str(error)
            reply = {"error": {"kind": "os", "errno": error.errno or 0, "message": message}}
        try:
            await self._send(reply | {"id": number}, given)
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
            shown = Peer(next(iter(names), str(address or name)), port)
            raise self._denied(DenialKind.CONNECT, str(shown), f'network = ["{shown}"]')
        limit = min(max(timeout_ms / 1000, 0.001), MAX_TIMEOUT_S)
        try:
            async with asyncio.timeout(limit):
                addresses = [address] if address else await self._addresses(name, family, port, self._peers)
                return await self._first_of(addresses, name, port)
        except TimeoutError:
            raise RefusedError({"kind": "timeout"}) from None

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

    async def _resolve(self, *, host: str, family: int) -> Reply:
        """Resolve a granted name."""
        name = host.lower().rstrip(".")
        peers = next((each for each in self._every if each.may_resolve(name)), None)
        if peers is None:
            grant = f'network = ["{name}:PORT"]'
            raise self._denied(DenialKind.RESOLVE, f"the addresses of {name}", grant)
        addresses = await self._addresses(name, family, None, peers)
        families = {4: int(socket.AF_INET), 6: int(socket.AF_INET6)}
        return {"addresses": [[families[address.version], str(address)] for address in addresses]}, None

    async def _datagram(self, *, protocol: str, family: int) -> Reply:
        """A socket for datagrams."""
        if not self._desk.may_have(protocol):
            what, form = ("a socket for UDP", "udp:HOST:PORT") if protocol == UDP else ("ping", "icmp:HOST")
            raise self._denied(DenialKind.CONNECT, what, f'network = ["{form}"]', said=what)
        return self._desk.open(protocol, family)

    async def _reach(self, *, protocol: str, host: str, port: int, family: int) -> Reply:
        """Where datagrams for this peer go, or why they would not."""
        name = host.lower().rstrip(".")
        address = address_of(name)
        if not self._desk.may_reach(protocol, name, address, port):
            shown = shown_peer(protocol, str(address or name), port)
            raise self._denied(
                DenialKind.CONNECT, str(shown), f'network = ["{shown}"]', said=f"to reach {shown}"
            )
        if address is None:
            peers = self._desk.peers[protocol]
            addresses = await self._addresses(name, family, port, peers)
            address = next(
                (each for each in addresses if self._desk.may_reach(protocol, name, each, port)), None
            )
            if address is None:
                raise self._misled(name, addresses[0], port)
        return {"peer": [str(address), port]}, None

    async def _listen(self, *, protocol: str, port: int, **where: Any) -> Reply:
        """Listen on a granted port."""
        if not self._desk.may_listen(protocol, port):
            what = f"{protocol}:{port}"
            raise self._denied(DenialKind.LISTEN, what, f'listen = ["{what}"]', said=f"to listen on {what}")
        return self._desk.listen(protocol=protocol, port=port, **where)

    async def _addresses(self, name: str, family: int, port: int | None, peers: Peers) -> list[Address]:
        """The addresses of a granted name that it may stand for."""
        try:
            found = await asyncio.get_running_loop().getaddrinfo(
                name, None, family=family, type=socket.SOCK_STREAM
            )
        except socket.gaierror as error:
            raise RefusedError({"kind": "dns", "code": error.errno, "message": error.strerror}) from error
        addresses = [*dict.fromkeys(found_ for entry in found if (found_ := address_of(str(entry[4][0]))))]
        allowed = [each for each in addresses if peers.may_name_lead_to(name, each, port)]
        if addresses and not allowed:
            raise self._misled(name, addresses[0], port)
        for address in allowed:
            for each_of in self._every:
                each_of.remember(name, address, self._clock())
        return allowed

    def _misled(self, name: str, address: Address, port: int | None) -> RefusedError:
        """The refusal of a name that leads to where a name must not."""
        what = f"{name}, which leads to {address}: the machine itself or its own wire"
        return self._denied(DenialKind.CONNECT, what, f'network = ["{Peer(str(address), port)}"]')

    def _denied(self, kind: DenialKind, what: str, grant: str, said: str = "") -> RefusedError:
        """Tell of a denial, and make the answer."""
        self._on_denial(Denial(kind, what[:200], grant[:200]))
        said = said or (what if kind is DenialKind.RESOLVE else f"a connection to {what}")
        return RefusedError({"kind": "not_granted", "what": said, "grant": grant})


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
