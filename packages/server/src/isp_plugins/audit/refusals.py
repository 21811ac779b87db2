"""Refusals, summed up by what was refused and minute: a flood of them makes few audit entries."""

from collections import Counter
from collections.abc import Hashable, Iterator
from datetime import datetime
from typing import Generic, TypeVar

MAX_PLACES = 1000
"""Sources and minutes counted apart at one time; the rest are counted together."""
OTHERS = "(others)"
UNKNOWN = "(unknown)"
Key = TypeVar("Key", bound=Hashable)


class MinuteCounter(Generic[Key]):
    """Counts keys by minute until it is asked for what is ripe; `others` stands for what there is no room for."""

    def __init__(self, others: Key) -> None:
        self._others = others
        self._counts: Counter[tuple[Key, datetime]] = Counter()

    def count(self, key: Key, now: datetime, times: int = 1) -> None:
        """Count a key at one moment."""
        place = (key, now.replace(second=0, microsecond=0))
        if place not in self._counts and len(self._counts) >= MAX_PLACES:
            place = (self._others, place[1])
        self._counts[place] += times

    def take(self, before: datetime | None) -> Iterator[tuple[Key, datetime, int]]:
        """Hand over `(key, minute, count)` of every minute that ended before that moment; of every minute if None."""
        minute = before.replace(second=0, microsecond=0) if before is not None else None
        ripe = [place for place in self._counts if minute is None or place[1] < minute]
        for place in sorted(ripe, key=lambda place: (str(place[0]), place[1])):
            # Whoever else takes at the same time may have been quicker.
            if count := self._counts.pop(place, 0):
                yield (*place, count)


class RefusalCounter(MinuteCounter[str]):
    """Refused authentications by source."""

    def __init__(self) -> None:
        super().__init__(OTHERS)

    def add(self, source: str | None, now: datetime, times: int = 1) -> None:
        """Count refusals of one source at one moment."""
        self.count(source or UNKNOWN, now, times)


class DenialCounter(MinuteCounter[tuple[str, ...]]):
    """What plugins tried and were not granted: `(plugin id, plugin, kind, what, grant to ask for)`."""

    def __init__(self) -> None:
        super().__init__(("0", OTHERS, OTHERS, OTHERS, ""))
