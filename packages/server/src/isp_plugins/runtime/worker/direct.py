"""The channel's socket without the loop between: what is sent leaves at once, and an answer that comes promptly is taken where it is awaited.

1. The loop's turn for one small call costs about as much as the call. Where the last answers came promptly, the caller itself looks for
   the next one for a moment (`isp_plugin_sdk.wire.busy_poll`).
2. Nobody starves: in one turn of the loop all callers together keep it for `TURN_S` at most; then they wait as usual.
"""

import asyncio
import socket
import time

from isp_plugin_sdk.wire.busy_poll import BusyPoll

TURN_S = 0.000_5
"""How long callers may keep the loop in one of its turns, in seconds."""
CHUNK = 65_536
"""Most bytes that one look takes; the loop reads the rest."""


class Turn:
    """The loop's current turn, shared by the channels on it."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self.until = 0.0
        """When callers must let it go on, by `time.monotonic`; 0: nobody has kept it in this turn."""

    def keep(self, now: float) -> float:
        """Somebody keeps it for the first time; until when that is allowed."""
        self.until = now + TURN_S
        self._loop.call_soon(self._pass)
        return self.until

    def _pass(self) -> None:
        self.until = 0.0


class DirectSocket:
    """One channel's socket, which the loop reads and writes, too.

    Args:
        end: The host's end.
        busy_poll_s: How long a look for an answer lasts at most, in seconds; 0: never look.
        turn: The loop's.
    """

    def __init__(self, end: socket.socket, busy_poll_s: float, turn: Turn) -> None:
        self.send = end.send
        """Sends what goes with `MSG_DONTWAIT`; `OSError` where it is full or over."""
        self._receive = end.recv_into
        self._buffer = memoryview(bytearray(CHUNK))
        self._turn = turn
        self.busy_poll = BusyPoll(busy_poll_s)

    def look(self) -> bytes:
        """What comes within a moment; empty where nothing does."""
        now, receive, buffer = time.monotonic, self._receive, self._buffer
        at = now()
        if at >= (self._turn.until or self._turn.keep(at)):
            return b""
        until = at + self.busy_poll.seconds
        while True:
            try:
                size = receive(buffer, CHUNK, socket.MSG_DONTWAIT)
            except BlockingIOError:
                if now() < until:
                    continue
                self.busy_poll.missed()
                return b""
            except OSError:
                return b""
            self.busy_poll.hits += 1
            return bytes(buffer[:size])
