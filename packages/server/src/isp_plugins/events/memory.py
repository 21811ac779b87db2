"""Events in memory: a bounded queue, and one worker that delivers them in order.

1. What does not fit is not accepted, and the dispatch that offered it says so.
2. `offer` may be called from any thread and never blocks.
3. One delivery at a time: events reach each subscription in the order of their dispatches; a failing one disturbs no other.
"""

import asyncio
import contextlib
import logging
import threading
from collections import deque
from collections.abc import Sequence
from contextvars import Context
from typing import Protocol

from isp_plugins.contracts.hooks import Event
from isp_plugins.contracts.vocabulary import SkipReason

_log = logging.getLogger(__name__)


class Delivers(Protocol):
    """Calls one event's subscription; the hook engine."""

    async def deliver(self, event: Event) -> object:
        """Deliver it; never raises what the plugin raised."""
        ...


class MemoryEvents:
    """The queue between dispatches and deliveries; implements `contracts.hooks.EventSink`."""

    def __init__(self, size: int) -> None:
        self.size = size
        self.dropped = 0
        """Events that did not fit."""
        self.delivered = 0
        self._queue: deque[Event] = deque()
        self._lock = threading.Lock()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._arrived = asyncio.Event()
        self._idle = asyncio.Event()
        self._worker: asyncio.Task[None] | None = None
        self._told = False

    async def open(self, deliverer: Delivers) -> None:
        """Start delivering, on the running loop."""
        self._loop = asyncio.get_running_loop()
        self._idle.set()
        self._worker = self._loop.create_task(
            self._work(deliverer), name="isp-plugins-events", context=Context()
        )
        self._wake()

    def offer(self, events: Sequence[Event]) -> Sequence[SkipReason | None]:
        """Accept each event (None) or say why not."""
        with self._lock:
            answers = [self._accept(event) for event in events]
            tell = not self._told and self._loop is not None
            self._told = self._told or tell
        if tell and self._loop is not None:
            try:
                self._loop.call_soon_threadsafe(self._wake)
            except RuntimeError:  # the loop is closed: nothing is delivered any more
                self._told = False
        return answers

    async def drain(self, timeout: float) -> bool:  # noqa: ASYNC109  the wait is bounded, nothing is cancelled
        """Wait until every accepted event is delivered; whether that was in time."""
        try:
            async with asyncio.timeout(timeout):
                while self._queue or not self._idle.is_set():
                    await asyncio.sleep(0)
                    await self._idle.wait()
        except TimeoutError:
            return False
        return True

    async def close(self, *, drain_timeout: float = 10.0) -> int:
        """Deliver what waits, then stop; returns how many events were lost."""
        await self.drain(drain_timeout)
        if self._worker is not None:
            self._worker.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._worker
            self._worker = None
        self._loop = None
        return len(self._queue)

    @property
    def waiting(self) -> int:
        """Events that wait for their delivery."""
        return len(self._queue)

    def _accept(self, event: Event) -> SkipReason | None:
        if len(self._queue) >= self.size:
            self.dropped += 1
            return SkipReason.QUEUE_FULL
        self._queue.append(event)
        return None

    def _wake(self) -> None:
        with self._lock:
            self._told = False
        if self._queue:
            self._idle.clear()
            self._arrived.set()

    async def _work(self, deliverer: Delivers) -> None:
        while True:
            await self._arrived.wait()
            self._arrived.clear()
            while self._queue:
                await self._deliver(deliverer, self._queue.popleft())
            self._idle.set()

    async def _deliver(self, deliverer: Delivers, event: Event) -> None:
        try:
            await deliverer.deliver(event)
        except Exception:
            _log.exception("An event of %s could not be delivered.", event.hook)
        finally:
            self.delivered += 1
