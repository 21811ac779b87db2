"""Waits for a condition instead of for a time."""

import asyncio
import inspect
import time


async def until(condition, *, within=60.0):
    """Wait until the condition (a function, or a coroutine function) is true, and return what it returned; fails when time is up."""
    deadline = time.monotonic() + within
    while True:
        result = condition()
        if found := (await result if inspect.isawaitable(result) else result):
            return found
        assert time.monotonic() < deadline, "the condition did not come true in time"
        await asyncio.sleep(0.005)


def wait_until(condition, *, within=60.0, seen=lambda: "nothing of the kind"):
    """The same where no loop runs, with the pauses of a caller in another process; fails with what is `seen` instead."""
    deadline = time.monotonic() + within
    while not (found := condition()):
        assert time.monotonic() < deadline, f"the condition did not come true in time: {seen()}"
        time.sleep(0.02)
    return found
