"""Decides when failed plugins are tried again, and asks for it; one ticker for all of them.

1. The pause doubles with every failure in a row, up to a limit, with jitter.
2. Only what is wanted (`desired` enabled) and failed is tried; quarantine waits for the operator.
3. A plugin that waits for another is tried as soon as that one is active.
"""

import asyncio
import logging
import random
from collections.abc import Awaitable, Callable, Iterable
from datetime import datetime, timedelta

from isp_plugins.clock import Clock
from isp_plugins.lifecycle.backoff import pause

LONGEST_SLEEP_S = 1.0
"""The ticker looks at the clock at least so often, in case that somebody set it."""
SHORTEST_SLEEP_S = 0.005
MANY_FAILURES = 8
"""After an error of our own, the pause is a long one."""

logger = logging.getLogger(__name__)


class Recovery:
    """Keeps the moments at which plugins are due."""

    def __init__(
        self, *, clock: Clock, shortest: float, longest: float, dice: random.Random | None = None
    ) -> None:
        self._clock = clock
        self._shortest = shortest
        self._longest = longest
        self._dice = dice or random.Random()  # noqa: S311  jitter is no secret
        self._due: dict[int, datetime] = {}
        self._changed = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self._tasks: set[asyncio.Task[None]] = set()

    def next_try(self, failures: int) -> datetime:
        """When to try again after so many failures in a row."""
        return self._clock.now() + timedelta(
            seconds=pause(failures, shortest=self._shortest, longest=self._longest, roll=self._dice.random())
        )

    def expect(self, plugin_id: int, at: datetime) -> None:
        """Try this plugin at that moment."""
        self._due[plugin_id] = at
        self._changed.set()

    def forget(self, plugin_id: int) -> None:
        """Do not try this plugin."""
        self._due.pop(plugin_id, None)

    def hurry(self, plugin_ids: Iterable[int]) -> None:
        """Try those of these plugins that wait, now."""
        for plugin_id in plugin_ids:
            if plugin_id in self._due:
                self.expect(plugin_id, self._clock.now())

    @property
    def waiting(self) -> frozenset[int]:
        """The plugins that will be tried again."""
        return frozenset(self._due)

    def start(self, retry: Callable[[int], Awaitable[None]]) -> None:
        """Begin to ask for retries, each at its moment."""
        if self._task is None:
            self._task = asyncio.get_running_loop().create_task(self._run(retry), name="plugin recovery")

    async def tick(self, retry: Callable[[int], Awaitable[None]]) -> None:
        """Ask for every retry that is due now, all at once, and wait for them."""
        tasks = self._ask(retry)
        if tasks:
            await asyncio.wait(tasks)

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

    def _ask(self, retry: Callable[[int], Awaitable[None]]) -> set[asyncio.Task[None]]:
        """One task for each retry that is due, so that one that hangs holds up no other."""
        now = self._clock.now()
        due = [plugin_id for plugin_id, at in self._due.items() if at <= now]
        tasks = {asyncio.get_running_loop().create_task(self._try(retry, plugin_id)) for plugin_id in due}
        for plugin_id in due:
            self.forget(plugin_id)
        for task in tasks:
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)
        return tasks

    async def _try(self, retry: Callable[[int], Awaitable[None]], plugin_id: int) -> None:
        try:
            await retry(plugin_id)
        except Exception:
            logger.exception("retrying plugin %d failed", plugin_id)
            self.expect(plugin_id, self.next_try(MANY_FAILURES))

    def _sleep(self) -> float | None:
        """Seconds until something is due; None while nothing is."""
        if not self._due:
            return None
        wait = (min(self._due.values()) - self._clock.now()).total_seconds()
        return min(max(wait, SHORTEST_SLEEP_S), LONGEST_SLEEP_S)
