"""`Supervisor`: one task that looks at every worker of this node every so often, keeps the last samples, and ends a worker that breaches a limit.

1. It knows no worker by itself: at each look it asks which live, so that none is forgotten, and one that is just starting counts too.
2. Reading is done in a thread; judging on the loop, and only of workers that live by then.
3. A breach ends that worker only, with the limit named as the cause; what follows is the lifecycle's (`dying`).
4. What a worker used last is kept for a while after it has gone, for the record of its death.
"""

import asyncio
import time
from collections import deque
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime

from isp_plugins.clock import Clock
from isp_plugins.contracts.worker import DeathReason, ResourceUse, Supervised, WorkerLimits
from isp_plugins.periodic import Periodic
from isp_plugins.runtime.worker.resources import Limit, Strikes, limits_of
from isp_plugins.runtime.worker.sampling import Reading, read_machine, read_workers
from isp_plugins.runtime.worker.trends import (
    INTERVALS,
    Floods,
    Sample,
    Thresholds,
    crowded,
    sampled,
    warnings_of,
)

KEPT_S = 60.0
"""How long what a worker used is kept after it has gone, in seconds."""
NOTHING = ResourceUse()

Read = Callable[[Mapping[int, int | None]], Mapping[int, Reading]]


@dataclass(slots=True, eq=False)
class Watched:
    """One worker as it was seen so far."""

    worker: Supervised
    limits: tuple[Limit, ...]
    began: int | None = None
    """When its process began, in clock ticks since boot."""
    samples: deque[Sample] = field(default_factory=lambda: deque(maxlen=INTERVALS + 1))
    sampled_at: datetime | None = None
    """When the last sample was taken."""
    floods: Floods = field(default_factory=Floods)
    strikes: Strikes = field(default_factory=Strikes)
    warnings: tuple[str, ...] = ()
    """What its operator should know of, in words."""
    gone_at: float | None = None
    """When it was found to be gone."""

    @property
    def use(self) -> ResourceUse:
        """What it used when it was looked at last."""
        return self.samples[-1].use if self.samples else NOTHING


class Supervisor:
    """Watches the workers of this node; everything but the reading is done on the loop's thread."""

    def __init__(
        self,
        living: Callable[[], Iterable[Supervised]],
        *,
        clock: Clock,
        caps: WorkerLimits,
        interval: float,
        thresholds: Thresholds | None = None,
        read: Read = read_workers,
    ) -> None:
        self.on_look: Callable[[], None] = lambda: None
        """Told after each look, also where no worker lives."""
        self._living = living
        self._clock = clock
        self._caps = caps
        self._thresholds = thresholds or Thresholds()
        self._read = read
        self._machine: tuple[int, int] | None = None
        """What the machine's processors had done at the last look."""
        self._watched: dict[int, Watched] = {}
        """By process id."""
        self._looking = Periodic(self.look, interval, name="worker supervision")

    def start(self) -> None:
        """Begin to look."""
        self._looking.start()

    async def close(self) -> None:
        """Look no more."""
        await self._looking.stop()

    async def look(self) -> None:
        """Take a sample of every worker, and judge it; the task does this by itself."""
        watched = self._watch()
        if watched:
            begun = {pid: one.began for pid, one in watched.items()}
            readings, machine = await asyncio.to_thread(lambda: (self._read(begun), read_machine()))
            is_crowded, self._machine = crowded(self._machine, machine), machine
            alive = {worker.pid: worker for worker in self._living()}
            for pid, reading in readings.items():
                # One without memory has just ended and is not reaped yet: what it used before is what counts.
                if alive.get(pid) is watched[pid].worker and reading.use.memory_bytes:
                    self._judge(watched[pid], reading, is_crowded=is_crowded)
        self.on_look()

    def of(self, plugin_id: int) -> Watched | None:
        """The newest worker of a plugin that lives, as it was seen last."""
        alive = [worker for worker in self._living() if worker.plugin_id == plugin_id]
        return self._seen(max(alive, key=lambda worker: worker.started_at)) if alive else None

    def warnings(self, plugin_id: int) -> tuple[str, ...]:
        """What the samples of a plugin's worker show; none where none lives."""
        found = self.of(plugin_id)
        return found.warnings if found is not None else ()

    def last_use(self, pid: int, started_at: datetime) -> ResourceUse:
        """What a worker used when it was looked at last, even if it has gone since."""
        found = self._watched.get(pid)
        return found.use if found is not None and found.worker.started_at == started_at else NOTHING

    def limits(self, manifest: WorkerLimits) -> tuple[Limit, ...]:
        """What a worker with this manifest may use."""
        return limits_of(manifest, self._caps)

    def _watch(self) -> dict[int, Watched]:
        """Those that live; those that have been gone for long are forgotten."""
        watched = {worker.pid: self._seen(worker) for worker in self._living()}
        now = time.monotonic()
        for pid, one in tuple(self._watched.items()):
            if pid in watched:
                continue
            one.gone_at = now if one.gone_at is None else one.gone_at
            if now - one.gone_at > KEPT_S:
                del self._watched[pid]
        return watched

    def _seen(self, worker: Supervised) -> Watched:
        """What is known of a worker; nothing of another one that had its number before."""
        found = self._watched.get(worker.pid)
        if found is None or found.worker is not worker:
            found = self._watched[worker.pid] = Watched(worker, self.limits(worker.limits))
        return found

    def _judge(self, one: Watched, reading: Reading, *, is_crowded: bool) -> None:
        one.began = reading.began
        before = one.samples[-1] if one.samples else None
        one.samples.append(sampled(reading.at, reading.use, before, is_crowded=is_crowded))
        one.sampled_at = self._clock.now()
        one.floods = one.floods.after(one.worker.throttled, reading.at)
        trends = warnings_of(tuple(one.samples), one.limits, self._thresholds)
        one.warnings = (*trends, *one.floods.warnings(reading.at))
        one.strikes, breach = one.strikes.after(one.samples[-1].amounts, one.limits)
        if breach is not None:
            one.worker.kill(DeathReason.LIMIT, breach.words)
