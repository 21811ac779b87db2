"""A worker's log: what it sends as records, and what it prints, line by line, bounded, into the plugin's logger.

1. A record is logged under the call that it belongs to; a printed line belongs to none.
2. Both are throttled together, a long one as several; what is left out is counted, and named in the log at most once a minute.
3. The last `TAIL` lines are kept for the record of a death, also those that were left out.
4. Known secrets are masked before anything is cut, so that no half of one is left at a cut.
5. Whoever prints without end waits, in a pipe: reading it takes a small part of the host's time at most, whatever is printed.
"""

import asyncio
import logging
import os
from collections import deque
from collections.abc import Callable, Iterable, Mapping
from contextvars import Context
from typing import Any, BinaryIO

from isp_plugins.runtime.worker.channel import Pending
from isp_plugins.runtime.worker.limits import REPORT_S, Bucket, cost_of

TAIL = 200
MAX_LINE = 8192
"""Longest printed line, in characters; a longer one is several. Also how much without a newline is held back for the mask."""
MAX_KEPT = 2000
"""Longest line in the tail, in characters."""
CHUNK = 65_536
REST_S = 0.01
"""Shortest pause after a chunk of output that was throttled, in seconds."""
REST = 20
"""Pause after a chunk of output that was throttled, in multiples of the time that it took."""
MAX_MESSAGE = 65_536
"""Longest message of a record, and longest traceback, in characters; the SDK sends none that is longer."""
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
        level = _LEVELS.get(_text(params, "level"), logging.INFO)
        message = self._first(_text(params, "message"), MAX_MESSAGE)
        if not self._logger.isEnabledFor(level):
            return
        self._keep(f"{logging.getLevelName(level)} {message}")
        traceback = self._last(_text(params, "traceback"))
        if not self._admits(len(message) + len(traceback)):
            return
        record = logging.LogRecord(
            _text(params, "logger")[:MAX_KEPT] or self._logger.name,
            level,
            pathname="",
            lineno=0,
            msg=message,
            args=None,
            exc_info=None,
            func=_text(params, "function")[:MAX_KEPT] or None,
            sinfo=traceback or None,
        )
        context = pending.context.copy() if pending is not None else Context()
        context.run(self._logger.handle, record)

    def line(self, text: str, level: int) -> bool:
        """Something that the plugin printed; whether it was not left out. An empty line counts, but is not logged."""
        if text:
            self._keep(text)
        admitted = self._admits(len(text))
        if admitted and text:
            Context().run(self._logger.log, level, "%s", text)
        return admitted

    def leave_out(self, count: int, last: Iterable[str]) -> None:
        """So many more lines were printed than there is room for; the last of them."""
        self._left_out += count
        self.left_out += count
        self.tail.extend(self._first(text, MAX_KEPT) for text in last if text)

    def note(self, message: str, *arguments: Any) -> None:
        """Something that the host says about the worker."""
        Context().run(self._logger.warning, message, *arguments)

    def _keep(self, text: str) -> None:
        """Keep the beginning of a line; a short one is masked when it is needed."""
        self.tail.append(self._first(text, MAX_KEPT))

    def _first(self, text: str, most: int) -> str:
        """The beginning of a text, without half a secret at its end."""
        return text if len(text) <= most else self.mask(text[: 2 * most])[:most]

    def _last(self, text: str) -> str:
        """The end of a long text, without half a secret at its beginning."""
        return text if len(text) <= MAX_MESSAGE else self.mask(text[-2 * MAX_MESSAGE :])[-MAX_MESSAGE:]

    def _admits(self, size: int) -> bool:
        now = self._now()
        if not self._bucket.try_take(now, cost_of(size)):
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
            return
        began = self._loop.time()
        if not self._cut(data):
            self._loop.remove_reader(self._stream.fileno())
            self._loop.call_later(max(REST_S, REST * (self._loop.time() - began)), self._go_on)

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
        pieces = [piece for line in lines for piece in self._pieces(line)]
        if len(self._rest) > 2 * MAX_LINE:
            begun = self._log.mask(self._rest.decode(errors="surrogateescape"))
            whole = max(0, len(begun) - MAX_LINE) // MAX_LINE * MAX_LINE
            self._rest = begun[whole:].encode(errors="surrogateescape")
            pieces += self._pieces(begun[:whole].encode(errors="surrogateescape"))
        return self._say(pieces)

    def _pieces(self, line: bytes) -> list[bytes]:
        """A printed line, as several where it is too long."""
        if len(line) <= MAX_LINE:
            return [line]
        text = self._log.mask(line.decode(errors="replace").rstrip("\r"))
        return [text[at : at + MAX_LINE].encode() for at in range(0, len(text), MAX_LINE)]

    def _say(self, lines: list[bytes]) -> bool:
        """Log them; once one was left out the others are, too, without a look at each."""
        for at, line in enumerate(lines, 1):
            if not self._log.line(_decoded(line), self._level):
                self._log.leave_out(len(lines) - at, map(_decoded, lines[at:][-TAIL:]))
                return False
        return True

    def _end(self) -> None:
        self._loop.remove_reader(self._stream.fileno())
        self.ended.set()
        if self._rest:
            self._say(self._pieces(self._rest))
        self._rest = b""
        self._stream.close()


def _decoded(line: bytes) -> str:
    """A printed line as text."""
    return line.decode(errors="replace").rstrip("\r")


def _text(params: Mapping[str, Any], name: str) -> str:
    """A text that the worker sent; anything else by its type, whatever it holds."""
    value = params.get(name)
    if isinstance(value, str):
        return value
    return "" if value is None else f"({type(value).__name__})"
