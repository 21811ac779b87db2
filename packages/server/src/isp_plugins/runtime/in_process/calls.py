"""Calls a plugin's functions under a deadline, in a daemon thread or on the loop, and keeps what they raise.

1. A coroutine function is awaited on the loop; any other function runs in a daemon thread; what a plain function returns, where it
   can be awaited, is awaited on the loop in the time left.
2. Nothing a plugin raises leaves here, `SystemExit` and `KeyboardInterrupt` included: the ending is a value.
3. A thread past its deadline is abandoned, and counted while it still runs; one that waits for a free thread is called off instead.
4. A coroutine past its deadline is cancelled and not waited for.
5. When the caller itself is cancelled, the plugin's call is treated as overdue.
"""

import asyncio
import inspect
import threading
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

from isp_plugins.contracts.calls import Threads


@dataclass(frozen=True, slots=True)
class Returned:
    """The call returned in time."""

    value: Any


@dataclass(frozen=True, slots=True)
class Raised:
    """The call raised; turn the error into text and let it go."""

    error: BaseException


@dataclass(frozen=True, slots=True)
class Overdue:
    """The call did not return within its deadline, in seconds."""

    limit_s: float


Ending = Returned | Raised | Overdue


class _Work:
    """One call in a thread; knows whether it began, and whether it was called off before."""

    def __init__(self, function: Callable[[], Any], abandoned: set["_Work"]) -> None:
        self._function = function
        self._abandoned = abandoned
        self.began = False
        self.called_off = False
        self.ended = threading.Event()

    def __call__(self) -> Ending | None:
        """Run, unless called off; raises nothing."""
        self.began = True  # before the question below, so that `Calls._leave` cannot miss it
        try:
            return None if self.called_off else Returned(self._function())
        except BaseException as error:  # whatever a plugin raises stays with it
            return Raised(error)
        finally:
            self.ended.set()
            self._abandoned.discard(self)
            del self._function  # a thread that waits for its next work may still hold this one


class Calls:
    """The calls into one plugin."""

    def __init__(self, threads: Threads, owner: int) -> None:
        self._threads = threads
        self._owner = owner
        self._abandoned: set[_Work] = set()
        self._cancelled: set[asyncio.Task[Ending]] = set()

    @property
    def abandoned(self) -> int:
        """Abandoned calls whose threads still run."""
        return len(self._abandoned)

    async def call(self, function: Callable[..., Any], *args: Any, deadline_s: float) -> Ending:
        """Call a function of the plugin, `def` or `async def`."""
        if inspect.iscoroutinefunction(function):
            return await self._awaited(partial(function, *args), deadline_s)
        began = time.monotonic()
        ending = await self.in_thread(partial(function, *args), deadline_s=deadline_s)
        if isinstance(ending, Returned) and inspect.isawaitable(ending.value):
            rest = ending.value
            ending = await self._awaited(lambda: rest, max(0.0, deadline_s - (time.monotonic() - began)))
            return Overdue(deadline_s) if isinstance(ending, Overdue) else ending
        return ending

    async def in_thread(self, function: Callable[[], Any], *, deadline_s: float) -> Ending:
        """Run a plain function in a daemon thread."""
        work = _Work(function, self._abandoned)
        task = asyncio.ensure_future(self._threads.run(work, owner=self._owner))
        try:
            await asyncio.wait({task}, timeout=deadline_s)
        finally:
            if not task.done():
                self._leave(work)
                task.add_done_callback(_forget)
                task.cancel()
        return (
            Overdue(deadline_s)
            if task.cancelled() or not task.done()
            else task.result() or Overdue(deadline_s)
        )

    def _leave(self, work: _Work) -> None:
        """Go on without a call that did not return."""
        work.called_off = True
        if work.began and not work.ended.is_set():
            self._abandoned.add(work)
            self._threads.abandon(self._owner)
            if work.ended.is_set():  # it ended while it was being counted
                self._abandoned.discard(work)

    async def _awaited(self, make: Callable[[], Awaitable[Any]], deadline_s: float) -> Ending:
        """Await a plugin's coroutine in a task of its own."""
        task = asyncio.create_task(_guarded(make))
        try:
            await asyncio.wait({task}, timeout=deadline_s)
        finally:
            if not task.done():
                self._cancelled.add(task)  # the loop holds tasks only weakly
                task.add_done_callback(self._cancelled.discard)
                task.cancel()
        return task.result() if task.done() else Overdue(deadline_s)


def _forget(task: asyncio.Task[Any]) -> None:
    """Take note of what a call ended with that nobody waits for any more."""
    if not task.cancelled():
        task.exception()


async def _guarded(make: Callable[[], Awaitable[Any]]) -> Ending:
    """Await; a cancellation that nobody asked for is the plugin's own and becomes a value like everything else it raises."""
    try:
        return Returned(await make())
    except asyncio.CancelledError as error:
        task = asyncio.current_task()
        if task is not None and task.cancelling():
            raise
        return Raised(error)
    except BaseException as error:  # whatever a plugin raises stays with it
        return Raised(error)
