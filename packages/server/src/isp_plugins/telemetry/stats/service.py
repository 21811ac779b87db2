"""`Statistics`: looks at the engine's counters every few seconds, keeps minutes and hours, and knows the last day of every node.

1. Counts are exact: they are differences of the engine's own. Durations are a sample (see `hooks.samples`).
2. A minute is stored when it is over, all plugins in one transaction. A host that is killed loses the minute that runs (at most
   `MINUTE_S` and one interval); one that is stopped in good order loses nothing.
3. Time goes by the monotonic clock from `open` on; the wall clock only names the minutes that are stored.
4. A database that cannot store keeps up to `PENDING` minutes waiting in memory; what is older is dropped from what is stored, and counted.
"""

import asyncio
import logging
from collections import deque
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from sqlalchemy.exc import SQLAlchemyError

from isp_plugins.clock import Clock
from isp_plugins.contracts.statistics import Measurable, Measured
from isp_plugins.db.engine import Database
from isp_plugins.errors import UnavailableError
from isp_plugins.periodic import Periodic
from isp_plugins.telemetry.stats.history import HOURS_A_DAY, MINUTES
from isp_plugins.telemetry.stats.meter import LastRun, Meter
from isp_plugins.telemetry.stats.peers import Peers
from isp_plugins.telemetry.stats.report import Material
from isp_plugins.telemetry.stats.steady import SteadyTime
from isp_plugins.telemetry.stats.store import KEEP_MINUTES, StatisticsStore, hour_of, moment_of
from isp_plugins.telemetry.stats.tally import Frame, Key, Packed, Tally, add_to, pack
from isp_plugins.telemetry.stats.windows import Window

PENDING = 60
"""Minutes that wait for a database that cannot store."""
LATER = (UnavailableError, SQLAlchemyError, OSError)
"""Errors after which the same minutes are tried again."""

log = logging.getLogger(__name__)


@dataclass(slots=True)
class Total:
    """What was counted since this process began, for metrics; `seconds` is the sum of the timed calls."""

    plugin: str
    tally: Tally = field(default_factory=Tally)
    seconds: float = 0.0


