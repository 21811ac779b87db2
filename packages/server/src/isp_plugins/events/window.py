"""Which events of one subscription may be delivered now: pure, in memory, told of everything that happens.

1. Events of one lane (an event's key, or a lane of its own) are delivered one after the other, in the order of their ids; lanes run
   side by side.
2. An event that fails is parked, and every later one of its lane behind it; other lanes go on.
3. An event whose dispatch has not ended is held, and its lane with it.
4. Everything up to `position` is settled (delivered or parked); `done` is what is settled beyond it.
"""

from collections import deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Item:
    """One event as the window sees it."""

    id: int
    lane: str
    event: Any = None
    weight: int = 0
    """Bytes of its payload."""


def lane_of(key: str | None, event_id: int) -> str:
    """The lane of an event: its key's, or its own."""
    return f"#{event_id}" if key is None else f"={key}"[:200]


class Window:
    """The loaded events of one subscription, from its position on."""

    def __init__(
        self, position: int, done: Iterable[int] = (), parked: Iterable[tuple[str, int]] = ()
    ) -> None:
        self.position = position
        self.end = position
        """Everything up to it was loaded."""
        self.parked: dict[str, int] = dict(parked)
        """How many events of a lane are parked."""
        self.weight = 0
        """Bytes of the payloads that are loaded and not settled."""
        self._done = {event_id for event_id in done if event_id > position}
        self._open: dict[int, Item] = {}
        self._lanes: dict[str, deque[Item]] = {}
        self._ready: deque[Item] = deque()
        self._held: set[int] = set()
        self._running: dict[int, Item] = {}

    @property
    def done(self) -> list[int]:
        """What is settled beyond the position, in order."""
        return sorted(self._done)

    @property
    def size(self) -> int:
        """Loaded events that are not settled, and those that are settled beyond the position."""
        return len(self._open) + len(self._done)

    @property
    def held(self) -> list[Item]:
        """Loaded events whose dispatches have not ended."""
        return [self._open[event_id] for event_id in self._held if event_id in self._open]

    @property
    def unsettled(self) -> int:
        """Loaded events that are not settled."""
        return len(self._open)

    def load(self, items: Iterable[Item], end: int, held: Iterable[int] = ()) -> list[Item]:
        """Take up events in the order of ids, everything up to `end`; returns those that must be parked behind their lane."""
        self._held.update(held)
        behind = []
        for item in items:
            if item.id <= self.end or item.id in self._done:
                continue
            if item.lane in self.parked:
                self.parked[item.lane] += 1
                self._done.add(item.id)
                behind.append(item)
                continue
            self._open[item.id] = item
            self.weight += item.weight
            lane = self._lanes.setdefault(item.lane, deque())
            lane.append(item)
            if len(lane) == 1 and item.id not in self._held:
                self._ready.append(item)
        self.end = max(self.end, end)
        self._advance()
        return behind

    def release(self, event_id: int) -> None:
        """The dispatch of a held event has ended."""
        if event_id not in self._held:
            return
        self._held.discard(event_id)
        item = self._open.get(event_id)
        if item is not None and self._lanes[item.lane][0] is item:
            self._ready.append(item)

    def next(self) -> Item | None:
        """An event whose attempt begins now."""
        if not self._ready:
            return None
        item = self._ready.popleft()
        self._running[item.id] = item
        return item

    def back(self, event_id: int) -> None:
        """The attempt did not take place: it comes first again."""
        self._ready.appendleft(self._running.pop(event_id))

    def settle(self, event_id: int) -> None:
        """It was delivered."""
        item = self._running.pop(event_id)
        lane = self._lanes[item.lane]
        lane.popleft()
        self._close(item)
        if not lane:
            del self._lanes[item.lane]
        elif lane[0].id not in self._held:
            self._ready.append(lane[0])
        self._advance()

    def park(self, event_id: int) -> Sequence[Item]:
        """It failed; returns what waits behind it from now on."""
        item = self._running.pop(event_id)
        _, *behind = self._lanes.pop(item.lane)
        for one in (item, *behind):
            self._close(one)
        self.parked[item.lane] = 1 + len(behind)
        self._advance()
        return behind

    def unpark(self, lane: str) -> bool:
        """One parked event of the lane is settled; whether more are parked."""
        self.parked[lane] -= 1
        if self.parked[lane] > 0:
            return True
        del self.parked[lane]
        return False

    def _close(self, item: Item) -> None:
        del self._open[item.id]
        self.weight -= item.weight
        self._held.discard(item.id)
        self._done.add(item.id)

    def _advance(self) -> None:
        """Move the position up to the first event that is not settled."""
        self.position = next(iter(self._open)) - 1 if self._open else self.end
        if self._done and min(self._done) <= self.position:
            self._done = {event_id for event_id in self._done if event_id > self.position}
