"""Writes events durably, many dispatches in one transaction: one thread with a connection of its own.

1. Whoever waits when the thread is free goes into the same transaction, at most `GROUP` of them; nobody is answered before it is committed.
2. It is a thread so that a synchronous dispatch may wait for it anywhere, on the loop's own thread too.
3. When the database does not answer, everybody who waits is told at once.
4. Ids are given in the order of commits, on all nodes: who has read up to one id has missed nothing before it.
"""

import asyncio
import contextlib
import os
import threading
from collections.abc import Sequence
from queue import Empty, SimpleQueue
from typing import Protocol

import orjson

from isp_plugins.contracts.hooks import NewEvent
from isp_plugins.events.errors import EventLogUnavailableError

GROUP = 500
"""Events in one transaction."""
Row = tuple[str, str, str | None, bytes, bytes, str, str, float]
"""uid, hook, key, payload, context, request id, owed, hold in seconds."""


class Line(Protocol):
    """A connection that writes events; used by the journal's thread alone."""

    def write(self, rows: Sequence[Row]) -> Sequence[int]:
        """Commit the rows and give their ids; raises whatever the driver does, and is usable again afterwards."""
        ...

    def close(self) -> None:
        """Close the connection."""
        ...


class Entry:
    """One event on its way, and who waits for it."""

    __slots__ = ("blocking", "event_id", "failure", "future", "loop", "row")

    def __init__(self, row: Row) -> None:
        self.row: Row | None = row
        self.event_id = 0
        self.failure: EventLogUnavailableError | None = None
        self.loop: asyncio.AbstractEventLoop | None = None
        self.future: asyncio.Future[None] | None = None
        self.blocking: threading.Lock | None = None


class Journal:
    """The thread; `begin` and `end` it once."""

    def __init__(self, line: Line) -> None:
        self._line = line
        self._queue: SimpleQueue[Entry | None] = SimpleQueue()
        self._thread = threading.Thread(target=self._run, name="isp-plugins-events", daemon=True)
        self._ended = False
        self.written = 0
        """Events that were committed."""
        self.groups = 0
        """Transactions that they took."""
        self.refused = 0
        """Events that could not be written."""
        self.failure: str | None = None
        """Why the last transaction failed; None where it did not."""

    def begin(self) -> None:
        """Start the thread."""
        self._thread.start()

    async def keep(self, row: Row) -> int:
        """Write an event and give its id; `EventLogUnavailableError`."""
        entry = Entry(row)
        entry.loop = asyncio.get_running_loop()
        entry.future = entry.loop.create_future()
        self._put(entry)
        try:
            await entry.future
        except asyncio.CancelledError:
            entry.row = None  # not written, unless it is being written at this moment: then it is delivered
            raise
        return _id_of(entry)

    def keep_blocking(self, row: Row) -> int:
        """The same for a thread."""
        entry = Entry(row)
        entry.blocking = threading.Lock()
        entry.blocking.acquire()
        self._put(entry)
        entry.blocking.acquire()
        return _id_of(entry)

    def end(self) -> None:
        """Write what waits, and stop the thread; blocks."""
        self._ended = True
        if self._thread.is_alive():
            self._queue.put(None)
            self._thread.join()
        self._fail(self._taken(), EventLogUnavailableError(cause="the host is closing"))

    def _put(self, entry: Entry) -> None:
        if self._ended:
            raise EventLogUnavailableError(cause="the host is closing")
        self._queue.put(entry)

    def _run(self) -> None:
        while (first := self._queue.get()) is not None:
            entries, last = self._group(first)
            self._write([entry for entry in entries if entry.row is not None])
            if last:
                break
        self._line.close()

    def _group(self, first: Entry) -> tuple[list[Entry], bool]:
        """Everybody who waits, and whether it was the end."""
        entries = [first]
        with contextlib.suppress(Empty):
            while len(entries) < GROUP:
                entry = self._queue.get_nowait()
                if entry is None:
                    return entries, True
                entries.append(entry)
        return entries, False

    def _taken(self) -> list[Entry]:
        entries = []
        with contextlib.suppress(Empty):
            while True:
                entry = self._queue.get_nowait()
                if entry is not None:
                    entries.append(entry)
        return entries

    def _write(self, entries: list[Entry]) -> None:
        rows = [entry.row for entry in entries if entry.row is not None]
        if not rows:
            return
        try:
            ids = self._line.write(rows)
        except Exception as error:
            self.failure = words_of(error)
            cause = EventLogUnavailableError(cause=self.failure)
            self._fail([*entries, *self._taken()], cause)
            return
        self.failure = None
        self.written += len(rows)
        self.groups += 1
        for entry, event_id in zip(entries, ids, strict=True):
            entry.event_id = event_id
        _tell(entries)

    def _fail(self, entries: list[Entry], failure: EventLogUnavailableError) -> None:
        self.refused += len(entries)
        for entry in entries:
            entry.failure = failure
        _tell(entries)


def row_of(event: NewEvent) -> Row:
    """An event as it is stored."""
    return (
        os.urandom(16).hex(), event.hook, event.key, event.payload,
        orjson.dumps([dict(event.context), event.chain], _plain), event.request_id,
        f",{','.join(map(str, event.owed))},", event.hold_s,
    )  # fmt: skip


def words_of(error: Exception) -> str:
    """The first line of what a driver says, or what it is."""
    return str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__


def _plain(value: object) -> str:
    """A context may hold what is no JSON; its text is kept."""
    return str(value)


def _id_of(entry: Entry) -> int:
    if entry.failure is not None:
        raise EventLogUnavailableError(**entry.failure.fields)
    return entry.event_id


def _tell(entries: list[Entry]) -> None:
    """Wake everybody: one call into each loop, however many wait there."""
    by_loop: dict[asyncio.AbstractEventLoop, list[Entry]] = {}
    for entry in entries:
        if entry.blocking is not None:
            entry.blocking.release()
        elif entry.loop is not None:
            by_loop.setdefault(entry.loop, []).append(entry)
    for loop, mine in by_loop.items():
        with contextlib.suppress(RuntimeError):  # that loop is closed: nobody waits there
            loop.call_soon_threadsafe(_wake, mine)


def _wake(entries: list[Entry]) -> None:
    for entry in entries:
        if entry.future is not None and not entry.future.done():
            entry.future.set_result(None)
