"""Sockets for datagrams as a plugin's Python code knows them, carried by the host: UDP, and echo requests (ping).

1. `socket.socket(AF_INET, SOCK_DGRAM)` asks the host for one end of a pair that keeps messages apart; each message carries an address (`frames`).
2. The first datagram to an address asks the host whether it may be sent: the answer is the error that the plugin gets. The host checks every one once more.
3. Whoever binds a port asks for a port to listen on; port 0 is none to ask for.
4. Code below Python that sends by itself is not reached by this.
"""

import errno
import os
import socket
import time
from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary

from isp_plugin_sdk.sandbox.frames import MAX_ADDRESS, framed, unframed

if TYPE_CHECKING:
    from collections.abc import Callable

    from isp_plugin_sdk.sandbox.network import Network

ASK_AGAIN_S = 240.0
"""The host forgets a resolved name after ten minutes."""
PING_PROTOCOLS = frozenset({socket.IPPROTO_ICMP, socket.IPPROTO_ICMPV6})
MAX_REMEMBERED = 1024
HEADER_ROOM = MAX_ADDRESS + 3
_WITHOUT_EFFECT = frozenset({socket.IPPROTO_IP, socket.IPPROTO_IPV6})
_HARMLESS = frozenset({1, 2, 8, 10, 11, 16, 25, 26, 66, 67})
"""Types of service, times to live, error queues, IPV6_V6ONLY: what is asked of a packet that the host makes."""


class _State:
    """What one socket was told."""

    __slots__ = ("bound", "peer", "reached", "relay")

    def __init__(self, relay: int = 0) -> None:
        self.relay = relay
        self.peer: tuple[str, int] | None = None
        self.bound: tuple[str, int] | None = None
        self.reached: dict[tuple[str, int], tuple[str, float]] = {}


_states: WeakKeyDictionary[socket.socket, _State] = WeakKeyDictionary()
_classes: dict[Any, Any] = {}
_network: "Network | None" = None


def protocol_of(proto: int) -> str:
    """The word for a socket's protocol in questions and grants."""
    return "icmp" if proto in PING_PROTOCOLS else "udp"


def turn(network: "Network", sock: socket.socket, relay: int) -> None:
    """Make a socket over the host's pair behave like one for datagrams."""
    global _network  # noqa: PLW0603  there is one network in a process, installed once
    _network = network
    sock.__class__ = _turned(type(sock))
    _states[sock] = _State(relay)


def _turned(kind: Any) -> Any:
    """The class of this kind of sockets with the methods of datagrams."""
    if issubclass(kind, DatagramMethods):
        return kind
    if kind not in _classes:
        _classes[kind] = type(kind.__name__, (DatagramMethods, kind), {"__slots__": ()})
    return _classes[kind]


def _state(sock: Any) -> _State:
    """A copy (`dup`) begins anew."""
    found = _states.get(sock)
    if found is None:
        found = _states[sock] = _State()
    return found


