"""Asks one running plugin how it does: never twice at once, never longer than the limit, and whatever comes back is an answer or a miss.

1. An answer is a report that the plugin made, whatever it says; a miss is everything else: it hung, raised, or returned something else.
2. Who asks while a question is under way gets that question's answer.
3. A health check that hangs is abandoned; while it hangs, the next question is a miss at once and calls nothing.
"""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from isp_plugins.clock import Clock
from isp_plugins.contracts.runtime import RunningPlugin
from isp_plugins.contracts.vocabulary import CheckStatus, HealthStatus

JITTER = 0.1
"""A pause between probes is up to a tenth shorter or longer, so that many plugins are not asked in step."""
SPREAD_S = 2.0
"""The first probes of plugins that came up together are spread over so many seconds."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What one probe found."""

    missed: bool
    status: HealthStatus
    """What the plugin says; unhealthy for a miss."""
    checks: tuple[Mapping[str, Any], ...]
    """Each `{name, status, message}`, not masked yet."""
    duration_ms: float

    @property
    def reasons(self) -> tuple[str, ...]:
        """What does not pass, in words."""
        return tuple(
            f"{check['name']}: {check.get('message') or check['status']}"
            for check in self.checks
            if check["status"] != CheckStatus.PASS
        )


class Probe:
    """Asks one instance."""

    def __init__(self, plugin: RunningPlugin, clock: Clock) -> None:
        self._plugin = plugin
        self._clock = clock
        self._asking: asyncio.Task[Answer] | None = None

    async def ask(self, limit_s: float) -> Answer:
        """How the plugin does; raises only what is wrong with the host."""
        if self._asking is None:
            self._asking = asyncio.get_running_loop().create_task(self._ask(limit_s), name="probe")
            self._asking.add_done_callback(self._done)
        return await asyncio.shield(self._asking)

    def give_up(self) -> None:
        """The instance is stopped: whoever waits for an answer gets none."""
        if self._asking is not None:
            self._asking.cancel()

    async def _ask(self, limit_s: float) -> Answer:
        began = self._clock.monotonic()
        report = await self._plugin.health(limit_s)
        return Answer(
            missed=not report.get("answered", True),
            status=HealthStatus(report["status"]),
            checks=tuple(report.get("checks", ())),
            duration_ms=(self._clock.monotonic() - began) * 1000,
        )

    def _done(self, task: asyncio.Task[Answer]) -> None:
        self._asking = None
        if not task.cancelled():
            task.exception()  # seen: whoever asked may be gone


def first_pause(interval_s: float, roll: float) -> float:
    """Seconds from a plugin's start to its first probe; `roll` is a random number from 0 to 1."""
    return min(interval_s, SPREAD_S) * roll


def next_pause(interval_s: float, roll: float) -> float:
    """Seconds from one probe to the next; `roll` is a random number from 0 to 1."""
    return interval_s * (1 - JITTER + 2 * JITTER * roll)
