"""What a new version stores before it has taken over is held back, and written in the transaction in which it does.

1. It sees its own writes; the old version, which still works, does not.
2. Let go, marks and last values are written with everything else that the switch writes, and from then on everything goes straight to the host.
3. A candidate that fails leaves nothing: what was held is dropped with it.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any, Protocol

from sqlalchemy.ext.asyncio import AsyncSession

from isp_plugin_sdk.context import HostCalls

_GONE = object()
Within = Callable[[AsyncSession], Awaitable[None]]
"""Writes in the caller's transaction."""


class StoringCalls(HostCalls, Protocol):
    """The host's half of a plugin's context, which can also write in a transaction of the lifecycle."""

    async def write_within(
        self, session: AsyncSession, marks: Sequence[str], writes: Sequence[tuple[str, str, Any]]
    ) -> None:
        """Set marks and write (`("set", key, value)`, `("delete", key, None)`)."""
        ...


class HeldCalls:
    """The host's half of a candidate's context."""

    def __init__(self, calls: StoringCalls) -> None:
        self._calls = calls
        self._held: dict[str, Any] | None = {}
        """None: let go."""
        self._marks: set[str] = set()
        self._lock = asyncio.Lock()

    @asynccontextmanager
    async def letting_go(self) -> AsyncIterator[Within]:
        """What writes it all in the transaction that is made within the block; if that fails, everything stays held. Its own calls wait meanwhile."""
        async with self._lock:
            held, marks = self._held or {}, tuple(self._marks)

            async def write(session: AsyncSession) -> None:
                writes = [
                    ("delete", key, None) if value is _GONE else ("set", key, value)
                    for key, value in held.items()
                ]
                await self._calls.write_within(session, marks, writes)

            yield write
            self._held = None

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
                self._marks.add(mark)
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
