"""Lets plain Python code connect through the broker: the standard library, and what is built on it, works unchanged against granted peers.

1. `socket.socket.connect` asks the host for the connection and puts it in the place of the socket's own descriptor; options set before are kept.
2. `socket.getaddrinfo` and its older kin ask the host, which answers for granted names only; an address needs no question.
3. asyncio's `sock_connect` does the same without blocking its loop.
4. What can never be had (UDP, unix sockets, listening) is refused by the kernel; here it only gets an error that says so.
5. Code that connects by itself, below Python, is not reached by this: it needs a port of `native_ports`.
"""

import asyncio
import errno
import os
import socket
from asyncio import selector_events
from collections.abc import Collection
from concurrent.futures import TimeoutError as FutureTimeoutError
from ipaddress import ip_address
from typing import Any

from isp_plugin_sdk.sandbox.broker import Answer, Broker
from isp_plugin_sdk.sandbox.errors import NeverGrantedError, NotGrantedError

INET = frozenset({socket.AF_INET, socket.AF_INET6})
KEPT_OPTIONS = tuple(
    (level, getattr(socket, name))
    for level, names in (
        (socket.SOL_SOCKET, ("SO_KEEPALIVE", "SO_OOBINLINE")),
        (
            socket.IPPROTO_TCP,
            ("TCP_NODELAY", "TCP_KEEPIDLE", "TCP_KEEPINTVL", "TCP_KEEPCNT", "TCP_USER_TIMEOUT"),
        ),
    )
    for name in names
    if hasattr(socket, name)
)
_real_init = socket.socket.__init__
_real_connect = socket.socket.connect
_real_bind = socket.socket.bind
_real_getaddrinfo = socket.getaddrinfo
_real_sock_connect = selector_events.BaseSelectorEventLoop.sock_connect
ANSWER_GRACE_S = 5.0
"""How much longer than the host is asked to try an answer is waited for."""


class Network:
    """The functions that take the places of the standard library's."""

    def __init__(self, broker: Broker, native_ports: Collection[int] = ()) -> None:
        self.broker = broker
        self.native_ports = native_ports

    def install(self) -> None:
        """Take their places, for good."""
        network = self

        def connect(sock: socket.socket, address: Any) -> None:
            network.connect(sock, address)

        def connect_ex(sock: socket.socket, address: Any) -> int:
            try:
                network.connect(sock, address)
            except OSError as error:
                return error.errno or errno.ETIMEDOUT
            return 0

        async def sock_connect(loop: Any, sock: socket.socket, address: Any) -> None:
            await network.connect_on_loop(loop, sock, address)

        places: tuple[tuple[Any, str, Any], ...] = (
            (socket.socket, "__init__", _init),
            (socket.socket, "bind", _bind),
            (socket.socket, "connect", connect),
            (socket.socket, "connect_ex", connect_ex),
            (socket, "getaddrinfo", self.getaddrinfo),
            (socket, "gethostbyname", self.gethostbyname),
            (socket, "gethostbyname_ex", self.gethostbyname_ex),
            (socket, "gethostbyaddr", _gethostbyaddr),
            (selector_events.BaseSelectorEventLoop, "sock_connect", sock_connect),
        )
        for place, name, function in places:
            setattr(place, name, function)

    def connect(self, sock: socket.socket, address: Any) -> None:
        """Connect this socket by way of the host."""
        if not _is_tcp(sock):
            _real_connect(sock, address)
            return
        timeout = sock.gettimeout() or None
        try:
            asked = self.broker.connect(*_text(address), family=sock.family, timeout_s=timeout)
            _adopt(sock, _wait(asked, timeout))
        except NotGrantedError:
            if address[1] not in self.native_ports:
                raise
            _real_connect(sock, address)

    async def connect_on_loop(self, loop: Any, sock: socket.socket, address: Any) -> None:
        """The same without blocking the loop."""
        if not _is_tcp(sock):
            await _real_sock_connect(loop, sock, address)
            return
        if sock.gettimeout() != 0:
            raise ValueError("the socket must be non-blocking")
        try:
            asked = self.broker.connect(*_text(address), family=sock.family, timeout_s=None)
            _adopt(sock, await asyncio.wrap_future(asked, loop=loop))
        except NotGrantedError:
            if address[1] not in self.native_ports:
                raise
            await _real_sock_connect(loop, sock, address)

    def getaddrinfo(  # noqa: PLR0917  the standard library's own signature
        self,
        host: Any,
        port: Any,
        family: int = 0,
        type: int = 0,  # noqa: A002  called by this name
        proto: int = 0,
        flags: int = 0,
    ) -> list[Any]:
        """Addresses of a granted name, from the host; an address, or none, is answered here."""
        name = host.decode("ascii") if isinstance(host, bytes) else host
        if not name or _is_address(name):
            return _real_getaddrinfo(host, port, family, type, proto, flags)
        answer = _wait(self.broker.resolve(name, family=int(family)), None)
        found: list[Any] = []
        for each, address in answer.values["addresses"]:
            found += _real_getaddrinfo(address, port, each, type, proto, flags & ~socket.AI_CANONNAME)
        return found

    def gethostbyname(self, host: str) -> str:
        """The first IPv4 address of a granted name."""
        return self.gethostbyname_ex(host)[2][0]

    def gethostbyname_ex(self, host: str) -> tuple[str, list[str], list[str]]:
        """The IPv4 addresses of a granted name."""
        found = self.getaddrinfo(host, None, socket.AF_INET, socket.SOCK_STREAM)
        return host, [], [entry[4][0] for entry in found]


