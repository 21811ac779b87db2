"""`DurableEvents`: the event log and its deliveries on one node; keeps what dispatches owe, and pays it.

1. An event is committed before `keep` returns. While its dispatch runs it is held: it is released when that ends.
2. A host that dies in between holds nothing any more: the event is delivered, since the dispatch had begun its actions, or was about to.
3. Several loops and threads may keep and release; deliveries run on the loop that opened it.
"""

import asyncio
import threading
import uuid
from collections.abc import Callable
from pathlib import Path

from isp_plugins.contracts.hooks import NewEvent
from isp_plugins.db.engine import Database
from isp_plugins.events.attempts import Attempts
from isp_plugins.events.deliverer import Deliverer
from isp_plugins.events.errors import EventLogUnavailableError
from isp_plugins.events.journal import Journal, row_of
from isp_plugins.events.lines import awaited_line_of, line_of
from isp_plugins.events.listening import Listening
from isp_plugins.events.loop_writer import LoopWriter
from isp_plugins.events.seams import Delivers
from isp_plugins.events.store import DeliveryStore

CLOSE_PATIENCE_S = 10.0


class DurableEvents:
    """Implements `contracts.hooks.EventSink`; `open` it once the engine is there."""

    def __init__(
        self,
        database: Database,
        *,
        node: str,
        lease_s: float = 10.0,
        concurrency: int = 16,
        attempts_file: Path | None = None,
        holds: Callable[[], bool] = lambda: True,
    ) -> None:
        """`attempts_file` is where attempts are noted, so that those count that a kill cuts off."""
        self.journal = Journal(line_of(database, node))
        self.owner = f"{node}/{uuid.uuid4().hex[:12]}"
        self.store = DeliveryStore(database, self.owner)
        self.deliverer: Deliverer | None = None
        self._database = database
        self._node = node
        self._lease_s = lease_s
        self._concurrency = concurrency
        self._attempts = Attempts(attempts_file)
        self._holds = holds
        """Whether this node holds its leases, as far as it knows."""
        self._held: set[str] = set()
        self._owed: dict[int, tuple[str, tuple[int, ...]]] = {}
        """Held events by id: their random id, and to whom they are owed."""
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread = 0
        self._listening: Listening | None = None
        line = awaited_line_of(database, node)
        self._writer = LoopWriter(line) if line is not None else None
        """For dispatches on the loop that opened it; all others go through the journal's thread."""
        self.journal.begin()

    async def open(
        self, engine: Delivers, *, masked: Callable[[int, str], str] = lambda _plugin_id, text: text
    ) -> None:
        """Begin to deliver, on the running loop."""
        self._loop, self._thread = asyncio.get_running_loop(), threading.get_ident()
        self.deliverer = Deliverer(
            self.store, engine, node=self._node, held=self._held, lease_s=self._lease_s, concurrency=self._concurrency, masked=masked,
            attempts=self._attempts,
            holds=self._holds,
        )  # fmt: skip
        self._listening = Listening(self._database, self._node, self.deliverer)
        await self.deliverer.open()
        self._listening.open()

    async def stop_delivering(self, *, patience_s: float = CLOSE_PATIENCE_S) -> None:
        """Let the attempts under way end, acknowledge them, and begin no more; what was not delivered is, next time."""
        self._loop = None
        if self.deliverer is not None:
            await self.deliverer.close(patience_s)
        if self._listening is not None:
            await self._listening.close()

    async def close(self) -> None:
        """Keep no more events."""
        await self.stop_delivering()
        if self._writer is not None:
            await self._writer.end()
        await asyncio.to_thread(self.journal.end)

    # --- what dispatches ask ---

    async def keep(self, event: NewEvent) -> int:
        """Write it; once this returns it survives a loss of power. `EventLogUnavailableError`."""
        row = row_of(event)
        if event.hold_s:
            self._held.add(row[0])
        try:
            event_id = await self._keeper().keep(row)
        except BaseException:
            self._held.discard(row[0])
            raise
        self._kept(event, row[0], event_id)
        return event_id

    def _keeper(self) -> Journal | LoopWriter:
        here = self._loop is not None and threading.get_ident() == self._thread
        return self._writer if here and self._writer is not None else self.journal

    def keep_blocking(self, event: NewEvent) -> int:
        """The same for a synchronous dispatch, on whatever thread."""
        row = row_of(event)
        if event.hold_s:
            self._held.add(row[0])
        try:
            event_id = self.journal.keep_blocking(row)
        except BaseException:
            self._held.discard(row[0])
            raise
        self._kept(event, row[0], event_id)
        return event_id

    def release(self, event_id: int) -> None:
        """The event's dispatch has ended; never raises."""
        uid, owed = self._owed.pop(event_id, ("", ()))
        self._held.discard(uid)
        self._on_loop(lambda: self._release(event_id, owed))

    def changed(self) -> None:
        """Plugins came or went: from any thread."""
        if self.deliverer is not None:
            self._on_loop(self.deliverer.changed)

    def tell_changed(self) -> None:
        """An operator changed a cursor: all nodes look now."""
        self.changed()
        if self._listening is not None:
            self._listening.changed()

    def _kept(self, event: NewEvent, uid: str, event_id: int) -> None:
        if event.hold_s:
            self._owed[event_id] = (uid, event.owed)
        else:
            self._on_loop(lambda: self._release(event_id, event.owed))

    def _release(self, event_id: int, owed: tuple[int, ...]) -> None:
        if self.deliverer is not None and self._listening is not None:
            here = self.deliverer.release(event_id, owed)
            if not here:
                self._listening.released(event_id)

    def _on_loop(self, work: Callable[[], None]) -> None:
        loop = self._loop
        if loop is None:
            return
        if threading.get_ident() == self._thread:
            work()
            return
        try:
            loop.call_soon_threadsafe(work)
        except RuntimeError:  # the loop is closed: the next process delivers
            return

    # --- what is counted ---

    @property
    def written(self) -> int:
        """Events that were written since the process began."""
        return self.journal.written + (self._writer.written if self._writer is not None else 0)

    @property
    def refused(self) -> int:
        """Events that could not be kept; their dispatches failed."""
        return self.journal.refused + (self._writer.refused if self._writer is not None else 0)

    @property
    def groups(self) -> int:
        """Transactions that the events took."""
        return self.journal.groups + (self._writer.groups if self._writer is not None else 0)

    @property
    def failure(self) -> str | None:
        """Why the last write failed; None where it did not."""
        return self.journal.failure or (self._writer.failure if self._writer is not None else None)

    @property
    def delivered(self) -> int:
        """Deliveries that succeeded since the process began."""
        return self.deliverer.delivered if self.deliverer is not None else 0

    @property
    def retried(self) -> int:
        """Failed attempts that are tried again."""
        return self.deliverer.retried if self.deliverer is not None else 0

    @property
    def dead(self) -> int:
        """Dead letters."""
        return self.deliverer.dead if self.deliverer is not None else 0


__all__ = ["DurableEvents", "EventLogUnavailableError"]
