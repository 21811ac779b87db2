"""Carries datagrams between one worker's socket and the world: a worker is never handed a socket that could send, for it could send anywhere.

1. The worker has one end of a pair that keeps messages apart; each carries the other side's address (`isp_plugin_sdk.sandbox.frames`).
2. Every datagram's destination is checked here, whatever the worker asked before. What is not granted is dropped and told.
3. What comes in is passed on from whom this socket has written to; on a port that is granted to listen on, from everybody, who may then be answered for a while.
4. As with any datagram, what there is no room for is dropped, here as anywhere on its way.
5. Answers to pings that the worker did not send are not passed on.
"""

import asyncio
import socket
from collections import OrderedDict
from collections.abc import Callable

from isp_plugin_sdk.sandbox.frames import MAX_FRAME, framed, unframed
from isp_plugins.runtime.worker.echo import EchoSocket
from isp_plugins.runtime.worker.peers import address_of

AT_A_TIME = 64
"""Datagrams that are carried before others on the loop have their turn."""
REMEMBERED = 4096
"""Addresses that one socket remembers to have written to or heard of."""
ANSWER_WITHIN_S = 600.0


class Relay:
    """One socket of one worker; `close` ends it, and so does the worker's closing its end."""

    def __init__(
        self,
        family: int,
        echo: EchoSocket | None,
        may_send: Callable[[str, int], bool],
        clock: Callable[[], float],
    ) -> None:
        self.family = family
        self._echo = echo
        self._may_send = may_send
        self._clock = clock
        self._known: OrderedDict[tuple[str, int], float] = OrderedDict()
        self._listens = False
        self._loop = asyncio.get_running_loop()
        self._inside, self._theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self._inside.settimeout(0)
        self._outside = echo.socket if echo is not None else socket.socket(family, socket.SOCK_DGRAM)
        self._outside.settimeout(0)
        self._loop.add_reader(self._inside.fileno(), self._out)
        self._loop.add_reader(self._outside.fileno(), self._in)
        self.closed = False

    def hand_over(self) -> socket.socket:
        """The worker's end, the caller's to close."""
        return self._theirs

    def listen(self, bound: socket.socket) -> tuple[str, int]:
        """From now on everybody is heard on this socket; its address."""
        self._loop.remove_reader(self._outside.fileno())
        self._outside.close()
        self._outside, self._listens = bound, True
        self._loop.add_reader(bound.fileno(), self._in)
        host, port = bound.getsockname()[:2]
        return host, port

    def close(self) -> None:
        """Carry nothing any more."""
        if self.closed:
            return
        self.closed = True
        for each in (self._inside, self._outside):
            self._loop.remove_reader(each.fileno())
            each.close()
        self._theirs.close()

    def _out(self) -> None:
        """Carry what the worker sends."""
        for _ in range(AT_A_TIME):
            try:
                frame = self._inside.recv(MAX_FRAME)
            except BlockingIOError:
                return
            except OSError:
                frame = b""
            if not frame:
                self.close()
                return
            self._send(frame)

    def _send(self, frame: bytes) -> None:
        found = unframed(frame)
        if found is None:
            return
        host, port, data = found
        address = address_of(host)
        if address is None:
            return
        where = (str(address), port)
        message = data if self._echo is None else self._echo.dressed(data)
        if message is None or not (self._may_answer(where) or self._may_send(*where)):
            return
        self._remember(where)
        mapped = self.family == socket.AF_INET6 and address.version == 4
        try:
            self._outside.sendto(message, (f"::ffff:{host}" if mapped else where[0], port))
        except OSError:  # no room, no route, too long: a datagram is lost
            return

    def _may_answer(self, where: tuple[str, int]) -> bool:
        """Whether it was heard of lately, on a port that everybody may write to."""
        heard = self._known.get(where) if self._listens else None
        return heard is not None and self._clock() - heard <= ANSWER_WITHIN_S

    def _remember(self, where: tuple[str, int]) -> None:
        self._known.pop(where, None)
        self._known[where] = self._clock()
        if len(self._known) > REMEMBERED:
            self._known.popitem(last=False)

    def _in(self) -> None:
        """Carry what came for the worker."""
        for _ in range(AT_A_TIME):
            try:
                data, source = self._outside.recvfrom(MAX_FRAME)
            except OSError:  # nothing there, or what was sent before could not be delivered
                return
            address = address_of(str(source[0]))
            where = (str(address), 0 if self._echo is not None else int(source[1]))
            message = data if self._echo is None else self._echo.undressed(data)
            if message is None or not (self._listens or where in self._known):
                continue
            if self._listens:
                self._remember(where)
            try:
                self._inside.send(framed(*where, message))
            except OSError:  # the worker does not read fast enough
                continue
