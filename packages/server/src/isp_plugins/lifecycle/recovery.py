"""Decides when failed plugins are tried again, and asks for it; one ticker for all of them.

1. The pause doubles with every failure in a row and with every restart of the last minutes, up to a limit, with jitter.
2. Only what is wanted (`desired` enabled) is tried; one restart too many (`intensity`) means quarantine, which ends with one try.
3. A plugin that waits for another is tried as soon as that one is active; one in quarantine sits out its pause.
4. Pauses are measured in monotonic time: a clock that is set changes none of them. Moments of wall time are for records only.
"""

import asyncio
import logging
import random
from collections.abc import Awaitable, Callable, Iterable
from datetime import datetime, timedelta

from isp_plugins.clock import Clock
from isp_plugins.lifecycle.backoff import pause
from isp_plugins.lifecycle.intensity import Intensity, Restarts

LONGEST_SLEEP_S = 1.0
"""The ticker looks at the clock at least so often, since a clock that is passed in may be moved by hand."""
SHORTEST_SLEEP_S = 0.005
MANY_FAILURES = 8
"""After an error of our own, the pause is a long one."""

logger = logging.getLogger(__name__)


class Recovery:
    """Keeps the moments at which plugins are due, and how often each was restarted."""

    def __init__(
        self,
        *,
        clock: Clock,
        shortest: float,
        longest: float,
        intensity: Intensity,
        quarantine_pause: float,
        dice: random.Random | None = None,
    ) -> None:
        self._clock = clock
        self._shortest = shortest
        self._longest = longest
        self._intensity = intensity
        self._quarantine_pause = quarantine_pause
        self._dice = dice or random.Random()  # noqa: S311  jitter is no secret
        self._due: dict[int, float] = {}
        self._patient: set[int] = set()
        """Those that are not hurried."""
        self._restarts: dict[int, Restarts] = {}
        self._changed = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self._tasks: set[asyncio.Task[None]] = set()

    def pause(self, plugin_id: int, failures: int = 0) -> float:
        """Seconds to wait after so many failures in a row."""
        return pause(
            max(failures, self.recent_restarts(plugin_id) + 1),
            shortest=self._shortest,
            longest=self._longest,
            roll=self._dice.random(),
        )

    def wall(self, pause_s: float) -> datetime:
        """When a pause that begins now is over, for the record."""
        return self._clock.now() + timedelta(seconds=pause_s)

    def allows(self, plugin_id: int, pause_s: float) -> bool:
        """Whether the plugin may be restarted after such a pause; if not, it belongs into quarantine."""
        return self.restarts(plugin_id).allows(self._clock.monotonic(), pause_s, self._intensity)

    def restarts(self, plugin_id: int) -> Restarts:
        """How often this host restarted the plugin."""
        return self._restarts.get(plugin_id, Restarts())

    def recent_restarts(self, plugin_id: int) -> int:
        """How many of those were in the window that ends now."""
        return self.restarts(plugin_id).count(self._clock.monotonic(), self._intensity)

    def restarted(self, plugin_id: int) -> None:
        """Count a restart that is just being tried."""
        now = self._clock.monotonic()
        self._restarts[plugin_id] = self.restarts(plugin_id).restarted(now, self._intensity)

    def put_on_trial(self, plugin_id: int) -> None:
        """It came back from quarantine: the next thing that goes wrong with it puts it back."""
        now = self._clock.monotonic()
        self._restarts[plugin_id] = self.restarts(plugin_id).on_trial(now, self._intensity)

    def forgive(self, plugin_id: int) -> None:
        """The operator enabled it: its restarts are forgotten."""
        self._restarts.pop(plugin_id, None)

    def expect(self, plugin_id: int, pause_s: float, *, patient: bool = False) -> None:
        """Try this plugin after the pause; a patient one is not hurried."""
        self._due[plugin_id] = self._clock.monotonic() + pause_s
        (self._patient.add if patient else self._patient.discard)(plugin_id)
        self._changed.set()

    def expect_at(self, plugin_id: int, at: datetime, *, patient: bool = False) -> None:
        """The same for a moment on record; one that lies further off than any pause was written by another clock."""
        longest = self._quarantine_pause if patient else self._longest
        left = (at - self._clock.now()).total_seconds()
        self.expect(plugin_id, min(max(left, 0.0), longest), patient=patient)

    def forget(self, plugin_id: int) -> None:
        """Do not try this plugin."""
        self._due.pop(plugin_id, None)
        self._patient.discard(plugin_id)

    def hurry(self, plugin_ids: Iterable[int]) -> None:
        """Try those of these plugins that wait, now."""
        for plugin_id in plugin_ids:
            if plugin_id in self._due and plugin_id not in self._patient:
                self.expect(plugin_id, 0.0)

    @property
    def waiting(self) -> frozenset[int]:
        """The plugins that will be tried again."""
        return frozenset(self._due)

    def start(self, retry: Callable[[int], Awaitable[None]]) -> None:
        """Begin to ask for retries, each at its moment."""
        if self._task is None:
            self._task = asyncio.get_running_loop().create_task(self._run(retry), name="plugin recovery")

    async def tick(self, retry: Callable[[int], Awaitable[None]]) -> None:
        """Ask for every retry that is due now, all at once, and wait for them and for those under way."""
        self._ask(retry)
        if self._tasks:
            await asyncio.wait(tuple(self._tasks))

    async def close(self) -> None:
        """Ask for nothing more, and give up the retries under way."""
        tasks = {*self._tasks, *({self._task} if self._task else ())}
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks)
        self._task = None

    async def _run(self, retry: Callable[[int], Awaitable[None]]) -> None:
        while True:
            self._changed.clear()
            try:
                async with asyncio.timeout(self._sleep()):
                    await self._changed.wait()
            except TimeoutError:
                self._ask(retry)

    def _ask(self, retry: Callable[[int], Awaitable[None]]) -> None:
        """One task for each retry that is due, so that one that hangs holds up no other."""
        now = self._clock.monotonic()
        due = [plugin_id for plugin_id, at in self._due.items() if at <= now]
        tasks = {asyncio.get_running_loop().create_task(self._try(retry, plugin_id)) for plugin_id in due}
        for plugin_id in due:
            self.forget(plugin_id)
        for task in tasks:
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _try(self, retry: Callable[[int], Awaitable[None]], plugin_id: int) -> None:
        try:
            await retry(plugin_id)
        except Exception:
            logger.exception("retrying plugin %d failed", plugin_id)
            self.expect(plugin_id, self.pause(plugin_id, MANY_FAILURES))

    def _sleep(self) -> float | None:
        """Seconds until something is due; None while nothing is."""
        if not self._due:
            return None
        wait = min(self._due.values()) - self._clock.monotonic()
        return min(max(wait, SHORTEST_SLEEP_S), LONGEST_SLEEP_S)
