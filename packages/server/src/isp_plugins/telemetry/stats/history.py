"""The last day of one node in memory: running sums for each window, and the packed minutes and hours to take off them again.

1. A window's sum is kept up to date: what is over is added once, what has become too old is taken away once; reading costs nothing.
2. Minutes and hours are numbers of a steady time that only goes forward: a wall clock that jumps moves nothing.
3. An hour is kept as a whole once it is over, so that a day costs 24 packed frames and an hour 60.
"""

from collections import deque
from collections.abc import Collection, Iterator, Mapping

from isp_plugins.telemetry.stats.tally import Frame, Key, Packed, Tally, add_to, pack, unpack
from isp_plugins.telemetry.stats.windows import MINUTES_AN_HOUR, Window

HOURS_A_DAY = 24
MINUTES = {Window.FIVE_MINUTES: 5, Window.HOUR: 60}


class History:
    """What was counted on one node."""

    def __init__(self) -> None:
        self.sums: dict[Window, Frame] = {window: {} for window in Window}
        self._minutes: dict[Window, deque[tuple[int, Packed]]] = {window: deque() for window in MINUTES}
        self._hours: dict[int, Packed] = {}
        self._open: dict[int, Frame] = {}
        """Hours to which minutes may still be added."""

    def add_minute(self, minute: int, packed: Packed, *, in_day: bool = True) -> None:
        """Add what was counted in a minute; `in_day` is False where its hour is added as a whole."""
        tallies = list(unpack(packed))
        for window, minutes in self._minutes.items():
            minutes.append((minute, packed))
            add_to(self.sums[window], tallies)
        if in_day:
            add_to(self.sums[Window.DAY], tallies)
            add_to(self._open.setdefault(minute // MINUTES_AN_HOUR, {}), tallies)

    def add_hour(self, hour: int, packed: Packed) -> None:
        """Add a whole hour, to the day alone."""
        add_to(self.sums[Window.DAY], unpack(packed))
        add_to(self._open.setdefault(hour, {}), unpack(packed))

    def advance(self, minute: int) -> None:
        """This minute has begun: take away what has become too old."""
        for window, length in MINUTES.items():
            minutes = self._minutes[window]
            while minutes and minutes[0][0] < minute - length:
                add_to(self.sums[window], unpack(minutes.popleft()[1]), -1)
        hour = minute // MINUTES_AN_HOUR
        for over in [number for number in self._open if number < hour]:
            frame = self._open.pop(over)
            add_to(frame, unpack(self._hours.get(over, {})))
            self._hours[over] = pack(frame)
        for old in [number for number in self._hours if number < hour - HOURS_A_DAY]:
            add_to(self.sums[Window.DAY], unpack(self._hours.pop(old)), -1)

    def forget(self, plugins: Collection[int]) -> None:
        """Drop plugins that were deleted."""
        gone = frozenset(plugins)
        for frame in (*self.sums.values(), *self._open.values()):
            for key in [key for key in frame if key.plugin_id in gone]:
                del frame[key]
        for window, minutes in self._minutes.items():
            self._minutes[window] = deque((minute, _without(packed, gone)) for minute, packed in minutes)
        self._hours = {hour: _without(packed, gone) for hour, packed in self._hours.items()}

    def items(self, window: Window) -> Iterator[tuple[Key, Tally]]:
        """The window's tallies."""
        return iter(self.sums[window].items())


def _without(packed: Packed, gone: Collection[int]) -> Mapping[int, bytes]:
    return {plugin_id: body for plugin_id, body in packed.items() if plugin_id not in gone}
