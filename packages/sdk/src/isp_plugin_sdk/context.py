"""What a plugin can ask of its host while it runs: its own storage, other hooks, and what it knows of the current call.

1. `self.context.get(...)` and its siblings block; on a thread that runs an event loop they raise `CalledOnEventLoopError`, and
   `await self.context.aio.get(...)` is the twin to use there.
2. Every call towards the host runs on the host's loop and carries the current call along, so that a nested dispatch knows its chain.
3. No call lasts longer than the time left to the current one; outside of a call (a thread of `activate`), `DEFAULT_TIMEOUT_S`.
4. Only JSON values cross, as copies.
"""

import asyncio
import concurrent.futures
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, contextmanager
from types import MappingProxyType
from typing import Any, Protocol, TypeVar

from isp_plugin_sdk import once
from isp_plugin_sdk.current import CallInfo, CurrentCall
from isp_plugin_sdk.errors import (
    CalledOnEventLoopError,
    DoneMeanwhileError,
    HostCallTimedOutError,
    HostGoneError,
    NoEventError,
    NoHostError,
)
from isp_plugin_sdk.values import json_copy

DEFAULT_TIMEOUT_S = 30.0
"""How long a call towards the host may last where no current call bounds it, in seconds."""
_NOTHING: Mapping[str, Any] = MappingProxyType({})
_T = TypeVar("_T")

__all__ = ["AsyncPluginContext", "CallInfo", "HostCalls", "PluginContext", "current_call"]

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


class _Channel:
    """The way to one host; picks the loop, bounds the time, carries the current call."""

    def __init__(self, host: HostCalls | None, loop: asyncio.AbstractEventLoop | None) -> None:
        self._host = host
        self._loop = loop

    def host(self, call: str) -> HostCalls:
        """The host; raises `NoHostError` where there is none."""
        if self._host is None:
            raise NoHostError(call=call)
        return self._host

    def wait(self, call: str, work: Callable[[HostCalls], Coroutine[Any, Any, _T]]) -> _T:
        """Run the work on the host's loop and block for its result."""
        if _on_a_loop():
            raise CalledOnEventLoopError(call=call)
        host, loop, seconds = self.host(call), self._running_loop(call), _seconds_left(call)
        future = asyncio.run_coroutine_threadsafe(_under(current_call.get(), host, work), loop)
        try:
            return future.result(seconds)
        except concurrent.futures.TimeoutError:
            if not future.cancel():  # it has just ended, perhaps with a TimeoutError of the host's own
                return future.result()
            raise HostCallTimedOutError(call=call, seconds=seconds) from None
        except concurrent.futures.CancelledError:
            raise HostGoneError(call=call) from None

    async def ask(self, call: str, work: Callable[[HostCalls], Coroutine[Any, Any, _T]]) -> _T:
        """Await the work, on the host's loop also where the plugin runs a loop of its own."""
        host, seconds = self.host(call), _seconds_left(call)
        answer: Awaitable[_T]
        if self._loop is None or self._loop is asyncio.get_running_loop():
            answer = work(host)
        else:
            loop = self._running_loop(call)
            answer = asyncio.wrap_future(
                asyncio.run_coroutine_threadsafe(_under(current_call.get(), host, work), loop)
            )
        timeout = asyncio.timeout(seconds)
        try:
            async with timeout:
                return await answer
        except TimeoutError:
            if not timeout.expired():
                raise
            raise HostCallTimedOutError(call=call, seconds=seconds) from None

    def _running_loop(self, call: str) -> asyncio.AbstractEventLoop:
        """The host's loop; raises where waiting for it would never end."""
        if self._loop is None or not self._loop.is_running():
            raise HostGoneError(call=call)
        return self._loop


async def _under(
    call: CallInfo | None, host: HostCalls, work: Callable[[HostCalls], Coroutine[Any, Any, _T]]
) -> _T:
    """Run the work in a task of its own, under the call that asked for it."""
    current_call.set(call)
    return await work(host)


def _on_a_loop() -> bool:
    """Whether this thread runs an event loop."""
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return False
    return True


def _seconds_left(call: str) -> float:
    """How long a call may last, in seconds; raises where no time is left."""
    info = current_call.get()
    if info is None:
        return DEFAULT_TIMEOUT_S
    left = info.deadline - time.monotonic()
    if left <= 0:
        raise HostCallTimedOutError(call=call, seconds=0.0)
    return left


