"""Deletes old log records: by age, by number per plugin, and by size over all; also those of plugins that are gone.

1. Age: what is older than `days` goes. A clock that just jumped deletes nothing: age counts again once the wall clock has gone evenly
   with the monotonic one for `STEADY_S` seconds. (At the start it is believed unless the newest record says otherwise.)
2. Number: a plugin keeps its newest `records`. Size: while all together hold more than `bytes`, the plugin that holds most loses its
   oldest ones. What is oldest is told by the record's time, then its id.
3. Records go in transactions of `BATCH`, each with what it counts, so that whoever else writes waits for one of them at most. While a
   flood outruns that (a tenth more than the limit is there), `LARGE_BATCH` go at once, which is as many as are stored at once.
4. The record with the highest id stays, so that no id is given out twice, and followers can trust them.
5. 0 for a limit means none.
"""

import logging
import math
from dataclasses import dataclass
from datetime import datetime, timedelta

from isp_plugins.clock import Clock
from isp_plugins.db.engine import Database
from isp_plugins.db.errors import DatabaseUnavailableError
from isp_plugins.periodic import Periodic
from isp_plugins.settings import Settings
from isp_plugins.telemetry.deletion import delete_older, delete_oldest, newest_moment
from isp_plugins.telemetry.usage import PluginUsage, read_usage

PAUSE_S = 10.0
"""Between two looks at what there is, in seconds: limits may be exceeded by what is written meanwhile."""
BATCH = 200
LARGE_BATCH = 1000
STEADY_S = 3600.0
JUMP_S = 60.0
"""How far the clocks may drift apart between two looks; what NTP does is less."""
TRUSTED_GAP = timedelta(days=1)
"""How long a host may have been off, or how far the newest record may lie ahead, for its clock to be believed at the start."""
MIB = 1024 * 1024

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class LogLimits:
    """How much is kept; 0: no limit."""

    days: float
    records: int
    """Of one plugin."""
    bytes: int
    """Of all plugins together."""

    @classmethod
    def of(cls, settings: Settings) -> "LogLimits":
        """The limits that the operator set."""
        return cls(
            days=settings.log_retention_days,
            records=settings.log_retention_records,
            bytes=settings.log_retention_mb * MIB,
        )


def batch_of(usage: PluginUsage, usages: list[PluginUsage], limits: LogLimits) -> int:
    """How many of its records go in the next transaction."""
    over = usage.records - limits.records if limits.records else 0
    if over > 0:
        return min(over, LARGE_BATCH if over > limits.records // 10 else BATCH)
    return LARGE_BATCH if sum(each.bytes for each in usages) > limits.bytes * 1.1 else BATCH


class SteadyClock:
    """Says whether the wall clock can be believed (rule 1)."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._last: tuple[datetime, float] | None = None
        self._steady_since = -math.inf

    def begin(self, newest: datetime | None) -> None:
        """Start, with the time of the newest record there is."""
        now, since = self._clock.now(), self._clock.monotonic()
        self._last = (now, since)
        believed = newest is None or -TRUSTED_GAP <= now - newest <= TRUSTED_GAP
        self._steady_since = -math.inf if believed else since

    def is_steady(self) -> bool:
        """Look at both clocks; whether the wall clock has not jumped for long enough."""
        now, since = self._clock.now(), self._clock.monotonic()
        last_now, last_since = self._last or (now, since)
        self._last = (now, since)
        drift = (now - last_now).total_seconds() - (since - last_since)
        if abs(drift) > JUMP_S:
            self._steady_since = since
            log.warning(
                "The clock jumped by %.0f s; logs are not deleted by age until it has been steady for an hour",
                drift,
            )
        return since - self._steady_since >= STEADY_S


def excess(usages: list[PluginUsage], limits: LogLimits) -> PluginUsage | None:
    """Whose oldest records go next: somebody with too many, else whoever holds most while all together hold too much."""
    if limits.records:
        found = next((usage for usage in usages if usage.records > limits.records), None)
        if found is not None:
            return found
    if not limits.bytes or sum(usage.bytes for usage in usages) <= limits.bytes:
        return None
    return max((usage for usage in usages if usage.records), key=lambda usage: usage.bytes, default=None)


class LogRetention:
    """The deletions of one node; `open` before and `close` after use."""

    def __init__(self, database: Database, *, clock: Clock, limits: LogLimits) -> None:
        self._database = database
        self._clock = clock
        self.limits = limits
        self._steady = SteadyClock(clock)
        self._periodic = Periodic(self._look, PAUSE_S, name="the retention of logs")
        self._stopping = False

    async def begin(self) -> None:
        """Get ready to `run`."""
        self._stopping = False
        self._steady.begin(await newest_moment(self._database))

    async def open(self) -> None:
        """Look every `PAUSE_S` seconds from now on."""
        await self.begin()
        self._periodic.start()

    async def close(self) -> None:
        """Stop, after the batch that is under way."""
        self._stopping = True
        await self._periodic.stop()

    async def run(self) -> int:
        """Delete all that is too much now; returns how many records. `DatabaseUnavailableError`."""
        deleted = await self._by_age() + await self._by_size()
        if deleted:
            log.info("%d plugin log records were deleted; the limits are %s", deleted, self.limits)
        return deleted

    async def _look(self) -> None:
        try:
            await self.run()
        except DatabaseUnavailableError as error:
            log.warning("logs that are too old or too many stay for now: %s", error)

    async def _by_age(self) -> int:
        if not self._steady.is_steady() or not self.limits.days:
            return 0
        before, total = self._clock.now() - timedelta(days=self.limits.days), 0
        while not self._stopping:
            deleted = await delete_older(self._database, before, BATCH)
            total += deleted
            if deleted < BATCH:
                break
        return total

    async def _by_size(self) -> int:
        total = 0
        while not self._stopping:
            usages = await read_usage(self._database)
            usage = excess(usages, self.limits)
            if usage is None:
                break
            deleted = await delete_oldest(
                self._database, usage.plugin_id, batch_of(usage, usages, self.limits)
            )
            total += deleted
            if not deleted:
                break
        return total
