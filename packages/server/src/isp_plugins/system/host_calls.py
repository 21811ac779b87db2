"""What one plugin may ask of the host, answered by the specialists: its storage, and hooks of its own."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from sqlalchemy.ext.asyncio import AsyncSession

from isp_plugins.contracts.hooks import Dispatcher
from isp_plugins.contracts.runtime import Fence, unfenced
from isp_plugins.storage import PluginStorage, StorageFencedError


class PluginHostCalls:
    """The host's half of a plugin's context; it knows the plugin, so that no plugin can speak as another."""

    def __init__(
        self,
        plugin_id: int,
        plugin_name: str,
        *,
        storage: PluginStorage,
        dispatcher: Dispatcher,
        fence: Fence = unfenced,
        on_fenced: Callable[[str], None] = lambda _why: None,
    ) -> None:
        self._plugin_id = plugin_id
        self._plugin_name = plugin_name
        self._storage = storage
        self._dispatcher = dispatcher
        self._fence = fence
        self._on_fenced = on_fenced
        self._was_fenced = False

    async def storage_get(self, key: str) -> Any:
        """The stored value, or None."""
        return await self._storage.get(self._plugin_id, key)

    async def storage_set(self, key: str, value: Any) -> None:
        """Keep a JSON value; it survives restarts, reloads and upgrades."""
        with self._telling():
            await self._storage.set(self._plugin_id, key, value, fence=self._fence())

    async def storage_delete(self, key: str) -> bool:
        """Forget a value; whether there was one."""
        with self._telling():
            return await self._storage.delete(self._plugin_id, key, fence=self._fence())

    async def storage_list(self, prefix: str = "") -> list[str]:
        """Keys that begin with the prefix, sorted."""
        return await self._storage.list(self._plugin_id, prefix)

    async def once_seen(self, mark: str) -> bool:
        """Whether what this mark names was done."""
        return await self._storage.is_done(self._plugin_id, mark)

    async def once_commit(self, mark: str, writes: Sequence[tuple[str, str, Any]]) -> bool:
        """Set the mark and write, all or nothing; False where the mark is set already."""
        with self._telling():
            return await self._storage.do_once(self._plugin_id, mark, writes, fence=self._fence())

    async def write_within(
        self, session: AsyncSession, marks: Sequence[str], writes: Sequence[tuple[str, str, Any]]
    ) -> None:
        """Set marks and write, in the transaction of whoever asks."""
        await self._storage.write_within(session, self._plugin_id, marks, writes, fence=self._fence())

    async def dispatch(
        self, hook: str, payload: Any, context: Mapping[str, Any] | None = None
    ) -> dict[str, Any]:
        """Dispatch a hook as this plugin and return its result as the API shows it."""
        result = await self._dispatcher.dispatch(hook, payload, context=context, origin=self._plugin_name)
        answer: dict[str, Any] = result.to_dict()
        return answer

    async def emit(self, hook: str, payload: Any) -> None:
        """Dispatch a hook as this plugin without looking at the result."""
        await self._dispatcher.dispatch(hook, payload, origin=self._plugin_name)

    @contextmanager
    def _telling(self) -> Iterator[None]:
        """Let the operator know, once, that an instance went on writing after its lease."""
        try:
            yield
        except StorageFencedError as error:
            if not self._was_fenced:
                self._was_fenced = True
                self._on_fenced(error.message)
            raise
