"""What this product runs by the clock: the hooks `scheduler_hourly` and `scheduler_daily`, and the schedules of plugins."""

import logging
from collections.abc import Iterator, Mapping
from datetime import datetime
from functools import partial
from typing import Any, Protocol

from isp_plugins.contracts.hooks import Dispatcher
from isp_plugins.lifecycle.scheduled import ScheduledMethod
from isp_plugins.schedules import Job, Slot
from isp_plugins.schedules.cron import problem_of

HOOKS: Mapping[str, tuple[str, str]] = {
    "scheduler_hourly": ("0 * * * *", "%Y-%m-%dT%H"),
    "scheduler_daily": ("0 0 * * *", "%Y-%m-%d"),
}
"""Hooks by their cron expression, in UTC, and how their slots are named."""
_log = logging.getLogger(__name__)


class RunsSchedules(Protocol):
    """Who knows the plugins (`lifecycle.manager.PluginManager`)."""

    def scheduled(self) -> list[ScheduledMethod]:
        """What plugins that run here want run."""
        ...

    async def run_scheduled(self, one: ScheduledMethod, slot: Mapping[str, Any]) -> None:
        """Run one."""
        ...


class Schedules:
    """The jobs as they are now, and what a failure leads to."""

    def __init__(self, dispatcher: Dispatcher, manager: RunsSchedules) -> None:
        self._dispatcher = dispatcher
        self._manager = manager
        self._refused: set[str] = set()

    def jobs(self) -> Iterator[Job]:
        """Everything that is run by the clock."""
        for hook, (cron, _) in HOOKS.items():
            yield Job(hook, cron, partial(self._dispatch, hook))
        for one in self._manager.scheduled():
            if self._is_good(one):
                yield Job(one.name, one.cron, partial(self._run, one))

    async def failed(self, job: Job, error: str, next_run: datetime) -> None:
        """Tell whoever listens that a run failed."""
        about = {"job": job.name, "error": error, "next_run": next_run.strftime("%Y-%m-%dT%H:%M:%SZ")}
        await self._dispatcher.dispatch("scheduler_job_failed", about, internal=True)

    async def _dispatch(self, hook: str, slot: Slot) -> None:
        payload = slot.payload | {"slot_id": slot.planned_at.strftime(HOOKS[hook][1])}
        await self._dispatcher.dispatch(hook, payload, internal=True)

    async def _run(self, one: ScheduledMethod, slot: Slot) -> None:
        await self._manager.run_scheduled(one, slot.payload)

    def _is_good(self, one: ScheduledMethod) -> bool:
        """Whether the expression can be read; one that cannot is told once."""
        problem = problem_of(one.cron)
        if problem is not None and one.name not in self._refused:
            self._refused.add(one.name)
            _log.warning("The schedule %r of %s.%s is not run: %s", one.cron, one.plugin, one.method, problem)
        return problem is None