class DatagramMethods:
    """The methods that take the places of a socket's own."""

    __slots__ = ()

    def connect(self: Any, address: Any) -> None:
        """Choose whom `send` is for."""
        _state(self).peer = _reach(self, address)

    def connect_ex(self: Any, address: Any) -> int:
        """The same, with the error's number instead of the error."""
        try:
            self.connect(address)
        except OSError as error:
            return error.errno or errno.EIO
        return 0

    def bind(self: Any, address: Any) -> None:
        """Listen on a port; on none in particular there is nothing to do."""
        from isp_plugin_sdk.sandbox.network import place_to_listen

        host, port = place_to_listen(self, address)
        state = _state(self)
        if port:
            state.bound = _listen(self, host, port, state.relay)

    def getsockname(self: Any) -> Any:
        """The address it listens on; nobody's where it does not."""
        host, port = _state(self).bound or (("::" if self.family == socket.AF_INET6 else "0.0.0.0"), 0)  # noqa: S104  nobody's address
        return _address(self, host, port)

    def getpeername(self: Any) -> Any:
        """Whom `send` is for."""
        peer = _state(self).peer
        if peer is None:
            raise OSError(errno.ENOTCONN, os.strerror(errno.ENOTCONN))
        return _address(self, *peer)

    def send(self: Any, data: Any, flags: int = 0) -> int:
        """Send to whom it is connected with."""
        peer = _state(self).peer
        if peer is None:
            raise OSError(errno.EDESTADDRREQ, os.strerror(errno.EDESTADDRREQ))
        return _send(self, data, peer, flags)

    def sendall(self: Any, data: Any, flags: int = 0) -> None:
        """The same; a datagram goes whole or not at all."""
        self.send(data, flags)

    def sendto(self: Any, data: Any, *rest: Any) -> int:
        """Send to an address: `sendto(data, address)` or `sendto(data, flags, address)`."""
        flags, address = rest if len(rest) == 2 else (0, rest[0])
        return _send(self, data, _reach(self, address), flags)

    def sendmsg(self: Any, buffers: Any, ancdata: Any = (), flags: int = 0, address: Any = None) -> int:
        """Send several pieces as one datagram; what goes beside it is left out."""
        data = b"".join(bytes(piece) for piece in buffers)
        return self.send(data, flags) if address is None else self.sendto(data, flags, address)  # type: ignore[no-any-return]  # of a socket

    def recvfrom(self: Any, bufsize: int, flags: int = 0) -> tuple[bytes, Any]:
        """A datagram and from whom it came."""
        data, host, port = _receive(self, bufsize, flags)
        return data, _address(self, host, port)

    def recv(self: Any, bufsize: int, flags: int = 0) -> bytes:
        """A datagram."""
        return _receive(self, bufsize, flags)[0]

    def recvfrom_into(self: Any, buffer: Any, nbytes: int = 0, flags: int = 0) -> tuple[int, Any]:
        """A datagram into a buffer."""
        view = memoryview(buffer).cast("B")
        data, host, port = _receive(self, nbytes or len(view), flags)
        view[: len(data)] = data
        return len(data), _address(self, host, port)

    def recv_into(self: Any, buffer: Any, nbytes: int = 0, flags: int = 0) -> int:
        """The same without from whom."""
        return int(self.recvfrom_into(buffer, nbytes, flags)[0])

    def recvmsg(
        self: Any, bufsize: int, ancbufsize: int = 0, flags: int = 0
    ) -> tuple[bytes, list[Any], int, Any]:
        """A datagram; nothing comes beside it."""
        data, address = self.recvfrom(bufsize, flags)
        return data, [], 0, address

    def setsockopt(self: Any, level: int, option: int, *value: Any) -> None:
        """Set an option; those of packets, which the host makes, have no effect."""
        if level in _WITHOUT_EFFECT and option in _HARMLESS:
            return
        socket.socket.setsockopt(self, level, option, *value)

    def getsockopt(self: Any, level: int, option: int, *size: Any) -> Any:
        """An option; those of packets are 0."""
        if level in _WITHOUT_EFFECT and option in _HARMLESS and not size:
            return 0
        return socket.socket.getsockopt(self, level, option, *size)


def _ask(sock: Any, question: "Callable[[Network], Any]") -> Any:
    from isp_plugin_sdk.sandbox.network import wait_for

    if _network is None:
        raise OSError(errno.ENOTSUP, os.strerror(errno.ENOTSUP))
    return wait_for(question(_network), sock.gettimeout() or None)


def _reach(sock: Any, address: Any) -> tuple[str, int]:
    """The address that the host sends to for this one."""
    from isp_plugin_sdk.sandbox.network import host_and_port

    host, port = host_and_port(address)
    protocol = protocol_of(sock.proto)
    port = 0 if protocol == "icmp" else port
    state = _state(sock)
    known = state.reached.get((host, port))
    if known is not None and known[1] > time.monotonic():
        return known[0], port
    answer = _ask(sock, lambda network: network.broker.reach(protocol, host, port, family=int(sock.family)))
    found = str(answer.values["peer"][0])
    _remember(state, (host, port), found)
    return found, port


def _remember(state: _State, asked: tuple[str, int], found: str) -> None:
    """Whom the host sends to for an address, for a while."""
    if len(state.reached) >= MAX_REMEMBERED:
        state.reached.clear()
    state.reached[asked] = found, time.monotonic() + ASK_AGAIN_S


def _listen(sock: Any, host: str, port: int, relay: int) -> tuple[str, int]:
    """Where the host listens from now on."""
    answer = _ask(
        sock,
        lambda network: network.broker.listen(
            "udp", host, port, family=int(sock.family), only_v6=False, relay=relay
        ),
    )
    found = answer.values["address"]
    return str(found[0]), int(found[1])


def _send(sock: Any, data: Any, where: tuple[str, int], flags: int) -> int:
    text = bytes(data)
    try:
        socket.socket.send(sock, framed(*where, text), flags)
    except BrokenPipeError as error:
        raise ConnectionError(
            errno.EPIPE, "the host does not carry this socket's datagrams any more"
        ) from error
    return len(text)


def _receive(sock: Any, size: int, flags: int) -> tuple[bytes, str, int]:
    """The next datagram, of the peer alone where there is one; at most so many bytes of it."""
    state = _state(sock)
    peer = state.peer
    while True:
        frame = socket.socket.recv(sock, size + HEADER_ROOM, flags & ~socket.MSG_TRUNC)
        if not frame:
            raise ConnectionError(errno.EPIPE, "the host does not carry this socket's datagrams any more")
        found = unframed(frame)
        if found is None or (peer is not None and (found[0], found[1]) != peer):
            continue
        host, port, data = found
        if state.bound is not None:  # who wrote to a port that is listened on may be answered
            _remember(state, (host, port), host)
        return data[:size], host, port


def _address(sock: Any, host: str, port: int) -> Any:
    """An address as sockets of this family give it."""
    return (host, port, 0, 0) if sock.family == socket.AF_INET6 else (host, port)
