"""Refused authentications, summed up by source and minute: a flood of them makes few audit entries."""

from collections import Counter
from collections.abc import Iterator
from datetime import datetime

MAX_PLACES = 1000
"""Sources and minutes counted apart at one time; the rest are counted together."""
OTHERS = "(others)"


class RefusalCounter:
    """Counts until it is asked for what is ripe."""

    def __init__(self) -> None:
        self._counts: Counter[tuple[str, datetime]] = Counter()

    def add(self, source: str | None, now: datetime, times: int = 1) -> None:
        """Count refusals of one source at one moment."""
        place = (source or "(unknown)", now.replace(second=0, microsecond=0))
        if place not in self._counts and len(self._counts) >= MAX_PLACES:
            place = (OTHERS, place[1])
        self._counts[place] += times

    def take(self, before: datetime | None) -> Iterator[tuple[str, datetime, int]]:
        """Hand over `(source, minute, count)` of every minute that ended before that moment; of every minute if None."""
        minute = before.replace(second=0, microsecond=0) if before is not None else None
        for place in sorted(place for place in self._counts if minute is None or place[1] < minute):
            # Whoever else takes at the same time may have been quicker.
            if count := self._counts.pop(place, 0):
                yield (*place, count)
