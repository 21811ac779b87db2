"""Which task awaits a coroutine: found by following what each awaits, since asking for it in advance would cost every dispatch."""

import asyncio
import gc
from typing import Any

MOST_STEPS = 1000
_INNER = ("cr_await", "gi_yieldfrom", "ag_await")


def awaiting(likely: "asyncio.Task[Any]", coroutine: Any) -> "asyncio.Task[Any] | None":
    """The task of the running loop that awaits the coroutine, at whatever depth; None where none does."""
    if awaits(likely, coroutine):
        return likely
    return next((task for task in asyncio.all_tasks() if awaits(task, coroutine)), None)


def awaits(task: "asyncio.Task[Any]", coroutine: Any) -> bool:
    """Whether the task awaits the coroutine, or runs it."""
    at: Any = task.get_coro()
    for _ in range(MOST_STEPS):
        if at is coroutine:
            return True
        if at is None:
            return False
        at = _inner(at, coroutine)
    return False


def _inner(outer: Any, wanted: Any) -> Any:
    """What an awaitable awaits; one that does not tell is searched among what it refers to."""
    for name in _INNER:
        if hasattr(outer, name):
            return getattr(outer, name)
    referents = gc.get_referents(outer)
    if any(one is wanted for one in referents):
        return wanted
    return next((one for one in referents if any(hasattr(one, name) for name in _INNER)), None)


def being_cancelled(task: "asyncio.Task[Any]") -> bool:
    """Whether somebody else's cancellation is on its way into the task."""
    waiter = getattr(task, "_fut_waiter", None)
    return bool(getattr(task, "_must_cancel", False)) or (waiter is not None and waiter.cancelled())
