"""What came from a worker and is not worked off yet, and when the host pauses reading it.

1. While anything holds the intake nothing is read and nothing worked off; what came already waits in its order: one look's worth at most.
2. What nobody asked for costs: a message one token, and one more for each KiB. Where none is left the intake pauses, and that is counted;
   so whoever floods waits itself, and the host's memory and time stay everybody's.
"""

import asyncio
from collections import deque
from collections.abc import Callable
from enum import StrEnum

from isp_plugin_sdk.wire.framing import Lines
from isp_plugins.runtime.worker.limits import Bucket, Tally, cost_of

LEAST_PAUSE_S = 0.05
"""Shortest pause, in seconds: pausing costs system calls itself."""


class Hold(StrEnum):
    """Why nothing is read."""

    CALLS = "calls"
    """As many host calls are open as may be."""
    PAUSE = "pause"
    """Too much came that nobody asked for."""


class Intake:
    """Lines of one channel.

    Args:
        work: Works one line off.
        max_bytes: Longest line.
        per_second: Tokens a second for what nobody asked for.
        turned: Told when reading is to stop (False) and to go on (True).
        flooded: Told, at most once a minute, how many pauses there were since it was told last.
    """

    def __init__(
        self,
        work: Callable[[bytes], None],
        *,
        max_bytes: int,
        per_second: float,
        turned: Callable[[bool], None],
        flooded: Callable[[int], None],
    ) -> None:
        self._work = work
        self._cut = Lines(max_bytes)
        self._bucket = Bucket(per_second)
        self._turned = turned
        self._flooded = flooded
        self._loop = asyncio.get_running_loop()
        self._lines: deque[bytes] = deque()
        self._holds: set[Hold] = set()
        self._working = False
        self._ended = False
        self.pauses = Tally()

    @property
    def open(self) -> bool:
        """Whether the host reads now."""
        return not self._holds

    @property
    def at_rest(self) -> bool:
        """Whether the host reads now, and whatever came was worked off."""
        return not (self._holds or self._lines or self._working or self._cut.held)

    def take(self, data: bytes) -> None:
        """Work off every line that is whole now, those that waited first; `MessageTooLongError`."""
        if self.at_rest and data.find(b"\n") == len(data) - 1 <= self._cut.limit:  # one whole line, as mostly
            self._working = True
            try:
                self._work(data[:-1])
            finally:
                self._working = False
        else:
            self._lines.extend(self._cut.feed(data))
        if self._lines:
            self._work_off()

    def hold(self, why: Hold, *, on: bool) -> None:
        """Stop or go on, as far as this reason goes."""
        before = self.open
        if on and not self._ended:
            self._holds.add(why)
        else:
            self._holds.discard(why)
        if self.open is not before:
            self._turned(self.open)
            self._work_off()

    def charge(self, size: int) -> None:
        """A message of this size came that nobody asked for."""
        now = self._loop.time()
        pause = self._bucket.take(now, cost_of(size))
        if pause <= 0 or self._ended:
            return
        count = self.pauses.add(now)
        if count:
            self._flooded(count)
        self.hold(Hold.PAUSE, on=True)
        self._loop.call_later(max(pause, LEAST_PAUSE_S), self._go_on)

    def end(self) -> None:
        """The worker is gone: hold nothing any more, so that its last words are heard at once."""
        self._ended = True
        for why in tuple(self._holds):
            self.hold(why, on=False)

    def drop(self) -> None:
        """Work nothing off any more."""
        self._lines.clear()

    def _go_on(self) -> None:
        self.hold(Hold.PAUSE, on=False)

    def _work_off(self) -> None:
        """Until something holds; never from within itself, so that lines keep their order."""
        if self._working:
            return
        self._working = True
        try:
            while self._lines and self.open:
                self._work(self._lines.popleft())
        finally:
            self._working = False
