"""What every node of the database has stored during the last day, kept up to date; this node's own history is one of them."""

from collections.abc import Collection, Mapping
from datetime import datetime, timedelta

from isp_plugins.telemetry.stats.history import HOURS_A_DAY, History
from isp_plugins.telemetry.stats.meter import LastRun
from isp_plugins.telemetry.stats.steady import SteadyTime
from isp_plugins.telemetry.stats.store import HOUR, Resolution, StatisticsStore, Stored, hour_of
from isp_plugins.telemetry.stats.tally import Key
from isp_plugins.telemetry.stats.windows import MINUTES_AN_HOUR

AHEAD = 2
"""Minutes that another node's clock may be ahead; a row further in the future is left out."""


class Peers:
    """The histories of all nodes, by name."""

    def __init__(self, store: StatisticsStore, time: SteadyTime) -> None:
        self._store = store
        self._time = time
        self.histories: dict[str, History] = {store.node: History()}
        self._lasts: dict[str, dict[Key, LastRun]] = {}
        self._newest: dict[str, int] = {}
        """The last row of each node."""
        self._marks = (0, 0)
        """The highest ids before the last two looks: a transaction that began earlier may commit a lower id later."""

    @property
    def mine(self) -> History:
        """This node's own history."""
        return self.histories[self._store.node]

    async def open(self) -> None:
        """Read what was stored during the last day: whole hours, and the minutes of the last two and of hours that nobody made."""
        now = self._time.minute
        hour = hour_of(self._time.moment_of(now))
        day = hour - timedelta(hours=HOURS_A_DAY)
        hours = await self._store.read(Resolution.HOUR, day)
        whole = {(row.node, row.minute // MINUTES_AN_HOUR) for row in hours}
        for row in hours:
            self._of(row.node).add_hour(self._time.minute_of(row.minute) // MINUTES_AN_HOUR, row.packed)
        for row in sorted(await self._minutes(day, hour - HOUR), key=lambda one: one.at):
            self._add(row, in_day=(row.node, row.minute // MINUTES_AN_HOUR) not in whole)
        self._marks = (max(self._newest.values(), default=0),) * 2
        self._lasts = await self._store.read_lasts()
        for history in self.histories.values():
            history.advance(now)

    async def _minutes(self, day: datetime, recent: datetime) -> list[Stored]:
        rows = await self._store.read(Resolution.MINUTE, recent)
        for node, hour in await self._store.unmade_hours(day, recent):
            rows += await self._store.read(Resolution.MINUTE, hour, before=hour + HOUR, node=node)
        return rows

    async def learn(self) -> None:
        """Read what other nodes stored since the last look, but for last runs of theirs, which are read anew."""
        since = self._time.moment_of(self._time.minute - MINUTES_AN_HOUR)
        rows = await self._store.read(Resolution.MINUTE, since, after=self._marks[0])
        for row in rows:
            if row.node != self._store.node and row.id > self._newest.get(row.node, 0):
                self._add(row, in_day=True)
        self._marks = (self._marks[1], max((row.id for row in rows), default=self._marks[1]))
        if len(self.histories) > 1:
            mine = self.last_of(self._store.node)
            self._lasts = await self._store.read_lasts() | {self._store.node: dict(mine)}

    def remember(self, key: Key, last: LastRun) -> LastRun:
        """Note that something ran on this node; what is known now."""
        mine = self._lasts.setdefault(self._store.node, {})
        mine[key] = mine[key].later(last) if key in mine else last
        return mine[key]

    def last_of(self, node: str) -> Mapping[Key, LastRun]:
        """The last runs on one node."""
        return self._lasts.get(node, {})

    def last_runs(self) -> dict[Key, LastRun]:
        """The last runs on whatever node."""
        found: dict[Key, LastRun] = {}
        for lasts in self._lasts.values():
            for key, last in lasts.items():
                found[key] = found[key].later(last) if key in found else last
        return found

    def forget(self, plugins: Collection[int]) -> None:
        """Drop plugins that were deleted."""
        for history in self.histories.values():
            history.forget(plugins)
        self._lasts = {
            node: {key: last for key, last in lasts.items() if key.plugin_id not in plugins}
            for node, lasts in self._lasts.items()
        }

    def _of(self, node: str) -> History:
        return self.histories.setdefault(node, History())

    def _add(self, row: Stored, *, in_day: bool) -> None:
        self._newest[row.node] = max(row.id, self._newest.get(row.node, 0))
        minute = self._time.minute_of(row.minute)
        if minute <= self._time.minute + AHEAD:
            self._of(row.node).add_minute(minute, row.packed, in_day=in_day)
