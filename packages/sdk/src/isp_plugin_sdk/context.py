"""What a plugin can ask of its host while it runs: its own storage, other hooks, and what it knows of the current call.

1. `self.context.get(...)` and its siblings block; on a thread that runs an event loop they raise `CalledOnEventLoopError`, and
   `await self.context.aio.get(...)` is the twin to use there.
2. Every call towards the host carries the current call along, so that a nested dispatch knows its chain. How it gets there (`Way`)
   differs in process and in a worker; the plugin cannot tell.
3. No call lasts longer than the time left to the current one; outside of a call (a thread of `activate`), `DEFAULT_TIMEOUT_S`.
4. Only JSON values cross, as copies.
"""

import sys
import time
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, contextmanager
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Protocol

from isp_plugin_sdk import once
from isp_plugin_sdk.current import CallInfo, CurrentCall
from isp_plugin_sdk.errors import (
    CalledOnEventLoopError,
    DoneMeanwhileError,
    HostCallTimedOutError,
    NoEventError,
)
from isp_plugin_sdk.values import json_copy

if TYPE_CHECKING:
    import asyncio

DEFAULT_TIMEOUT_S = 30.0
"""How long a call towards the host may last where no current call bounds it, in seconds."""
_NOTHING: Mapping[str, Any] = MappingProxyType({})

__all__ = ["AsyncPluginContext", "CallInfo", "HostCalls", "PluginContext", "Way", "current_call"]

current_call = CurrentCall()
"""The call that runs now; the host sets it around every call into a plugin."""


class HostCalls(Protocol):
    """What a host offers to one plugin; every method is called on the host's loop."""

    async def storage_get(self, key: str) -> Any:
        """The stored value, or None."""
        ...

    async def storage_set(self, key: str, value: Any) -> None:
        """Store a JSON value."""
        ...

    async def storage_delete(self, key: str) -> bool:
        """Drop a key; whether it was there."""
        ...

    async def storage_list(self, prefix: str) -> list[str]:
        """The stored keys that begin with the prefix, in order."""
        ...

    async def once_seen(self, mark: str) -> bool:
        """Whether what this mark names was done."""
        ...

    async def once_commit(self, mark: str, writes: Sequence[tuple[str, str, Any]]) -> bool:
        """Set the mark and write (`("set", key, value)`, `("delete", key, None)`), all or nothing; False where it is set already."""
        ...

    async def dispatch(self, hook: str, payload: Any, context: Mapping[str, Any] | None) -> dict[str, Any]:
        """Dispatch a hook and return the result as a dict."""
        ...

    async def emit(self, hook: str, payload: Any) -> None:
        """Dispatch a hook without waiting for its result."""
        ...


class Way(Protocol):
    """How calls reach the host: on its event loop, in process, or over a worker's socket."""

    def wait(self, call: str, method: str, *arguments: Any) -> Any:
        """Block for what a method of `HostCalls` returns; `call` is what the plugin called, for messages."""
        ...

    async def ask(self, call: str, method: str, *arguments: Any) -> Any:
        """Await it, on whichever loop runs here."""
        ...


def seconds_left(call: str) -> float:
    """How long a call towards the host may last, in seconds; raises `HostCallTimedOutError` where no time is left."""
    info = current_call.get()
    if info is None:
        return DEFAULT_TIMEOUT_S
    left = info.deadline - time.monotonic()
    if left <= 0:
        raise HostCallTimedOutError(call=call, seconds=0.0)
    return left


def _on_a_loop() -> bool:
    """Whether this thread runs an event loop; where nobody imported asyncio, none does."""
    asyncio = sys.modules.get("asyncio")
    return asyncio is not None and asyncio._get_running_loop() is not None  # noqa: SLF001  the one question that does not raise


def _on_loop(host: HostCalls | None, loop: "asyncio.AbstractEventLoop | None") -> Way:
    """The way in process; imported only there, since a worker starts faster without asyncio."""
    from isp_plugin_sdk.loop_way import LoopWay

    return LoopWay(host, loop)


class AsyncPluginContext:
    """The awaitable twin of `PluginContext`, for `async def` methods; same names, same meaning."""

    def __init__(self, way: Way) -> None:
        self._way = way

    async def get(self, key: str, default: Any = None) -> Any:
        """The value stored under the key, or the default."""
        written = once.written(key)
        if written is not once.NOTHING:
            return default if written is None else written
        value = await self._way.ask("get", "storage_get", key)
        return default if value is None else value

    async def set(self, key: str, value: Any) -> None:
        """Store a JSON value under the key; it survives restarts."""
        value = json_copy(value, f"the value of {key!r}")
        if not once.took("set", key, value):
            await self._way.ask("set", "storage_set", key, value)

    async def delete(self, key: str) -> bool:
        """Drop a key; whether it was there."""
        if once.current() is None:
            answer: bool = await self._way.ask("delete", "storage_delete", key)
            return answer
        before = await self.get(key)
        once.took("delete", key, None)
        return before is not None

    async def list(self, prefix: str = "") -> list[str]:
        """The plugin's keys that begin with the prefix, in order."""
        stored = await self._way.ask("list", "storage_list", prefix)
        return once.listed(stored, prefix)

    @asynccontextmanager
    async def once(self, key: str | None = None) -> AsyncIterator[bool]:
        """Do something once: `async with self.context.aio.once() as first:`, as `PluginContext.once`."""
        mark = _mark(key)
        seen = not _never_tried(key) and await self._way.ask("once", "once_seen", mark)
        with once.writing(mark, seen=seen) as writes:
            yield not seen
        if not seen and not await self._way.ask("once", "once_commit", mark, writes):
            raise DoneMeanwhileError(mark=mark)

    async def dispatch(
        self, hook: str, payload: Any, context: Mapping[str, Any] | None = None
    ) -> dict[str, Any]:
        """Dispatch a hook; the result tells `status`, `value`, `reason` and what became of each subscription."""
        payload, context = _parcel(hook, payload, context)
        answer: dict[str, Any] = await self._way.ask("dispatch", "dispatch", hook, payload, context)
        return answer

    async def emit(self, hook: str, payload: Any) -> None:
        """Dispatch a hook without waiting for its result."""
        payload = json_copy(payload, f"the payload of {hook!r}")
        await self._way.ask("emit", "emit", hook, payload)


