"""Doubles that ship, so that a host's own tests and ours need no mocks."""

import itertools
from collections import deque
from datetime import UTC, datetime, timedelta
from typing import Any, Protocol

import orjson

from isp_plugins.contracts.hooks import Event, NewEvent


class FakeClock:
    """A clock that stands still until it is told to advance."""

    def __init__(self, now: datetime = datetime(2030, 1, 1, tzinfo=UTC), monotonic: float = 1000.0) -> None:
        self._now = now
        self._monotonic = monotonic

    def now(self) -> datetime:
        """The moment it stands at."""
        return self._now

    def monotonic(self) -> float:
        """Seconds that advance with it."""
        return self._monotonic

    def advance(self, seconds: float) -> None:
        """Let both times go on by so many seconds."""
        self._now += timedelta(seconds=seconds)
        self._monotonic += seconds

    def set_wall(self, now: datetime) -> None:
        """Let the wall time jump, forth or back; monotonic time is not touched."""
        self._now = now


class _Delivers(Protocol):
    """The hook engine."""

    async def deliver(self, event: Event) -> Any:
        """Deliver it."""
        ...


class MemoryEvents:
    """An `EventSink` that keeps events in memory, until a test has them delivered: `await events.deliver_all(engine)`."""

    def __init__(self) -> None:
        self.kept: list[NewEvent] = []
        """Everything that was kept, released or not."""
        self.released: deque[NewEvent] = deque()
        """What waits for its delivery."""
        self.refusal: Exception | None = None
        """What the next dispatches that keep an event are refused with."""
        self._ids = itertools.count(1)
        self._held: dict[int, NewEvent] = {}

    async def keep(self, event: NewEvent) -> int:
        """Keep it."""
        return self.keep_blocking(event)

    def keep_blocking(self, event: NewEvent) -> int:
        """Keep it."""
        if self.refusal is not None:
            raise self.refusal
        event_id = next(self._ids)
        self.kept.append(event)
        if event.hold_s:
            self._held[event_id] = event
        else:
            self.released.append(event)
        return event_id

    def release(self, event_id: int) -> None:
        """Its dispatch has ended."""
        self.released.append(self._held.pop(event_id))

    @property
    def deliveries(self) -> list[Event]:
        """What waits, one by one."""
        return [delivery for event in self.released for delivery in deliveries_of(event)]

    async def deliver_all(self, engine: _Delivers) -> list[Any]:
        """Deliver everything that waits, and what comes of it, in order; the outcomes."""
        outcomes = []
        while self.released:
            outcomes += [
                await engine.deliver(delivery) for delivery in deliveries_of(self.released.popleft())
            ]
        return outcomes


def deliveries_of(event: NewEvent) -> list[Event]:
    """One delivery for each subscription that an event is owed to."""
    return [
        Event(
            one, event.hook, orjson.loads(event.payload), event.request_id, dict(event.context), event.chain
        )
        for one in event.owed
    ]