class Statistics:
    """The statistics of one node, and what the others have stored."""

    def __init__(
        self,
        source: Measurable,
        database: Database,
        *,
        node: str,
        clock: Clock,
        interval: float,
        plugins: Callable[[], Collection[int]],
        mask: Callable[[int, str], str] = lambda _plugin_id, text: text,
    ) -> None:
        self._source = source
        self._plugins = plugins
        self._mask = mask
        self._store = StatisticsStore(database, node)
        self._meter = Meter()
        self._clock = clock
        self._time = SteadyTime(clock)
        self._running: Frame = {}
        self._minute = self._stored = self._time.minute
        self._peers = Peers(self._store, self._time)
        self._pending: deque[tuple[int, Packed]] = deque()
        self._fresh: dict[Key, LastRun] = {}
        self._touched: set[datetime] = set()
        self._task = Periodic(self.tick, interval, name="plugin-statistics")
        self._is_told = False
        """Whether the log was told that the database cannot store."""
        self.totals: dict[Key, Total] = {}
        self.lost_minutes = 0
        """Minutes that are in no database because it could not store for too long."""

    async def open(self) -> None:
        """Read what was stored during the last day, and begin."""
        hour = hour_of(self._clock.now())
        unmade = await self._store.unmade_hours(hour - KEEP_MINUTES, hour)
        self._touched.update(start for node, start in unmade if node == self._store.node)
        await self._compact()
        await self._peers.open()
        self._minute = self._stored = self._time.minute
        self._task.start()

    async def close(self) -> None:
        """Store what was counted, the minute that runs included, and end."""
        await self._task.stop()
        self.collect()
        self._seal()
        try:
            await self._write()
        except LATER as error:
            log.error(  # noqa: TRY400  the cause is a database that is not there; a traceback says no more
                "Statistics of the last %d minutes could not be stored and are lost: %s",
                len(self._pending),
                error,
            )

    async def tick(self) -> None:
        """Look at the counters; when a minute is over, store it and learn what the other nodes stored."""
        self._take(await asyncio.to_thread(self._source.measure))
        if self._minute == self._stored:
            return
        try:
            await self._write()
            await self._compact()
            await self._peers.learn()
            self._stored, self._is_told = self._minute, False
        except LATER as error:
            if not self._is_told:
                log.warning("Statistics cannot be stored now and wait in memory: %s", error)
            self._is_told = True

    def collect(self) -> None:
        """Take what the engine has counted since the last look, and let minutes that are over be so."""
        self._take(self._source.measure())

    def _take(self, measured: Measured) -> None:
        for added in self._meter.read(measured):
            add_to(self._running, [(added.key, added.tally)])
            total = self.totals.setdefault(added.key, Total(added.plugin))
            total.plugin = added.plugin
            total.tally.add(added.tally)
            total.seconds += added.seconds
            if added.last != LastRun():
                last = self._masked(added.key, added.last)
                self._fresh[added.key] = self._peers.remember(added.key, last)
        if self._time.minute != self._minute:
            self._seal()

    def window(self, window: Window) -> Frame:
        """What was counted in a window, over all nodes; `collect` first to have it up to now."""
        frame: Frame = {}
        for history in self._peers.histories.values():
            history.advance(self._time.minute)
            add_to(frame, history.items(window))
        add_to(frame, ((key, tally.weighted()) for key, tally in self._running.items()))
        known = self._known()
        return {key: tally for key, tally in frame.items() if key.plugin_id in known}

    def material(self, window: Window, names: Mapping[int, str]) -> Material:
        """What a report over a window is made of, counted up to now; plugins without a name are left out."""
        self.collect()
        lasts = {key: last for key, last in self._peers.last_runs().items() if key.plugin_id in names}
        return Material(self.window(window), lasts, names, self._meter.ids)

    @property
    def nodes(self) -> list[str]:
        """The nodes that the windows are about."""
        return sorted(self._peers.histories)

    def since(self, window: Window) -> datetime:
        """From when on a window's tallies are counted."""
        hour = self._time.minute // 60
        minute = (hour - HOURS_A_DAY) * 60 if window is Window.DAY else self._time.minute - MINUTES[window]
        return self._time.moment_of(minute)

    def _known(self) -> frozenset[int]:
        return frozenset((0, *self._plugins()))

    def _masked(self, key: Key, last: LastRun) -> LastRun:
        if last.error is None:
            return last
        return LastRun(last.ran_at, self._mask(key.plugin_id, last.error), last.failed_at)

    def _seal(self) -> None:
        """The minute that ran is over."""
        minute, self._minute = self._minute, self._time.minute
        frame, self._running = self._running, {}
        packed = pack({key: tally.weighted() for key, tally in frame.items()})
        if packed:
            self._peers.mine.add_minute(minute, packed)
            self._pending.append((self._time.label_of(minute), packed))
        while len(self._pending) > PENDING:
            self._pending.popleft()
            self.lost_minutes += 1
        self._peers.mine.advance(self._minute)
        self._forget_deleted()

    def _forget_deleted(self) -> None:
        known = self._known()
        gone = {key.plugin_id for key in self.totals} - known
        if not gone:
            return
        self.totals = {key: total for key, total in self.totals.items() if key.plugin_id in known}
        self._fresh = {key: last for key, last in self._fresh.items() if key.plugin_id in known}
        self._peers.forget(gone)

    async def _write(self) -> None:
        """Store the minutes that are over; they wait where that fails."""
        minutes, fresh = tuple(self._pending), dict(self._fresh)
        if not minutes and not fresh:
            return
        ran = {key.plugin_id for key in fresh}
        lasts = {
            key: last for key, last in self._peers.last_of(self._store.node).items() if key.plugin_id in ran
        }
        await self._store.write(minutes, lasts)
        for _ in range(min(len(minutes), len(self._pending))):
            self._pending.popleft()
        for key, last in fresh.items():
            if self._fresh.get(key) == last:
                del self._fresh[key]
        self._touched.update(hour_of(moment_of(label)) for label, _ in minutes)

    async def _compact(self) -> None:
        """Make the hours that are over from their minutes, and drop what is too old."""
        now = self._clock.now()
        over = sorted(hour for hour in self._touched if hour + timedelta(hours=1) <= now)
        for hour in over:
            await self._store.write_hour(hour)
            self._touched.discard(hour)
        if over:
            await self._store.prune(now)
