"""A TCP probe: a connection is made and dropped at once; how it ends says whether the device is there."""

import asyncio
import errno
import socket
import struct
import time

from .damping import Kind, Result

_LOCAL = frozenset(
    {
        errno.EMFILE,
        errno.ENFILE,
        errno.ENOBUFS,
        errno.ENOMEM,
        errno.EPERM,
        errno.EACCES,
        errno.EADDRNOTAVAIL,
        errno.EAGAIN,
    }
    | {errno.ENETUNREACH, errno.ENETDOWN, errno.EAFNOSUPPORT, errno.EINVAL}
)
"""Errors of this machine: they say nothing about the device."""
LATE_S = 0.2
"""How late the end of a probe's time may be noticed; later than that, the event loop was held up, and an answer may lie there unread."""
_RESET_AT_CLOSE = struct.pack("ii", 1, 0)
"""Closing sends RST, so that thousands of probes leave no connection waiting in TIME_WAIT."""


async def probe(address: str, port: int, *, timeout: float, refused_is_up: bool) -> Result:  # noqa: ASYNC109  the probe's own limit, in seconds
    """Connect to an IP address and port; never raises for what device or network do."""
    loop = asyncio.get_running_loop()
    began = time.perf_counter()
    try:
        with socket.socket(
            socket.AF_INET6 if ":" in address else socket.AF_INET, socket.SOCK_STREAM
        ) as connection:
            connection.settimeout(0)
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET_AT_CLOSE)
            async with asyncio.timeout(timeout):
                await loop.sock_connect(connection, (address, port))
            if connection.getsockname()[:2] == connection.getpeername()[:2]:
                # Nobody listens: the kernel gave this end the very port, and it met itself.
                return Result(Kind.MISSED, reason="connection refused")
    except TimeoutError:
        return unanswered(timeout, time.perf_counter() - began)
    except OSError as error:
        if refused_is_up and error.errno == errno.ECONNREFUSED:
            return Result(Kind.REACHED, _milliseconds(began))
        kind = Kind.UNTRIED if error.errno in _LOCAL else Kind.MISSED
        return Result(kind, reason=error.strerror or type(error).__name__)
    return Result(Kind.REACHED, _milliseconds(began))


def unanswered(timeout: float, elapsed: float) -> Result:
    """What silence means, in seconds: nothing, where this machine noticed the end of the time much too late to have noticed an answer."""
    if elapsed > timeout + LATE_S:
        return Result(Kind.UNTRIED, reason="this machine was too busy to notice an answer")
    return Result(Kind.MISSED, reason=f"no answer within {timeout:g} s")


def is_local(error: OSError) -> bool:
    """Whether an error is this machine's own."""
    return error.errno in _LOCAL


def _milliseconds(began: float) -> float:
    return round((time.perf_counter() - began) * 1000, 3)
