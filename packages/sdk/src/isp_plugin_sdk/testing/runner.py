"""Calls a plugin's methods as a host does: `async def` on an event loop in a thread of its own, `def` in a daemon thread, each under a deadline."""

import asyncio
import concurrent.futures
import contextvars
import inspect
import itertools
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from isp_plugin_sdk.context import current_call
from isp_plugin_sdk.testing.errors import DeadlineExceededError, LoopBlockedError

_CLOSE_S = 2.0
"""How long the loop may take to end, in seconds."""
_numbers = itertools.count(1)


@dataclass(frozen=True, slots=True)
class HarnessCall:
    """The current call, as a plugin sees it through its context; implements `CallInfo`."""

    hook: str
    deadline: float
    chain: tuple[str, ...]
    context: Mapping[str, Any]
    request_id: str = field(default_factory=lambda: f"test-{next(_numbers)}")


@dataclass(frozen=True, slots=True)
class _Raised:
    """What a coroutine raised that would end the loop itself; a host keeps it with the call."""

    error: BaseException


class Runner:
    """An event loop in a daemon thread, which plays the host's."""

    def __init__(self) -> None:
        self.loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._run, name="isp-plugin-harness", daemon=True)
        self._thread.start()

    def call(
        self,
        function: Callable[..., Any],
        *args: Any,
        call: HarnessCall | None,
        seconds: float,
        **kwargs: Any,
    ) -> Any:
        """Call a method and return its result, or raise what it raised; `DeadlineExceededError` where it does not end in time."""
        work: concurrent.futures.Future[Any]
        if inspect.iscoroutinefunction(function):
            work = asyncio.run_coroutine_threadsafe(_as_current(call, function, args, kwargs), self.loop)
        else:
            work = _in_thread(call, function, args, kwargs)
        try:
            result = work.result(seconds)
        except concurrent.futures.TimeoutError:
            if work.done():
                raise
            work.cancel()
            raise DeadlineExceededError(method=function.__name__, seconds=seconds) from None
        if isinstance(result, _Raised):
            raise result.error
        return result

    def close(self) -> None:
        """Cancel what still runs on the loop, and end it; `LoopBlockedError` where the plugin holds the loop."""
        given_up = threading.Event()
        try:
            asyncio.run_coroutine_threadsafe(_cancel_others(given_up), self.loop).result(_CLOSE_S)
        except TimeoutError:
            given_up.set()  # a loop that is free again later must not lose what later calls do on it
            raise LoopBlockedError from None
        self.loop.call_soon_threadsafe(self.loop.stop)
        self._thread.join()
        self.loop.close()

    def _run(self) -> None:
        """The loop's thread."""
        asyncio.set_event_loop(self.loop)
        self.loop.run_forever()


async def _as_current(
    call: HarnessCall | None, function: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]
) -> Any:
    """Await a coroutine function under its call."""
    current_call.set(call)
    try:
        return await function(*args, **kwargs)
    except (SystemExit, KeyboardInterrupt) as error:
        return _Raised(error)


def _in_thread(
    call: HarnessCall | None, function: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]
) -> concurrent.futures.Future[Any]:
    """Run a plain function in a daemon thread of its own, under its call."""
    future: concurrent.futures.Future[Any] = concurrent.futures.Future()

    def work() -> None:
        current_call.set(call)
        try:
            future.set_result(function(*args, **kwargs))
        except concurrent.futures.InvalidStateError:
            return  # nobody waits any more
        except BaseException as error:
            if not future.cancelled():
                future.set_exception(error)

    context = contextvars.copy_context()
    threading.Thread(
        target=context.run, args=(work,), name=f"isp-plugin-{function.__name__}", daemon=True
    ).start()
    return future


async def _cancel_others(given_up: threading.Event) -> None:
    """Cancel every other task of the loop and wait for it."""
    if given_up.is_set():
        return
    others = [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]
    for task in others:
        task.cancel()
    await asyncio.gather(*others, return_exceptions=True)


def call_for(
    hook: str, seconds: float, chain: tuple[str, ...] = (), context: Mapping[str, Any] | None = None
) -> HarnessCall:
    """A call that must end within so many seconds."""
    return HarnessCall(hook, time.monotonic() + seconds, chain, dict(context or {}))
