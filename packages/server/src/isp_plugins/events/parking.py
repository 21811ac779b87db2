"""The parked events of one subscription that are tried next: the first one of each lane, by the moment at which it is due."""

import heapq
import time
from dataclasses import dataclass, field, replace
from typing import Any, Self

from isp_plugins.events.retries import Tried
from isp_plugins.events.store import Parked

KEPT_S = 5.0
"""A retry that is due within so many seconds keeps its event in memory."""


@dataclass(slots=True)
class Head:
    """The first parked event of a lane."""

    event_id: int
    lane: str
    tried: Tried
    round: int = 0
    history: list[dict[str, object]] = field(default_factory=list)
    event: Any = None
    """Its row, where it is in memory."""

    @classmethod
    def of(cls, parked: Parked) -> Self:
        """From what is stored."""
        tried = Tried(parked.attempts, parked.failures)
        return cls(parked.event_id, parked.lane, tried, parked.round, parked.history)


class Parking:
    """Heads in the order in which they are due; by the machine's monotonic time, so that no clock that jumps matters."""

    def __init__(self) -> None:
        self._heap: list[tuple[float, int, Head]] = []

    def plan(self, head: Head, wait: float) -> None:
        """Try it in so many seconds."""
        kept = head if wait < KEPT_S else replace(head, event=None)
        heapq.heappush(self._heap, (time.monotonic() + wait, head.event_id, kept))

    def next_in(self) -> float | None:
        """Seconds until the next is due; None where there is none."""
        return max(0.0, self._heap[0][0] - time.monotonic()) if self._heap else None

    def due(self) -> Head | None:
        """One that is due, taken out."""
        if not self._heap or self._heap[0][0] > time.monotonic():
            return None
        return heapq.heappop(self._heap)[2]
