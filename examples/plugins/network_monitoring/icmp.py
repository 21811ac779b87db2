"""ICMP echo requests to any number of devices over one socket for each address family.

1. The unprivileged kind of socket is tried first (the kernel's ping sockets), then a raw one.
2. A reply is matched by a random token in its data and by its sender: a late one, or another program's, is nobody's.
3. All sockets live on the event loop; nothing blocks.
"""

import asyncio
import os
import socket
import struct
import time
from dataclasses import dataclass

from .damping import Kind, Result
from .errors import IcmpNotAllowedError
from .tcp import is_local, unanswered

_TOKEN_BYTES = 16
_AT_ONCE = 128
"""How many replies are read in one turn of the loop."""
_BUFFER_BYTES, _BYTES_A_REPLY = 1 << 20, 1024
"""The receive buffer asked for (the kernel gives what it allows), and what one reply takes of it: what does not fit would look like a loss."""
_ICMP_FILTER, _SOL_RAW, _ICMP6_FILTER = 1, 255, 1


@dataclass(frozen=True)
class _Family:
    """What differs between IPv4 and IPv6."""

    family: socket.AddressFamily
    protocol: int
    request: int
    reply: int


_V4 = _Family(socket.AF_INET, socket.IPPROTO_ICMP, 8, 0)
_V6 = _Family(socket.AF_INET6, socket.IPPROTO_ICMPV6, 128, 129)


class Pinger:
    """Sends echo requests and hands each reply to whoever waits for it; `close` it on its loop."""

    def __init__(self) -> None:
        self._channels: dict[bool, _Channel] = {}

    def check(self) -> None:
        """Raise `IcmpNotAllowedError` where this process may not send echo requests."""
        opened, _ = _open(_V4)
        opened.close()

    async def probe(self, address: str, *, timeout: float) -> Result:  # noqa: ASYNC109  the probe's own limit, in seconds
        """Send one request and wait for its reply; never raises for what device or network do."""
        try:
            channel = self._channel(":" in address)
        except IcmpNotAllowedError as error:
            return Result(Kind.UNTRIED, reason=str(error))
        return await channel.ask(address, timeout)

    def close(self) -> None:
        """Close the sockets."""
        for channel in self._channels.values():
            channel.close()
        self._channels.clear()

    def _channel(self, is_ipv6: bool) -> "_Channel":  # noqa: FBT001  the two families
        if is_ipv6 not in self._channels:
            self._channels[is_ipv6] = _Channel(_V6 if is_ipv6 else _V4)
        return self._channels[is_ipv6]


class _Channel:
    """One socket and the requests that wait at it."""

    def __init__(self, family: _Family) -> None:
        self._family = family
        self._socket, self._has_ip_header = _open(family)
        self._slots = asyncio.Semaphore(
            self._socket.getsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF) // _BYTES_A_REPLY
        )
        self._waiting: dict[bytes, tuple[str, asyncio.Future[float]]] = {}
        self._sequence = 0
        self._loop = asyncio.get_running_loop()
        self._loop.add_reader(self._socket.fileno(), self._read)

    async def ask(self, address: str, timeout: float) -> Result:  # noqa: ASYNC109  the probe's own limit, in seconds
        """One request, once its reply has room in the socket's buffer."""
        async with self._slots:
            return await self._ask(address, timeout)

    async def _ask(self, address: str, timeout: float) -> Result:  # noqa: ASYNC109  the probe's own limit, in seconds
        token = os.urandom(_TOKEN_BYTES)
        answer: asyncio.Future[float] = self._loop.create_future()
        self._waiting[token] = (address, answer)
        began = time.perf_counter()
        try:
            self._socket.sendto(self._packet(token), (address, 0))
            async with asyncio.timeout(timeout):
                ended = await answer
        except TimeoutError:
            return unanswered(timeout, time.perf_counter() - began)
        except OSError as error:
            kind = Kind.UNTRIED if is_local(error) else Kind.MISSED
            return Result(kind, reason=error.strerror or type(error).__name__)
        finally:
            del self._waiting[token]
        return Result(Kind.REACHED, round((ended - began) * 1000, 3))

    def close(self) -> None:
        """Stop listening."""
        self._loop.remove_reader(self._socket.fileno())
        self._socket.close()

    def _packet(self, token: bytes) -> bytes:
        """An echo request; the kernel fills in the identifier of a ping socket, and the checksum of IPv6."""
        self._sequence = (self._sequence + 1) & 0xFFFF
        head = struct.pack("!BBHHH", self._family.request, 0, 0, os.getpid() & 0xFFFF, self._sequence)
        checksum = _checksum(head + token)
        return head[:2] + struct.pack("!H", checksum) + head[4:] + token

    def _read(self) -> None:
        """Take what has arrived."""
        for _ in range(_AT_ONCE):
            try:
                packet, sender = self._socket.recvfrom(2048)
            except OSError:  # nothing more, or an error that belongs to one request and shows there
                return
            self._received(packet, sender[0])

    def _received(self, packet: bytes, sender: str) -> None:
        """Wake whoever waits for this reply."""
        start = (packet[0] & 0x0F) * 4 if self._has_ip_header and packet else 0
        if len(packet) < start + 8 + _TOKEN_BYTES or packet[start] != self._family.reply:
            return
        address, answer = self._waiting.get(packet[start + 8 : start + 8 + _TOKEN_BYTES], ("", None))
        if answer is not None and address == sender.partition("%")[0] and not answer.done():
            answer.set_result(time.perf_counter())


def _open(family: _Family) -> tuple[socket.socket, bool]:
    """A socket that may send echo requests, and whether it delivers the IP header; `IcmpNotAllowedError`."""
    problem = ""
    for kind in (socket.SOCK_DGRAM, socket.SOCK_RAW):
        try:
            opened = socket.socket(family.family, kind, family.protocol)
        except OSError as error:
            problem = error.strerror or type(error).__name__
            continue
        opened.settimeout(0)
        opened.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _BUFFER_BYTES)
        if kind == socket.SOCK_RAW:
            _only_replies(opened, family)
        return opened, kind == socket.SOCK_RAW and family is _V4
    raise IcmpNotAllowedError(problem=problem)


def _only_replies(raw: socket.socket, family: _Family) -> None:
    """Let the kernel drop everything but echo replies: a raw socket would get all ICMP of the machine."""
    if family is _V4:
        raw.setsockopt(_SOL_RAW, _ICMP_FILTER, struct.pack("I", 0xFFFFFFFF & ~(1 << family.reply)))
    else:
        blocked = [0xFFFFFFFF] * 8
        blocked[family.reply >> 5] &= ~(1 << (family.reply & 31))
        raw.setsockopt(family.protocol, _ICMP6_FILTER, struct.pack("8I", *blocked))


def _checksum(data: bytes) -> int:
    """The Internet checksum (RFC 1071)."""
    total: int = sum(struct.unpack(f"!{len(data) // 2}H", data))
    total = (total >> 16) + (total & 0xFFFF)
    return ~(total + (total >> 16)) & 0xFFFF