def _init(
    sock: socket.socket,
    family: int = -1,
    type: int = -1,  # noqa: A002  called by this name
    proto: int = -1,
    fileno: int | None = None,
) -> None:
    """Make a socket; what the kernel refuses is named."""
    try:
        _real_init(sock, family, type, proto, fileno)
    except PermissionError as error:
        raise NeverGrantedError(
            what=f"a socket that is not TCP ({_named(family, type)})",
            instead="the host connects for it over TCP, to the peers of its grant `network`",
        ) from error


def _bind(sock: socket.socket, address: Any) -> None:
    """Bind a socket; what the kernel refuses is named."""
    try:
        _real_bind(sock, address)
    except PermissionError as error:
        raise NeverGrantedError(
            what=f"a port or address of its own ({address!r})", instead="it can connect, but not listen"
        ) from error


def _gethostbyaddr(host: str) -> Any:
    """Refuse to ask for the name of an address."""
    raise NeverGrantedError(what=f"the name of the address {host}", instead="only granted names are resolved")


def _named(family: int, kind: int) -> str:
    """A family and type in words."""
    families = {int(each): each.name for each in socket.AddressFamily}
    kinds = {int(each): each.name for each in socket.SocketKind}
    return f"{families.get(int(family), 'AF_INET')}, {kinds.get(int(kind), 'SOCK_STREAM')}"


def _is_tcp(sock: socket.socket) -> bool:
    """Whether the broker can connect it."""
    return sock.family in INET and sock.type == socket.SOCK_STREAM


def _is_address(text: str) -> bool:
    """Whether it needs no resolving."""
    try:
        ip_address(text.partition("%")[0])
    except ValueError:
        return False
    return True


def _text(address: Any) -> tuple[str, int]:
    """Host and port of an address as Python takes it."""
    host, port = address[0], address[1]
    if not isinstance(port, int):
        raise TypeError(f"an integer is required for the port, got {port!r}")
    text = host.decode("ascii") if isinstance(host, bytes | bytearray) else str(host)
    return text or "0.0.0.0", port  # noqa: S104  what an empty host means to connect


def _wait(asked: Any, timeout: float | None) -> Answer:
    """The host's answer; `TimeoutError` as a plain socket would raise it."""
    limit = None if timeout is None else timeout + ANSWER_GRACE_S
    try:
        answer: Answer = asked.result(limit)
    except FutureTimeoutError:
        asked.cancel()
        raise TimeoutError("timed out") from None
    return answer


def _adopt(sock: socket.socket, answer: Answer) -> None:
    """Put the connection in the place of the socket's descriptor."""
    given = answer.descriptor
    if given is None:
        raise OSError(errno.EPROTO, os.strerror(errno.EPROTO))
    try:
        options = [(*option, sock.getsockopt(*option)) for option in KEPT_OPTIONS]
        os.dup2(given, sock.fileno(), inheritable=False)
    finally:
        answer.close()
    sock.settimeout(sock.gettimeout())
    for level, option, value in options:
        if value and value != sock.getsockopt(level, option):
            sock.setsockopt(level, option, value)


def install(descriptor: int, native_ports: Collection[int] = ()) -> Network:
    """Let this process's Python code connect through the socket that the host left open under this number."""
    network = Network(Broker(socket.socket(fileno=descriptor)), native_ports)
    network.install()
    return network
