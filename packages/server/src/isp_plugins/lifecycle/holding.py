"""What a new version stores before it serves anybody is held back, and written only once it has taken over.

1. It sees its own writes; the old version, which still works, does not.
2. Let go, every write is done in its order, and from then on everything goes straight to the host.
3. A candidate that fails leaves nothing: what was held is dropped with it.
"""

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any

from isp_plugin_sdk.context import HostCalls

_GONE = object()


class HeldCalls:
    """The host's half of a candidate's context."""

    def __init__(self, calls: HostCalls) -> None:
        self._calls = calls
        self._held: dict[str, Any] | None = {}
        """None: let go."""
        self._marks: dict[str, Sequence[tuple[str, str, Any]]] = {}
        self._lock = asyncio.Lock()

    async def let_go(self) -> None:
        """Write what was held."""
        async with self._lock:
            held, self._held = self._held or {}, None
            for mark, writes in self._marks.items():
                await self._calls.once_commit(mark, writes)
            for key, value in held.items():
                if value is _GONE:
                    await self._calls.storage_delete(key)
                else:
                    await self._calls.storage_set(key, value)

    async def storage_get(self, key: str) -> Any:
        """The value that it would find."""
        async with self._lock:
            if self._held is not None and key in self._held:
                return None if self._held[key] is _GONE else self._held[key]
        return await self._calls.storage_get(key)

    async def storage_set(self, key: str, value: Any) -> None:
        """Hold a value back, or keep it."""
        async with self._lock:
            if self._held is not None:
                self._held[key] = value
                return
        await self._calls.storage_set(key, value)

    async def storage_delete(self, key: str) -> bool:
        """Forget a value; whether there was one."""
        async with self._lock:
            if self._held is not None:
                there = self._held.get(key, _GONE) is not _GONE if key in self._held else None
                self._held[key] = _GONE
                return await self._calls.storage_get(key) is not None if there is None else there
        return await self._calls.storage_delete(key)

    async def storage_list(self, prefix: str = "") -> list[str]:
        """Keys that it would find."""
        async with self._lock:
            held = dict(self._held or {})
        found = set(await self._calls.storage_list(prefix)) - set(held)
        return sorted(
            found | {key for key, value in held.items() if value is not _GONE and key.startswith(prefix)}
        )

    async def once_seen(self, mark: str) -> bool:
        """Whether what this mark names was done."""
        return mark in self._marks or await self._calls.once_seen(mark)

    async def once_commit(self, mark: str, writes: Sequence[tuple[str, str, Any]]) -> bool:
        """Set the mark and write, or hold both back."""
        async with self._lock:
            if self._held is not None:
                if mark in self._marks or await self._calls.once_seen(mark):
                    return False
                self._marks[mark] = writes
                for kind, key, value in writes:
                    self._held[key] = value if kind == "set" else _GONE
                return True
        return await self._calls.once_commit(mark, writes)

    async def dispatch(
        self, hook: str, payload: Any, context: Mapping[str, Any] | None = None
    ) -> dict[str, Any]:
        """Dispatch a hook; that is not held back."""
        return await self._calls.dispatch(hook, payload, context)

    async def emit(self, hook: str, payload: Any) -> None:
        """Tell an event; that is not held back."""
        await self._calls.emit(hook, payload)
