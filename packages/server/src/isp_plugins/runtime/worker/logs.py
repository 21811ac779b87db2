"""A worker's log: what it sends as records, and what it prints, line by line, bounded, into the plugin's logger.

1. A record is logged under the call that it belongs to; a printed line belongs to none.
2. Both are throttled together; what is left out is counted, and named in the log at most once a minute.
3. The last `TAIL` lines are kept for the record of a death, also those that were left out.
4. Known secrets are masked before anything is cut, so that no half of one is left at a cut.
"""

import asyncio
import logging
import os
from collections import deque
from collections.abc import Callable, Mapping
from contextvars import Context
from typing import Any, BinaryIO

from isp_plugins.runtime.worker.channel import Pending
from isp_plugins.runtime.worker.limits import Bucket

TAIL = 200
MAX_LINE = 8192
"""Longest printed line, in characters; a longer one is several. Also how much without a newline is held back for the mask."""
MAX_KEPT = 2000
"""Longest line in the tail, in characters."""
CHUNK = 65_536
REST_S = 0.01
"""Pause after a chunk of output that was throttled, in seconds, so that whoever prints without end waits, not the host."""
REPORT_S = 60.0
_LEVELS = logging.getLevelNamesMapping()


class WorkerLog:
    """What one worker says."""

    def __init__(
        self,
        logger: logging.Logger,
        lines_per_second: float,
        now: Callable[[], float],
        mask: Callable[[str], str],
    ) -> None:
        self._logger = logger
        self.mask = mask
        """Makes a text without the plugin's secrets of it."""
        self._now = now
        self._rate = lines_per_second
        self._bucket = Bucket(lines_per_second)
        self._left_out = 0
        self.left_out = 0
        """Lines left out since it began."""
        self._reported: float | None = None
        self.tail: deque[str] = deque(maxlen=TAIL)

    @property
    def level(self) -> str:
        """The plugin's level, by name."""
        return logging.getLevelName(self._logger.getEffectiveLevel())

    def record(self, params: Mapping[str, Any], pending: Pending | None) -> None:
        """Something that the plugin logged."""
        level = _LEVELS.get(str(params.get("level")), logging.INFO)
        message = str(params.get("message", ""))
        if not self._logger.isEnabledFor(level):
            return
        self._keep(f"{logging.getLevelName(level)} {message}")
        if not self._admits():
            return
        record = logging.LogRecord(
            str(params.get("logger") or self._logger.name),
            level,
            pathname="",
            lineno=0,
            msg=message,
            args=None,
            exc_info=None,
            func=str(params["function"]) if params.get("function") else None,
            sinfo=str(params["traceback"]) if params.get("traceback") else None,
        )
        context = pending.context.copy() if pending is not None else Context()
        context.run(self._logger.handle, record)

    def line(self, text: str, level: int) -> bool:
        """Something that the plugin printed; whether it was not left out."""
        self._keep(text)
        admitted = self._admits()
        if admitted:
            Context().run(self._logger.log, level, "%s", text)
        return admitted

    def note(self, message: str, *arguments: Any) -> None:
        """Something that the host says about the worker."""
        Context().run(self._logger.warning, message, *arguments)

    def _keep(self, text: str) -> None:
        """Keep the beginning of a line; a short one is masked when it is needed."""
        self.tail.append(text if len(text) <= MAX_KEPT else self.mask(text)[:MAX_KEPT])

    def _admits(self) -> bool:
        now = self._now()
        if not self._bucket.try_take(now):
            self._left_out += 1
            self.left_out += 1
            return False
        if self._left_out and (self._reported is None or now - self._reported >= REPORT_S):
            left_out, self._left_out, self._reported = self._left_out, 0, now
            self.note(
                "%d log lines of this plugin were left out: at most %g a second are kept",
                left_out,
                self._rate,
            )
        return True


class Output:
    """Reads what a worker prints, on the event loop."""

    def __init__(self, stream: BinaryIO, level: int, log: WorkerLog, loop: asyncio.AbstractEventLoop) -> None:
        self._stream = stream
        self._level = level
        self._log = log
        self._loop = loop
        self._rest = b""
        self.ended = asyncio.Event()
        os.set_blocking(stream.fileno(), False)
        loop.add_reader(stream.fileno(), self._read)

    def close(self) -> None:
        """Read what is there, and no more."""
        if not self.ended.is_set():
            self._drain()
            self._end()

    def _drain(self) -> None:
        for _ in range(16):
            data = self._chunk()
            if not data:
                return
            self._cut(data)

    def _read(self) -> None:
        data = self._chunk()
        if data is None:
            return
        if not data:
            self._end()
        elif not self._cut(data):
            self._loop.remove_reader(self._stream.fileno())
            self._loop.call_later(REST_S, self._go_on)

    def _go_on(self) -> None:
        if not self.ended.is_set():
            self._loop.add_reader(self._stream.fileno(), self._read)

    def _chunk(self) -> bytes | None:
        try:
            return os.read(self._stream.fileno(), CHUNK)
        except BlockingIOError:
            return None
        except OSError:
            return b""

    def _cut(self, data: bytes) -> bool:
        """Log whole lines and pieces that are too long; whether none was left out."""
        lines = (self._rest + data).split(b"\n")
        self._rest = lines.pop()
        admitted = [self._say(line) for line in lines]
        if len(self._rest) > 2 * MAX_LINE:
            begun = self._log.mask(self._rest.decode(errors="surrogateescape"))
            whole = max(0, len(begun) - MAX_LINE) // MAX_LINE * MAX_LINE
            self._rest = begun[whole:].encode(errors="surrogateescape")
            admitted.append(self._say(begun[:whole].encode(errors="surrogateescape")))
        return all(admitted)

    def _say(self, line: bytes) -> bool:
        text = line.decode(errors="replace").rstrip("\r")
        if len(text) > MAX_LINE:
            text = self._log.mask(text)
        pieces = [text[at : at + MAX_LINE] for at in range(0, len(text), MAX_LINE)]
        admitted = [self._log.line(piece, self._level) for piece in pieces]
        return all(admitted)

    def _end(self) -> None:
        self._loop.remove_reader(self._stream.fileno())
        self.ended.set()
        self._say(self._rest)
        self._rest = b""
        self._stream.close()
