"""Lets plain Python code connect through the broker: the standard library, and what is built on it, works unchanged against granted peers.

1. `socket.socket.connect` asks the host for the connection and puts it in the place of the socket's own descriptor; options set before are kept.
2. `socket.getaddrinfo` and its older kin ask the host, which answers for granted names only; an address needs no question.
3. asyncio's `sock_connect` does the same without blocking its loop.
4. A port to listen on is the host's socket in the place of the plugin's; datagrams are carried by the host (`datagrams`). What can never be had (unix sockets,
   raw ones) is refused by the kernel; here it only gets an error that says so.
5. Code that connects by itself, below Python, is not reached by this: it needs a port of `native_ports`.
6. Nothing that a plugin may not need is imported: asyncio is changed when somebody imports it, the broker made when somebody connects.
"""

import errno
import os
import socket
import sys
from collections.abc import Collection, Sequence
from importlib.machinery import ModuleSpec, PathFinder
from types import ModuleType
from typing import TYPE_CHECKING, Any

from isp_plugin_sdk.errors import NeverGrantedError, NotGrantedError

if TYPE_CHECKING:
    from isp_plugin_sdk.sandbox.broker import Answer, Broker
    from isp_plugin_sdk.sandbox.listening import Listening

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
_real_listen = socket.socket.listen
_real_accept = socket.socket.accept
_real_shutdown = socket.socket.shutdown
_real_getaddrinfo = socket.getaddrinfo
ASYNCIO_LOOP = "asyncio.selector_events"
LOCALHOST = "localhost"
ANSWER_GRACE_S = 5.0
"""How much longer than the host is asked to try an answer is waited for."""


class Network:
    """The functions that take the places of the standard library's."""

    def __init__(self, channel: socket.socket, native_ports: Collection[int] = ()) -> None:
        self._channel = channel
        self._broker: Broker | None = None
        self.native_ports = native_ports
        self._listening: Listening | None = None

    @property
    def broker(self) -> "Broker":
        """Made at the first question."""
        if self._broker is None:
            from isp_plugin_sdk.sandbox.broker import Broker

            self._broker = Broker(self._channel)
        return self._broker

    @property
    def listening(self) -> "Listening":
        """Made with the first port."""
        if self._listening is None:
            from isp_plugin_sdk.sandbox.listening import Listening

            self._listening = Listening(_real_accept)
        return self._listening

    def drain(self) -> None:
        """Let what was taken from a port be answered."""
        if self._listening is not None:
            self._listening.drain()

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

        def accept(sock: socket.socket) -> tuple[socket.socket, Any]:
            return _real_accept(sock) if network._listening is None else network._listening.accept(sock)

        def shutdown(sock: socket.socket, how: int) -> None:
            if network._listening is None or not network._listening.shutdown(sock):
                _real_shutdown(sock, how)

        places: tuple[tuple[Any, str, Any], ...] = (
            (socket.socket, "__init__", self.maker()),
            (socket.socket, "bind", self.binder()),
            (socket.socket, "listen", self.listener()),
            (socket.socket, "accept", accept),
            (socket.socket, "shutdown", shutdown),
            (socket.socket, "connect", connect),
            (socket.socket, "connect_ex", connect_ex),
            (socket, "getaddrinfo", self.getaddrinfo),
            (socket, "gethostbyname", self.gethostbyname),
            (socket, "gethostbyname_ex", self.gethostbyname_ex),
            (socket, "gethostbyaddr", _gethostbyaddr),
        )
        for place, name, function in places:
            setattr(place, name, function)
        if ASYNCIO_LOOP in sys.modules:
            self.install_on_loops(sys.modules[ASYNCIO_LOOP])
        else:
            sys.meta_path.insert(0, _WhenImported(self))

    def install_on_loops(self, module: ModuleType) -> None:
        """Take the place of `sock_connect` of asyncio's loops."""
        network, loops = self, module.BaseSelectorEventLoop
        real = loops.sock_connect

        async def sock_connect(loop: Any, sock: socket.socket, address: Any) -> None:
            if not _is_tcp(sock) or not await network.connect_on_loop(loop, sock, address):
                await real(loop, sock, address)

        loops.sock_connect = sock_connect

    def connect(self, sock: socket.socket, address: Any) -> None:
        """Connect this socket by way of the host."""
        if not _is_tcp(sock):
            _real_connect(sock, address)
            return
        timeout = sock.gettimeout() or None
        try:
            asked = self.broker.connect(*host_and_port(address), family=sock.family, timeout_s=timeout)
            _adopt(sock, wait_for(asked, timeout))
        except NotGrantedError:
            if address[1] not in self.native_ports:
                raise
            _real_connect(sock, address)

    async def connect_on_loop(self, loop: Any, sock: socket.socket, address: Any) -> bool:
        """The same without blocking the loop; False where it may connect by itself."""
        from asyncio import wrap_future

        if sock.gettimeout() != 0:
            raise ValueError("the socket must be non-blocking")
        try:
            asked = self.broker.connect(*host_and_port(address), family=sock.family, timeout_s=None)
            _adopt(sock, await wrap_future(asked, loop=loop))
        except NotGrantedError:
            if address[1] not in self.native_ports:
                raise
            return False
        return True

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
        if name == LOCALHOST and flags & socket.AI_PASSIVE:  # to listen there, which the host decides
            name = None
            flags &= ~socket.AI_PASSIVE
            host = None
        if not name or _is_address(name):
            return _real_getaddrinfo(host, port, family, type, proto, flags)
        answer = wait_for(self.broker.resolve(name, family=int(family)), None)
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

    def maker(self) -> Any:
        """What takes the place of `socket.__init__`: sockets for datagrams come from the host."""
        network = self

        def init(
            sock: socket.socket,
            family: int = -1,
            type: int = -1,  # noqa: A002  called by this name
            proto: int = -1,
            fileno: int | None = None,
        ) -> None:
            kind = type & ~(socket.SOCK_NONBLOCK | socket.SOCK_CLOEXEC) if type != -1 else socket.SOCK_STREAM
            if kind == socket.SOCK_DGRAM and family in {-1, *INET}:
                network.datagram(
                    sock, socket.AF_INET if family == -1 else family, type, max(proto, 0), fileno
                )
                return
            try:
                _real_init(sock, family, type, proto, fileno)
            except PermissionError as error:
                raise NeverGrantedError(
                    what=f"a socket that is neither TCP nor UDP ({_named(family, type)})",
                    instead="the host connects for it, to the peers of its grant `network`; for ping make a socket of SOCK_DGRAM and IPPROTO_ICMP",
                ) from error

        return init

    def datagram(self, sock: socket.socket, family: int, kind: int, proto: int, fileno: int | None) -> None:
        """Make a socket for datagrams, or one over a copy of its descriptor."""
        from isp_plugin_sdk.sandbox import datagrams

        relay = 0
        if fileno is None:
            answer = wait_for(self.broker.datagram(datagrams.protocol_of(proto), family=int(family)), None)
            fileno, relay = answer.descriptor, answer.values["relay"]
        _real_init(sock, family, socket.SOCK_DGRAM, proto, fileno)
        datagrams.turn(self, sock, relay)
        if kind & socket.SOCK_NONBLOCK:
            sock.settimeout(0)

    def binder(self) -> Any:
        """What takes the place of `bind`: the host's listening socket comes in this one's place."""
        network = self

        def bind(sock: socket.socket, address: Any) -> None:
            if not _is_tcp(sock) or not (isinstance(address, tuple) and address[1]):
                _bind_by_itself(sock, address)
                return
            host, port = place_to_listen(sock, address)
            only_v6 = sock.family == socket.AF_INET6 and bool(
                sock.getsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY)
            )
            asked = network.broker.listen("tcp", host, port, family=int(sock.family), only_v6=only_v6)
            _adopt(sock, wait_for(asked, None))
            network.listening.add(sock)

        return bind

    def listener(self) -> Any:
        """What takes the place of `listen`: the host's socket listens already."""
        network = self

        def listen(sock: socket.socket, *backlog: int) -> None:
            if sock not in network.listening:
                try:
                    _real_listen(sock, *backlog)
                except PermissionError as error:
                    raise NeverGrantedError(
                        what="a port of the system's choice to listen on",
                        instead="it binds a port of its grant `listen` first",
                    ) from error

        return listen


