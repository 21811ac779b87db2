"""Writes events on the host's own loop, where the database's driver can: no thread is woken for an awaited dispatch.

1. Whoever waits when the connection is free goes into the same statement; nobody is answered before it is committed.
2. A group belongs to a task of its own: a dispatch that is cancelled takes nobody with it.
3. When the database does not answer, everybody who waits is told at once.
"""

import asyncio
from collections.abc import Sequence
from contextvars import Context
from typing import Protocol

from isp_plugins.events.errors import EventLogUnavailableError
from isp_plugins.events.journal import GROUP, Row, words_of


class AwaitedLine(Protocol):
    """A connection that writes events on the loop that uses it."""

    async def write(self, rows: Sequence[Row]) -> Sequence[int]:
        """Commit the rows and give their ids; raises whatever the driver does, and is usable again afterwards."""
        ...

    async def close(self) -> None:
        """Close the connection."""
        ...


class _Waiting:
    __slots__ = ("future", "row")

    def __init__(self, row: Row, future: "asyncio.Future[int]") -> None:
        self.row = row
        self.future = future


class LoopWriter:
    """The groups of one loop."""

    def __init__(self, line: AwaitedLine) -> None:
        self._line = line
        self._waiting: list[_Waiting] = []
        self._task: asyncio.Task[None] | None = None
        self._ended = False
        self.written = self.groups = self.refused = 0
        """As the journal's."""
        self.failure: str | None = None

    async def keep(self, row: Row) -> int:
        """Write an event and give its id; `EventLogUnavailableError`."""
        if self._ended:
            raise EventLogUnavailableError(cause="the host is closing")
        loop = asyncio.get_running_loop()
        future: asyncio.Future[int] = loop.create_future()
        self._waiting.append(_Waiting(row, future))
        if self._task is None:
            self._task = loop.create_task(self._run(), name="isp-plugins-events-write", context=Context())
        return (
            await future
        )  # cancelled: not written, unless it is being written at this moment; then it is delivered

    async def end(self) -> None:
        """Write what waits, and close the connection."""
        self._ended = True
        if self._task is not None:
            await asyncio.wait([self._task])
        await self._line.close()

    async def _run(self) -> None:
        try:
            while group := self._group():
                await self._write(group)
        finally:
            self._task = None

    def _group(self) -> list[_Waiting]:
        wanted = [one for one in self._waiting if not one.future.done()]
        self._waiting = wanted[GROUP:]
        return wanted[:GROUP]

    async def _write(self, group: list[_Waiting]) -> None:
        try:
            ids = await self._line.write([one.row for one in group])
        except Exception as error:
            self.failure = words_of(error)
            self._fail(group, self.failure)
            return
        self.failure = None
        self.written += len(group)
        self.groups += 1
        for one, event_id in zip(group, ids, strict=True):
            if not one.future.done():
                one.future.set_result(event_id)

    def _fail(self, group: list[_Waiting], cause: str) -> None:
        failed, self._waiting = [*group, *self._waiting], []
        self.refused += len(failed)
        for one in failed:
            if not one.future.done():
                one.future.set_exception(EventLogUnavailableError(cause=cause))