class PluginContext:
    """A plugin's way to its host, as `self.context`; storage keys are its own and seen by no other plugin."""

    def __init__(
        self,
        plugin_name: str,
        host: HostCalls | None = None,
        loop: "asyncio.AbstractEventLoop | None" = None,
        *,
        way: Way | None = None,
    ) -> None:
        self.plugin_name = plugin_name
        self._way = way if way is not None else _on_loop(host, loop)
        self.aio = AsyncPluginContext(self._way)

    def get(self, key: str, default: Any = None) -> Any:
        """The value stored under the key, or the default."""
        written = once.written(key)
        if written is not once.NOTHING:
            return default if written is None else written
        value = self._wait("get", "storage_get", key)
        return default if value is None else value

    def set(self, key: str, value: Any) -> None:
        """Store a JSON value under the key (at most 200 characters; 256 KiB of JSON); it survives restarts."""
        value = json_copy(value, f"the value of {key!r}")
        if not once.took("set", key, value):
            self._wait("set", "storage_set", key, value)

    def delete(self, key: str) -> bool:
        """Drop a key; whether it was there."""
        if once.current() is None:
            answer: bool = self._wait("delete", "storage_delete", key)
            return answer
        before = self.get(key)
        once.took("delete", key, None)
        return before is not None

    def list(self, prefix: str = "") -> list[str]:
        """The plugin's keys that begin with the prefix, in order."""
        stored = self._wait("list", "storage_list", prefix)
        return once.listed(stored, prefix)

    @contextmanager
    def once(self, key: str | None = None) -> Iterator[bool]:
        """Do something once, however often it is asked for: `with self.context.once("invoice-17") as first:`.

        `first` is False where it was done already. What is stored inside (`set`, `delete`) is kept together with the mark when the
        block ends, all or nothing, and only the first time; where the block raises, nothing is. Without a key it is the event that is
        delivered now, by its idempotency key. What reaches beyond the storage must be made repeatable by passing that key on.
        """
        mark = _mark(key)
        seen = not _never_tried(key) and self._wait("once", "once_seen", mark)
        with once.writing(mark, seen=seen) as writes:
            yield not seen
        if not seen and not self._wait("once", "once_commit", mark, writes):
            raise DoneMeanwhileError(mark=mark)

    def dispatch(self, hook: str, payload: Any, context: Mapping[str, Any] | None = None) -> dict[str, Any]:
        """Dispatch a hook; the result tells `status`, `value`, `reason` and what became of each subscription."""
        payload, context = _parcel(hook, payload, context)
        answer: dict[str, Any] = self._wait("dispatch", "dispatch", hook, payload, context)
        return answer

    def emit(self, hook: str, payload: Any) -> None:
        """Dispatch a hook without waiting for its result."""
        payload = json_copy(payload, f"the payload of {hook!r}")
        self._wait("emit", "emit", hook, payload)

    def _wait(self, call: str, method: str, *arguments: Any) -> Any:
        """Block for an answer, where that does not stop a loop."""
        if _on_a_loop():
            raise CalledOnEventLoopError(call=call)
        return self._way.wait(call, method, *arguments)

    @property
    def request_id(self) -> str | None:
        """What ties the log lines of the current request together; None outside of a call."""
        call = current_call.get()
        return call.request_id if call else None

    @property
    def idempotency_key(self) -> str | None:
        """The same for every attempt to deliver one event to this plugin's method; pass it on to peers that know such keys. None elsewhere."""
        key = self.call_context.get("idempotency_key")
        return key if isinstance(key, str) else None

    @property
    def attempt(self) -> int:
        """Which attempt to deliver an event this is, from 1; those that a crash cut off count too. 1 elsewhere."""
        attempt = self.call_context.get("attempt")
        return attempt if isinstance(attempt, int) else 1

    @property
    def hook(self) -> str | None:
        """The hook that is being dispatched; None outside of a dispatch."""
        call = current_call.get()
        return call.hook or None if call else None

    @property
    def deadline_left(self) -> float | None:
        """Seconds until the current call must have ended, never below 0; None outside of a call."""
        call = current_call.get()
        return max(0.0, call.deadline - time.monotonic()) if call else None

    @property
    def call_context(self) -> Mapping[str, Any]:
        """What the dispatch's caller gave along; empty outside of a call."""
        call = current_call.get()
        return call.context if call else _NOTHING


def _never_tried(key: str | None) -> bool:
    """Whether the host knows that nobody has tried the event that is delivered now, so that its mark need not be asked for."""
    call = current_call.get()
    return key is None and call is not None and call.context.get("never_tried") is True


def _mark(key: str | None) -> str:
    """What is done once: the key, or the event that is delivered now."""
    if key is not None:
        return key
    call = current_call.get()
    event_key = call.context.get("idempotency_key") if call else None
    if not isinstance(event_key, str):
        raise NoEventError
    return event_key


def _parcel(hook: str, payload: Any, context: Mapping[str, Any] | None) -> tuple[Any, dict[str, Any] | None]:
    """Copies of what a dispatch hands to the host."""
    given = None if context is None else json_copy(dict(context), f"the context of {hook!r}")
    return json_copy(payload, f"the payload of {hook!r}"), given