class AsyncPluginContext:
    """The awaitable twin of `PluginContext`, for `async def` methods; same names, same meaning."""

    def __init__(self, channel: _Channel) -> None:
        self._channel = channel

    async def get(self, key: str, default: Any = None) -> Any:
        """The value stored under the key, or the default."""
        written = once.written(key)
        if written is not once.NOTHING:
            return default if written is None else written
        value = await self._channel.ask("get", lambda host: host.storage_get(key))
        return default if value is None else value

    async def set(self, key: str, value: Any) -> None:
        """Store a JSON value under the key; it survives restarts."""
        value = json_copy(value, f"the value of {key!r}")
        if not once.took("set", key, value):
            await self._channel.ask("set", lambda host: host.storage_set(key, value))

    async def delete(self, key: str) -> bool:
        """Drop a key; whether it was there."""
        if once.current() is None:
            return await self._channel.ask("delete", lambda host: host.storage_delete(key))
        before = await self.get(key)
        once.took("delete", key, None)
        return before is not None

    async def list(self, prefix: str = "") -> list[str]:
        """The plugin's keys that begin with the prefix, in order."""
        stored = await self._channel.ask("list", lambda host: host.storage_list(prefix))
        return once.listed(stored, prefix)

    @asynccontextmanager
    async def once(self, key: str | None = None) -> AsyncIterator[bool]:
        """Do something once: `async with self.context.aio.once() as first:`, as `PluginContext.once`."""
        mark = _mark(key)
        seen = await self._channel.ask("once", lambda host: host.once_seen(mark))
        with once.writing(mark, seen=seen) as writes:
            yield not seen
        if not seen and not await self._channel.ask("once", lambda host: host.once_commit(mark, writes)):
            raise DoneMeanwhileError(mark=mark)

    async def dispatch(
        self, hook: str, payload: Any, context: Mapping[str, Any] | None = None
    ) -> dict[str, Any]:
        """Dispatch a hook; the result tells `status`, `value`, `reason` and what became of each subscription."""
        payload, context = _parcel(hook, payload, context)
        return await self._channel.ask("dispatch", lambda host: host.dispatch(hook, payload, context))

    async def emit(self, hook: str, payload: Any) -> None:
        """Dispatch a hook without waiting for its result."""
        payload = json_copy(payload, f"the payload of {hook!r}")
        await self._channel.ask("emit", lambda host: host.emit(hook, payload))


class PluginContext:
    """A plugin's way to its host, as `self.context`; storage keys are its own and seen by no other plugin."""

    def __init__(
        self, plugin_name: str, host: HostCalls | None = None, loop: asyncio.AbstractEventLoop | None = None
    ) -> None:
        self.plugin_name = plugin_name
        self._channel = _Channel(host, loop)
        self.aio = AsyncPluginContext(self._channel)

    def get(self, key: str, default: Any = None) -> Any:
        """The value stored under the key, or the default."""
        written = once.written(key)
        if written is not once.NOTHING:
            return default if written is None else written
        value = self._channel.wait("get", lambda host: host.storage_get(key))
        return default if value is None else value

    def set(self, key: str, value: Any) -> None:
        """Store a JSON value under the key (at most 200 characters; 256 KiB of JSON); it survives restarts."""
        value = json_copy(value, f"the value of {key!r}")
        if not once.took("set", key, value):
            self._channel.wait("set", lambda host: host.storage_set(key, value))

    def delete(self, key: str) -> bool:
        """Drop a key; whether it was there."""
        if once.current() is None:
            return self._channel.wait("delete", lambda host: host.storage_delete(key))
        before = self.get(key)
        once.took("delete", key, None)
        return before is not None

    def list(self, prefix: str = "") -> list[str]:
        """The plugin's keys that begin with the prefix, in order."""
        stored = self._channel.wait("list", lambda host: host.storage_list(prefix))
        return once.listed(stored, prefix)

    @contextmanager
    def once(self, key: str | None = None) -> Iterator[bool]:
        """Do something once, however often it is asked for: `with self.context.once("invoice-17") as first:`.

        `first` is False where it was done already. What is stored inside (`set`, `delete`) is kept together with the mark when the
        block ends, all or nothing, and only the first time; where the block raises, nothing is. Without a key it is the event that is
        delivered now, by its idempotency key. What reaches beyond the storage must be made repeatable by passing that key on.
        """
        mark = _mark(key)
        seen = self._channel.wait("once", lambda host: host.once_seen(mark))
        with once.writing(mark, seen=seen) as writes:
            yield not seen
        if not seen and not self._channel.wait("once", lambda host: host.once_commit(mark, writes)):
            raise DoneMeanwhileError(mark=mark)

    def dispatch(self, hook: str, payload: Any, context: Mapping[str, Any] | None = None) -> dict[str, Any]:
        """Dispatch a hook; the result tells `status`, `value`, `reason` and what became of each subscription."""
        payload, context = _parcel(hook, payload, context)
        return self._channel.wait("dispatch", lambda host: host.dispatch(hook, payload, context))

    def emit(self, hook: str, payload: Any) -> None:
        """Dispatch a hook without waiting for its result."""
        payload = json_copy(payload, f"the payload of {hook!r}")
        self._channel.wait("emit", lambda host: host.emit(hook, payload))

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
        """Which attempt to deliver an event this is, from 1; those that a crash cut off are not counted. 1 elsewhere."""
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
