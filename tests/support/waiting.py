"""Waits for a condition instead of for a time."""

import asyncio
import inspect
import time


async def until(condition, *, within=60.0):
    """Wait until the condition (a function, or a coroutine function) is true; fails when time is up."""
    deadline = time.monotonic() + within
    while True:
        result = condition()
        if await result if inspect.isawaitable(result) else result:
            return
        assert time.monotonic() < deadline, "the condition did not come true in time"
        await asyncio.sleep(0.005)
