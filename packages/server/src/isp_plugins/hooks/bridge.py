"""Runs a coroutine method for a synchronous dispatch, on the system's loop, while the calling thread waits.

1. On a thread that runs a loop it cannot wait: the subscription gets an error that says what to do.
2. The deadline cancels the coroutine and lets the chain go on.
"""

import asyncio
import concurrent.futures
from collections.abc import Callable, Coroutine
from typing import Any

from isp_plugin_sdk.context import current_call
from isp_plugins.hooks.calls import Call, position
from isp_plugins.hooks.engine_errors import LoopThreadError, NoLoopError
from isp_plugins.hooks.incidents import too_late


def bridge(call: Call, callee: Callable[[Any], Coroutine[Any, Any, Any]], payload: Any) -> Any:
    """What the coroutine method returned or raised; `LoopThreadError` or `NoLoopError` where it cannot run."""
    loop = call.hook_chain.services.loop
    if on_a_loop():
        raise LoopThreadError
    if loop is None or not loop.is_running():
        raise NoLoopError
    future = asyncio.run_coroutine_threadsafe(_under(call, callee, payload), loop)
    call.more.waiting = future
    if call.flag and _overdue(call):  # the deadline passed before it could see what to cancel
        future.cancel()
    try:
        result, error = future.result()
    except (concurrent.futures.CancelledError, asyncio.CancelledError) as cancelled:
        if call.flag and _overdue(call):
            raise too_late(call, position(call)) from cancelled
        raise
    finally:
        call.more.waiting = None
    if error is not None:
        raise error
    return result


def _overdue(call: Call) -> bool:
    """Whether the deadline that passed is the dispatch's, or that of the subscription whose turn it is."""
    return call.more.late or call.more.overdue == position(call)


async def _under(
    call: Call, callee: Callable[[Any], Coroutine[Any, Any, Any]], payload: Any
) -> tuple[Any, BaseException | None]:
    """The coroutine in a task of its own, with the dispatch as its current call; a `SystemExit` in a task would end the loop."""
    current_call.set(call)
    try:
        return await callee(payload), None
    except asyncio.CancelledError:
        raise
    except BaseException as error:
        return None, error


def on_a_loop() -> bool:
    """Whether this thread runs an event loop."""
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return False
    return True
