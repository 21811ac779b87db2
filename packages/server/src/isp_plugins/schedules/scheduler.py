"""Looks at the clock, takes the slots that are due, and runs them.

1. The newest slot that is due is run; those that passed unrun before it (an outage) are made good by it and told as `missed`.
2. A run that fails is told (`scheduler_job_failed`) and not repeated before its next slot.
3. Closing waits for the runs under way, within its patience; one that is cut off is run again by whoever sees its lease run out.
"""

import asyncio
import contextlib
import logging
import uuid
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from isp_plugins.clock import Clock
from isp_plugins.db.engine import Database
from isp_plugins.db.errors import DatabaseUnavailableError
from isp_plugins.schedules import cron
from isp_plugins.schedules.store import ScheduleStore, Taken

LOOK_S = 1.0
LEASE_S = 15.0
_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Slot:
    """One moment at which a schedule is due."""

    name: str
    planned_at: datetime
    missed: int
    """Slots before it that nobody ran."""

    @property
    def payload(self) -> dict[str, Any]:
        """What is handed to whoever runs."""
        moment = self.planned_at.strftime("%Y-%m-%dT%H:%M:%SZ")
        return {"slot_id": f"{self.name}@{moment}", "planned_at": moment, "missed": self.missed}


@dataclass(frozen=True, slots=True)
class Job:
    """What a schedule runs."""

    name: str
    cron: str
    run: Callable[[Slot], Awaitable[None]]


Failed = Callable[[Job, str, datetime], Awaitable[None]]
"""Told of a run that failed: the job, the error, and when it is due next."""


class Scheduler:
    """The schedules of one node; `jobs` are asked for at every look, since plugins come and go."""

    def __init__(
        self,
        database: Database,
        *,
        node: str,
        clock: Clock,
        jobs: Callable[[], Iterable[Job]],
        failed: Failed,
        lease_s: float = LEASE_S,
        look_s: float = LOOK_S,
    ) -> None:
        self.runs = 0
        """Runs that ended since the process began."""
        self._store = ScheduleStore(database, owner=f"{node}/{uuid.uuid4().hex[:12]}", node=node)
        self._clock = clock
        self._jobs = jobs
        self._failed = failed
        self._lease_s = lease_s
        self._look_s = look_s
        self._running: dict[str, asyncio.Task[None]] = {}
        self._known: dict[str, datetime] = {}
        """The last slot of each schedule, as this node knows it."""
        self._task: asyncio.Task[None] | None = None

    async def open(self) -> None:
        """Begin."""
        await self._store.disown()
        self._task = asyncio.get_running_loop().create_task(self._watch(), name="isp-plugins-schedules")

    async def close(self, patience_s: float = 10.0) -> None:
        """Take no more slots, and wait for the runs under way."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait([self._task])
        running = tuple(self._running.values())
        if running:
            _, late = await asyncio.wait(running, timeout=patience_s)
            for task in late:
                task.cancel()
            if late:
                await asyncio.wait(late)

    async def look(self) -> None:
        """Take and begin what is due now."""
        jobs = {job.name: job for job in self._jobs()}
        now = self._clock.now()
        unknown = [name for name in jobs if name not in self._known]
        if unknown:
            self._known |= await self._store.last(unknown, now)
        for name, job in jobs.items():
            if name not in self._running and (found := cron.due(job.cron, self._known[name], now)):
                await self._take(job, *found)
        for name, slot in await self._store.cut_off([name for name in jobs if name not in self._running]):
            await self._take(jobs[name], slot, 0)

    async def _take(self, job: Job, slot: datetime, missed: int) -> None:
        taken = await self._store.take(job.name, slot, missed, self._lease_s)
        if taken is None:
            self._known |= await self._store.last([job.name], slot)
            return
        self._known[job.name] = slot
        task = asyncio.get_running_loop().create_task(self._run(job, taken), name=f"schedule {job.name}")
        self._running[job.name] = task
        task.add_done_callback(lambda _: self._running.pop(job.name, None))

    async def _watch(self) -> None:
        while True:
            try:
                await self.look()
            except DatabaseUnavailableError as error:
                _log.warning("Schedules wait for the database: %s", error)
            except Exception:
                _log.exception("The look at schedules failed; it goes on.")
            await asyncio.sleep(self._look_s)

    async def _run(self, job: Job, taken: Taken) -> None:
        renewing = asyncio.get_running_loop().create_task(self._renew(taken))
        error: str | None = None
        try:
            await job.run(Slot(job.name, taken.slot, taken.missed))
        except Exception as raised:
            error = f"{type(raised).__name__}: {raised}"[:2000].replace("\0", "?")
            _log.warning("The schedule %s failed: %s", job.name, error)
        finally:
            renewing.cancel()
        self.runs += 1
        await self._finish(taken, error)
        if error is not None:
            with contextlib.suppress(Exception):  # whoever hears of failures cannot make it another one
                await self._failed(job, error, cron.next_after(job.cron, self._clock.now()))

    async def _finish(self, taken: Taken, error: str | None) -> None:
        while True:
            try:
                await self._store.finish(taken, error)
                return
            except DatabaseUnavailableError:
                await asyncio.sleep(self._look_s)

    async def _renew(self, taken: Taken) -> None:
        while True:
            await asyncio.sleep(self._lease_s / 3)
            with contextlib.suppress(DatabaseUnavailableError):
                await self._store.renew(taken, self._lease_s)
