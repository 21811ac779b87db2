"""Probes every device in its turn, again and again, and keeps what is known of it.

1. Each device has a slot of its own in the interval, from its id: the load is even, and the same after a restart; a little jitter on top
   keeps two monitors from marching in step.
2. At most `concurrency` probes are under way; what is due later waits, and how long is known (`behind`).
3. A device whose last answer contradicts its status is probed again after `recheck_interval`, so that it need not wait for its slot.
4. Nothing here talks to the host: whoever wants to know of a change gives `on_change`.
"""

import asyncio
import heapq
import itertools
import logging
import random
import time
import zlib
from collections.abc import Awaitable, Callable, Iterable

from .damping import Kind, Result, State, observe
from .devices import Device
from .settings import Settings

TICK_S = 0.02
"""What is due within one tick is started together."""
LOOK_S = 0.5
"""How often the schedule is looked at while nothing is due, so that new devices are seen."""
JITTER = 0.05
"""Part of the interval by which a probe may be early or late."""

Probe = Callable[[Device], Awaitable[Result]]


class Watched:
    """A device, what is known of it, and when it is due (in seconds of `time.monotonic`)."""

    __slots__ = ("base", "checked", "device", "gone", "problem", "state")

    def __init__(self, device: Device, state: State, base: float) -> None:
        self.device = device
        self.state = state
        self.base = base
        """The slot, without jitter."""
        self.checked: float | None = None
        """When the last probe ended."""
        self.problem: str | None = None
        """Why it could not be probed, if it could not."""
        self.gone = False


class Monitor:
    """All devices, and the task that probes them."""

    def __init__(
        self, settings: Settings, probe: Probe, *, on_change: Callable[[str], None], logger: logging.Logger
    ) -> None:
        self._settings = settings
        self._probe = probe
        self._on_change = on_change
        self._logger = logger
        self._watched: dict[str, Watched] = {}
        self._due: list[tuple[float, int, Watched]] = []
        self._numbers = itertools.count()
        self._slots = asyncio.Semaphore(settings.concurrency)
        self._probes: set[asyncio.Task[None]] = set()
        self._asking = 0

    def watch(self, device: Device, state: State | None = None) -> None:
        """Watch a device from its next slot on; one that is watched already keeps its state."""
        before = self._watched.get(device.key)
        if before is not None:
            before.device = device
            return
        watched = Watched(
            device, state or State(), time.monotonic() + _slot(device.key) * self._settings.interval
        )
        self._watched[device.key] = watched
        self._schedule(watched, watched.base)

    def forget(self, key: str) -> Watched | None:
        """Stop watching a device; what was known of it."""
        watched = self._watched.pop(key, None)
        if watched is not None:
            watched.gone = True
        return watched

    def get(self, key: str) -> Watched | None:
        """What is known of a device."""
        return self._watched.get(key)

    @property
    def all(self) -> Iterable[Watched]:
        """Every watched device."""
        return self._watched.values()

    def __len__(self) -> int:
        return len(self._watched)

    @property
    def behind(self) -> float:
        """How late the device is that waits longest for its probe, in seconds."""
        while self._due and self._due[0][2].gone:
            heapq.heappop(self._due)
        return max(0.0, time.monotonic() - self._due[0][0]) if self._due else 0.0

    @property
    def under_way(self) -> int:
        """Probes that wait for an answer."""
        return self._asking

    async def run(self) -> None:
        """Probe until cancelled; then no probe is left."""
        try:
            while True:
                await self._start_due()
                left = self._due[0][0] - time.monotonic() if self._due else LOOK_S
                await asyncio.sleep(min(max(left, TICK_S), LOOK_S))
        finally:
            for task in self._probes:
                task.cancel()
            await asyncio.gather(*self._probes, return_exceptions=True)

    async def sweep(self) -> None:
        """Probe every device once, now, as fast as `concurrency` allows."""
        rest = iter(list(self._watched.values()))

        async def work() -> None:
            for watched in rest:
                async with self._slots:
                    result = await self._result(watched)
                self._take(watched, result)

        workers = min(self._settings.concurrency, len(self._watched))
        await asyncio.gather(*(work() for _ in range(workers)))

    async def _start_due(self) -> None:
        """Start every probe that is due; waits while too many are under way."""
        while self._is_due():
            await self._slots.acquire()
            watched = heapq.heappop(self._due)[2] if self._is_due() else None
            if watched is None or watched.gone:
                self._slots.release()
                continue
            task = asyncio.create_task(self._turn(watched))
            self._probes.add(task)
            task.add_done_callback(self._probes.discard)

    def _is_due(self) -> bool:
        """Whether a device waits for its probe."""
        return bool(self._due) and self._due[0][0] <= time.monotonic()

    async def _turn(self, watched: Watched) -> None:
        """One device's turn, and the next one fixed."""
        try:
            result = await self._result(watched)
        finally:
            self._slots.release()
        self._take(watched, result)
        self._schedule(watched, self._next(watched))

    async def _result(self, watched: Watched) -> Result:
        """Probe a device; whatever goes wrong here says nothing about it."""
        self._asking += 1
        try:
            return await self._probe(watched.device)
        except Exception as error:
            self._logger.exception("Device %s could not be probed", watched.device.label)
            return Result(Kind.UNTRIED, reason=f"{type(error).__name__}: {error}")
        finally:
            self._asking -= 1

    def _take(self, watched: Watched, result: Result) -> None:
        """Take a result in."""
        before = watched.state.status
        watched.checked = time.monotonic()
        watched.problem = result.reason if result.kind is Kind.UNTRIED else None
        watched.state = observe(watched.state, result, time.time(), self._settings.rules)
        if watched.state.status is not before and not watched.gone:
            self._on_change(watched.device.key)

    def _next(self, watched: Watched) -> float:
        """When a device is due again."""
        now, interval = time.monotonic(), self._settings.interval
        if now >= watched.base:
            watched.base += interval * (1 + (now - watched.base) // interval)
        spread = random.uniform(-JITTER, JITTER)  # noqa: S311  jitter, nothing secret
        if watched.state.is_suspect:
            return min(now + self._settings.recheck_interval * (1 + spread), max(now, watched.base))
        return max(now, watched.base + spread * interval)

    def _schedule(self, watched: Watched, due: float) -> None:
        if not watched.gone:
            heapq.heappush(self._due, (due, next(self._numbers), watched))


def _slot(key: str) -> float:
    """A device's place in the interval, from 0 to 1: even over the devices, the same each time."""
    return zlib.crc32(key.encode()) / 2**32
