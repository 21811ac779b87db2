"""The parked events of one subscription: which is tried when, and what comes behind it in its lane.

1. The first parked event of a lane is its head, due at a moment of the machine's monotonic time, so that no clock that jumps matters.
2. What is parked behind a head is kept in memory, at most `KEPT` of a lane; beyond, it is read from the table when its turn comes.
"""

import heapq
import time
from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from typing import Any, Self

from isp_plugins.events.retries import Tried
from isp_plugins.events.store import Parked

SOON_S = 5.0
"""A retry that is due within so many seconds keeps its event in memory."""
KEPT = 64


@dataclass(slots=True)
class Head:
    """One parked event."""

    event_id: int
    lane: str
    tried: Tried
    round: int = 0
    history: list[dict[str, object]] = field(default_factory=list)
    event: Any = None
    """Its row, where it is in memory."""
    suspect: bool = False
    """Whether its process died during its last attempt: it is tried alone."""

    @classmethod
    def of(cls, parked: Parked) -> Self:
        """From what is stored."""
        tried = Tried(parked.attempts, parked.failures)
        return cls(parked.event_id, parked.lane, tried, parked.round, parked.history, parked.event)


@dataclass(slots=True)
class Queue:
    """What is parked behind the head of a lane."""

    whole: bool
    """Whether all of it is in memory."""
    last: int
    """The last event that was taken out, or is in memory."""
    waiting: deque[Head] = field(default_factory=deque)


class Parking:
    """Heads in the order in which they are due, and the queues behind them."""

    def __init__(self) -> None:
        self.queues: dict[str, Queue] = {}
        self._heap: list[tuple[float, int, Head]] = []

    def plan(self, head: Head, wait: float) -> None:
        """Try it in so many seconds."""
        kept = head if wait < SOON_S else replace(head, event=None)
        heapq.heappush(self._heap, (time.monotonic() + wait, head.event_id, kept))

    def next_in(self) -> float | None:
        """Seconds until the next is due; None where there is none."""
        return max(0.0, self._heap[0][0] - time.monotonic()) if self._heap else None

    @property
    def suspect_due(self) -> bool:
        """Whether the next one is due, and to be tried alone."""
        return bool(self._heap) and self._heap[0][2].suspect and self._heap[0][0] <= time.monotonic()

    def due(self) -> Head | None:
        """One that is due, taken out."""
        if not self._heap or self._heap[0][0] > time.monotonic():
            return None
        return heapq.heappop(self._heap)[2]

    def behind(self, head: Head) -> None:
        """Another one of its lane is parked, which has a head."""
        queue = self.queues[head.lane]
        if queue.whole and len(queue.waiting) < KEPT:
            queue.waiting.append(head)
            queue.last = head.event_id
        else:
            queue.whole = False

    def filled(self, queue: Queue, found: Iterable[Head], *, whole: bool) -> None:
        """What was read of a lane."""
        queue.waiting.extend(found)
        queue.whole = whole
        if queue.waiting:
            queue.last = queue.waiting[-1].event_id
