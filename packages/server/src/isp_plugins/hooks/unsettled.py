"""Claims whose end could not be stored because the database was away: it is stored as soon as the database is back.

1. Until then the claim stands, so nobody runs its dispatch a second time; a repeat is refused as one beside a running dispatch is.
2. It is tried again every second, and at once before this node's next claim; all in one transaction, in the order in which they ended.
3. At most `MOST` are remembered; those beyond are left to their time (`idempotency.RELEASE_S`), as those of a host that died are.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import Generic, TypeVar

from isp_plugins.db.errors import DatabaseUnavailableError

AGAIN_S = 1.0
MOST = 10_000
T = TypeVar("T")
_log = logging.getLogger(__name__)


class Unsettled(Generic[T]):
    """What waits to be stored; `settle` stores it all, or raises `DatabaseUnavailableError`."""

    def __init__(self, settle: Callable[[list[T]], Awaitable[None]]) -> None:
        self._settle = settle
        self._waiting: list[T] = []
        self._task: asyncio.Task[None] | None = None
        self._one = asyncio.Lock()

    def __len__(self) -> int:
        return len(self._waiting)

    def add(self, item: T) -> None:
        """Store it when the database is back."""
        if len(self._waiting) < MOST:
            self._waiting.append(item)
        if self._task is None or self._task.done():
            self._task = asyncio.get_running_loop().create_task(
                self._run(), name="isp-plugins settling claims"
            )

    async def now(self) -> None:
        """Store what waits; `DatabaseUnavailableError`."""
        async with self._one:
            if not self._waiting:
                return
            batch = list(self._waiting)
            await self._settle(batch)
            del self._waiting[: len(batch)]

    async def close(self) -> None:
        """Try once more, and stop."""
        task, self._task = self._task, None
        if task is not None:
            task.cancel()
            await asyncio.wait([task])
        try:
            await self.now()
        except DatabaseUnavailableError:
            _log.warning("%d idempotency keys stay claimed for a while: the database is away.", len(self))

    async def _run(self) -> None:
        while self._waiting:
            await asyncio.sleep(AGAIN_S)
            try:
                await self.now()
            except DatabaseUnavailableError as error:
                _log.debug("idempotency keys are not settled yet: %s", error)
            except Exception:
                _log.exception("idempotency keys could not be settled; it is tried again")