def _bind_by_itself(sock: socket.socket, address: Any) -> None:
    """What the kernel refuses is named."""
    try:
        _real_bind(sock, address)
    except PermissionError as error:
        raise NeverGrantedError(
            what=f"a port or address of the system's choice ({address!r})",
            instead="it listens on the ports of its grant `listen`",
        ) from error


class _WhenImported:
    """Stands first on `sys.meta_path` until somebody imports asyncio's loops."""

    def __init__(self, network: Network) -> None:
        self._network = network

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """The module's own spec, whose loader changes it once it is there."""
        if fullname != ASYNCIO_LOOP:
            return None
        sys.meta_path.remove(self)
        spec = PathFinder.find_spec(fullname, path, target)
        if spec is not None and spec.loader is not None:
            network, load = self._network, spec.loader.exec_module

            def exec_module(module: ModuleType) -> None:
                load(module)
                network.install_on_loops(module)

            spec.loader.exec_module = exec_module  # type: ignore[method-assign]  # this spec's loader is its own
        return spec


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
    for family in INET:
        try:
            socket.inet_pton(family, text.partition("%")[0])
        except OSError:
            continue
        return True
    return False


def host_and_port(address: Any) -> tuple[str, int]:
    """Host and port of an address as Python takes it."""
    host, port = address[0], address[1]
    if not isinstance(port, int):
        raise TypeError(f"an integer is required for the port, got {port!r}")
    text = host.decode("ascii") if isinstance(host, bytes | bytearray) else str(host)
    return text or "0.0.0.0", port  # noqa: S104  what an empty host means to connect


def place_to_listen(sock: socket.socket, address: Any) -> tuple[str, int]:
    """Host and port of an address to bind; an empty host is every address, `localhost` the machine itself."""
    host, port = host_and_port(address)
    v6 = sock.family == socket.AF_INET6
    if not address[0]:
        return "::" if v6 else "0.0.0.0", port  # noqa: S104  what an empty host means to bind
    return (("::1" if v6 else "127.0.0.1") if host == LOCALHOST else host), port


def wait_for(asked: Any, timeout: float | None) -> "Answer":
    """The host's answer; `TimeoutError` as a plain socket would raise it."""
    from concurrent.futures import TimeoutError as FutureTimeoutError

    limit = None if timeout is None else timeout + ANSWER_GRACE_S
    try:
        answer: Answer = asked.result(limit)
    except FutureTimeoutError:
        asked.cancel()
        raise TimeoutError("timed out") from None
    return answer


def _adopt(sock: socket.socket, answer: "Answer") -> None:
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
    channel = socket.socket(fileno=descriptor)
    channel.set_inheritable(False)
    network = Network(channel, native_ports)
    network.install()
    return network
