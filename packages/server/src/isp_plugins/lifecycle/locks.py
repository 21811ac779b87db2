"""One lock for each plugin; several are always taken in the order of ids, so that nobody waits in a circle."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager


class PluginLocks:
    """Serialises the operations on one plugin; a lock lives as long as somebody holds it or waits for it."""

    def __init__(self) -> None:
        self._locks: dict[int, asyncio.Lock] = {}
        self._users: dict[int, int] = {}

    def held(self, plugin_id: int) -> bool:
        """Whether an operation on the plugin is under way."""
        lock = self._locks.get(plugin_id)
        return lock is not None and lock.locked()

    @asynccontextmanager
    async def of(self, *plugin_ids: int) -> AsyncIterator[None]:
        """Hold the locks of all of these plugins."""
        async with AsyncExitStack() as stack:
            for plugin_id in sorted(set(plugin_ids)):
                await stack.enter_async_context(self._one(plugin_id))
            yield

    @asynccontextmanager
    async def _one(self, plugin_id: int) -> AsyncIterator[None]:
        lock = self._locks.setdefault(plugin_id, asyncio.Lock())
        self._users[plugin_id] = self._users.get(plugin_id, 0) + 1
        try:
            async with lock:
                yield
        finally:
            self._users[plugin_id] -= 1
            if not self._users[plugin_id]:
                del self._users[plugin_id], self._locks[plugin_id]
