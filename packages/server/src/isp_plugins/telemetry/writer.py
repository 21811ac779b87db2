"""The task that stores log rows: at most `flush_interval` after they were written, or as soon as a batch is full.

1. While nothing is written it sleeps without a timer; the first row of an interval wakes it.
2. A database that cannot store keeps the batch, which is tried again after 0.5 s, 1 s, 2 s ... up to 30 s; meanwhile rows wait in the
   bounded buffer, and what does not fit there is dropped and counted.
3. Rows that were dropped are counted in the database and reported as one WARNING per plugin, when what waited before is stored.
4. A flush stores what was written before it began, not what a flood adds meanwhile: it always ends.
5. `close` tries for at most 5 s to store what waits, then counts it as dropped and says so in the server's own log.
"""

import asyncio
import logging
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress

from sqlalchemy.exc import SQLAlchemyError

from isp_plugins.db.engine import Database
from isp_plugins.errors import UnavailableError
from isp_plugins.telemetry.buffer import LogBuffer, Row
from isp_plugins.telemetry.store import store

BATCH = 1000
"""Most rows in one transaction."""
FIRST_PAUSE_S = 0.5
LONGEST_PAUSE_S = 30.0
CLOSE_WITHIN_S = 5.0
LATER = (UnavailableError, SQLAlchemyError, OSError)
"""Errors after which the same batch is tried again."""

Report = Callable[[Mapping[tuple[int, str], int]], list[Row]]

log = logging.getLogger(__name__)


class LogWriter:
    """Moves rows from a buffer into the database; one task, started by `open` and ended by `close`."""

    def __init__(
        self,
        database: Database,
        buffer: LogBuffer,
        *,
        flush_interval: float,
        report: Report,
        stored: Callable[[Sequence[Row]], None],
    ) -> None:
        self._database = database
        self._buffer = buffer
        self._interval = flush_interval
        self._report = report
        self._tell_stored = stored
        self._loop: asyncio.AbstractEventLoop | None = None
        self._task: asyncio.Task[None] | None = None
        self._pending: list[Row] = []
        self._armed = False
        self._work = asyncio.Event()
        self._full = asyncio.Event()
        self._stop = asyncio.Event()
        self._storing = asyncio.Lock()
        self.stored = 0
        """Records stored since the start."""

    def open(self) -> None:
        """Start the task on the running loop; what was written before is stored first."""
        self._stop.clear()
        self._loop = asyncio.get_running_loop()
        self._armed = True
        self._work.set()
        self._task = self._loop.create_task(self._run(), name="plugin-logs")

    def wake(self, waiting: int) -> None:
        """Called after every row, from any thread: tell the task of the first one, and of a full batch."""
        if not self._armed:
            self._armed = True
            self._signal(self._work)
        elif waiting == BATCH:
            self._signal(self._full)

    async def flush(self) -> None:
        """Store everything that waits; an error of `LATER` if the database cannot, and then it still waits."""
        # A caller that is cancelled must not leave it open whether a batch was stored: the work goes on without it.
        work = asyncio.ensure_future(self._flush())
        work.add_done_callback(lambda done: done.cancelled() or done.exception())
        await asyncio.shield(work)

    async def settle(self, within: float) -> None:
        """Store what was written so far, if the database takes it within so many seconds."""
        with suppress(TimeoutError, *LATER):
            async with asyncio.timeout(within):
                await self.flush()

    async def close(self) -> None:
        """Store what waits, within 5 s, and end the task."""
        if self._task is None:
            return
        for event in (self._stop, self._work, self._full):
            event.set()
        try:
            async with asyncio.timeout(CLOSE_WITHIN_S):
                await self._task
                await self._flush_stubbornly()
        except TimeoutError:
            self._give_up()
        self._task = self._loop = None

    def _signal(self, event: asyncio.Event) -> None:
        loop = self._loop
        if loop is None:
            return
        with suppress(
            RuntimeError
        ):  # the loop was closed in this very moment: nobody is left to store anything
            loop.call_soon_threadsafe(event.set)

    async def _run(self) -> None:
        pause = 0.0
        while not self._stop.is_set():
            await self._work.wait()
            await self._wait(pause)
            self._work.clear()
            self._full.clear()
            # From here on a new row arms again; a row that was put before is taken below.
            self._armed = False
            pause = await self._try_to_flush(pause)
            if pause:
                self._armed = True
                self._work.set()

    async def _wait(self, pause: float) -> None:
        """Wait for the interval to end or a batch to fill; after a failure, for the pause to end or for `close`."""
        if len(self._buffer) >= BATCH and not pause:
            return
        with suppress(TimeoutError):
            async with asyncio.timeout(pause or self._interval):
                await (self._stop if pause else self._full).wait()

    async def _try_to_flush(self, pause: float) -> float:
        """Flush; how long to wait before the next try, 0 where all is well."""
        try:
            await self._flush()
        except LATER as error:
            if not pause:
                log.warning("Plugin logs cannot be stored now and wait in memory: %s", error)
            return min(max(FIRST_PAUSE_S, 2 * pause), LONGEST_PAUSE_S)
        except Exception:
            # Nothing may end this task: an error nobody thought of is shown, and the next batch gets its chance.
            log.exception(
                "Unexpected error while storing plugin logs; %d records are lost", len(self._pending)
            )
            self._drop_pending()
        return 0.0

    async def _flush(self) -> None:
        async with self._storing:
            until = self._buffer.last
            while self._pending or self._buffer.holds_before(until):
                await self._store_batch()
            await self._store_report()

    async def _store_batch(self) -> None:
        if not self._pending:
            self._pending = self._buffer.take(BATCH)
        refused = await store(self._database, self._pending)
        stored, self._pending = self._pending, []
        self.stored += len(stored) - len(refused)
        self._buffer.lose(refused)
        self._tell_stored(stored)

    async def _store_report(self) -> None:
        """One row per plugin that lost records since the last report."""
        lost = self._buffer.take_lost()
        if not lost:
            return
        rows = self._report(lost)
        try:
            await store(self._database, rows, lost)
        except BaseException:
            self._buffer.give_back_lost(lost)
            raise
        self._tell_stored(rows)

    async def _flush_stubbornly(self) -> None:
        while True:
            try:
                return await self._flush()
            except LATER:
                await asyncio.sleep(FIRST_PAUSE_S / 5)

    def _give_up(self) -> None:
        self._drop_pending()
        self._buffer.lose(self._buffer.take(len(self._buffer)))
        lost = sum(self._buffer.take_lost().values())
        log.error("%d plugin log records could not be stored before the end and are lost", lost)

    def _drop_pending(self) -> None:
        self._buffer.lose(self._pending)
        self._pending = []
