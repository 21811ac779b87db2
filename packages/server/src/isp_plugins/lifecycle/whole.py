"""Operations that are run to their end, whoever asked for them and has gone since; none begins once the host closes."""

import asyncio
from collections.abc import Coroutine
from typing import Any, TypeVar

from isp_plugins.lifecycle.errors import PluginsClosingError

T = TypeVar("T")


class WholeOperations:
    """What is under way on one node."""

    def __init__(self) -> None:
        self.loop = asyncio.get_running_loop()
        self.under_way: set[asyncio.Task[Any]] = set()
        self.closing = False
        """Whether nothing new may begin."""

    def begin(self, work: Coroutine[Any, Any, T]) -> asyncio.Task[T]:
        """Begin an operation that nobody waits for."""
        task = self.loop.create_task(work)
        self.under_way.add(task)
        task.add_done_callback(self._done)
        return task

    async def run(self, work: Coroutine[Any, Any, T]) -> T:
        """Run an operation to its end, even if the caller is cancelled; `PluginsClosingError`."""
        if self.closing:
            work.close()
            raise PluginsClosingError
        return await asyncio.shield(self.begin(work))

    def _done(self, task: asyncio.Task[Any]) -> None:
        self.under_way.discard(task)
        if not task.cancelled():
            task.exception()  # seen: whoever asked may be gone
