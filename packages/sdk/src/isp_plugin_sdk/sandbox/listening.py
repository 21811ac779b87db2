"""The listening sockets of a worker, which it shares with the host and, during a reload, with the next worker; and the connections that it took from them.

1. What one worker does to its socket must not reach the other's: `shutdown`, with which threads are woken from `accept`, only ends accepting here; a
   socket that was made to block, or not to, blocks only whom it should.
2. Before a worker ends, and before its plugin is told so, it takes nothing more, and what it took has a moment to be answered: a connection is lost by neither
   of the two. (asyncio drops what it took if its server is closed a moment later.)
"""

import contextlib
import errno
import os
import select
import socket
import threading
import time
from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary, WeakSet

if TYPE_CHECKING:
    from collections.abc import Callable

DRAIN_S = 1.0
"""How long a worker that ends waits for the connections that it took."""
_LOOK_AGAIN_S = 0.005


class _Shared:
    """One listening socket's other end of things: a copy that never blocks, and what wakes who waits."""

    def __init__(self, sock: socket.socket) -> None:
        self.copy = socket.socket(sock.family, sock.type, sock.proto, fileno=os.dup(sock.fileno()))
        self.copy.settimeout(0)
        self.woken, self.waker = socket.socketpair()
        self.ended = False

    def wake(self) -> None:
        """Wake whoever waits for a connection, and whoever will."""
        with contextlib.suppress(OSError):
            self.waker.send(b".", socket.MSG_DONTWAIT)


class Listening:
    """Those of one worker; `really` is `socket.accept` as it was before anybody took its place."""

    def __init__(self, really: "Callable[[socket.socket], tuple[socket.socket, Any]]") -> None:
        self._really = really
        self._shared: WeakKeyDictionary[socket.socket, _Shared] = WeakKeyDictionary()
        self._taken: WeakSet[socket.socket] = WeakSet()
        self._lock = threading.Lock()
        self._draining = False

    def __contains__(self, sock: socket.socket) -> bool:
        return sock in self._shared

    def add(self, sock: socket.socket) -> None:
        """This one listens from now on."""
        self._shared[sock] = _Shared(sock)

    def accept(self, sock: socket.socket) -> tuple[socket.socket, Any]:
        """Take a connection, as `socket.accept` does."""
        shared = self._shared.get(sock)
        if shared is None:
            return self._patient(sock)
        timeout = sock.gettimeout()
        until = None if timeout is None else time.monotonic() + timeout
        while True:
            taken = self._taken_now(sock, shared)
            if taken is not None:
                return taken
            if timeout == 0:
                raise BlockingIOError(errno.EAGAIN, os.strerror(errno.EAGAIN))
            if self._draining:  # who looked first and takes then must not wait for what the next worker took
                time.sleep(_LOOK_AGAIN_S)
                raise ConnectionAbortedError(errno.ECONNABORTED, os.strerror(errno.ECONNABORTED))
            self._wait(sock, shared, until)

    def shutdown(self, sock: socket.socket) -> bool:
        """Accept nothing more from this socket, here and not in the next worker; False where it is none of these."""
        shared = self._shared.get(sock)
        if shared is None:
            return False
        with self._lock:
            shared.ended = True
        shared.wake()
        return True

    def drain(self, within_s: float = DRAIN_S) -> None:
        """Take nothing more, and wait until what was taken is closed, at most so long."""
        with self._lock:
            self._draining = True
        for shared in self._shared.values():
            shared.wake()
        until = time.monotonic() + within_s
        while any(sock.fileno() != -1 for sock in [*self._taken]) and time.monotonic() < until:
            time.sleep(_LOOK_AGAIN_S)

    def _taken_now(self, sock: socket.socket, shared: _Shared) -> tuple[socket.socket, Any] | None:
        """A connection that is there, or None."""
        with self._lock:
            if sock.fileno() == -1 or shared.ended:
                code = errno.EINVAL if shared.ended else errno.EBADF
                raise OSError(code, os.strerror(code))
            if self._draining:
                return None
            os.set_blocking(shared.copy.fileno(), False)  # the other worker may have made it block
            try:
                taken = self._really(shared.copy)
            except BlockingIOError:
                return None
            self._taken.add(taken[0])
            return taken

    def _wait(self, sock: socket.socket, shared: _Shared, until: float | None) -> None:
        """Wait for a connection, or for the end of accepting; `TimeoutError`."""
        waiting = select.poll()
        waiting.register(shared.woken, select.POLLIN)
        waiting.register(sock, select.POLLIN)
        left = None if until is None else max(until - time.monotonic(), 0)
        if not waiting.poll(None if left is None else left * 1000):
            raise TimeoutError("timed out")

    def _patient(self, sock: socket.socket) -> tuple[socket.socket, Any]:
        """Take a connection from a copy (`dup`) of such a socket: whether that blocks is not for its own settings alone to say."""
        while True:
            try:
                return self._really(sock)
            except BlockingIOError:
                timeout = sock.gettimeout()
                if timeout == 0:
                    raise
                if not select.select([sock], [], [], timeout)[0]:
                    raise TimeoutError("timed out") from None
