"""Work that is done every so often in the background, and that is never cut off in the middle."""

import asyncio
import logging
from collections.abc import Awaitable, Callable

logger = logging.getLogger(__name__)


class Periodic:
    """Calls `work` every `pause` seconds (real time) from `start` to `stop`; an error of it is logged, and it goes on."""

    def __init__(self, work: Callable[[], Awaitable[None]], pause: float, *, name: str) -> None:
        self._work = work
        self._pause = pause
        self._name = name
        self._stopping = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begin, with a pause; starting twice changes nothing."""
        if self._task is None:
            self._stopping.clear()
            self._task = asyncio.get_running_loop().create_task(self._run(), name=self._name)

    async def stop(self) -> None:
        """End, after the work that is under way."""
        self._stopping.set()
        task, self._task = self._task, None
        if task is not None:
            await asyncio.wait([task])

    async def _run(self) -> None:
        while not await self._stopped_within_pause():
            try:
                await self._work()
            except Exception:
                logger.exception("%s failed; it goes on", self._name)

    async def _stopped_within_pause(self) -> bool:
        try:
            async with asyncio.timeout(self._pause):
                return await self._stopping.wait()
        except TimeoutError:
            return False
