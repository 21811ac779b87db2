"""The way to a host in the same process: its calls run on its event loop.

What the host raises is told as in a worker: an error of the SDK as it is, that there was no time as `HostCallTimedOutError`, anything else
as `HostRefusedError`.
"""

import asyncio
import concurrent.futures
from collections.abc import Awaitable, Coroutine
from typing import Any

from isp_plugin_sdk.context import HostCalls, current_call, seconds_left
from isp_plugin_sdk.current import CallInfo
from isp_plugin_sdk.errors import (
    HostCallTimedOutError,
    HostGoneError,
    HostRefusedError,
    NoHostError,
    PluginSdkError,
)


class LoopWay:
    """Picks the loop, bounds the time, carries the current call; behind `context.Way`."""

    def __init__(self, host: HostCalls | None, loop: asyncio.AbstractEventLoop | None) -> None:
        self._host = host
        self._loop = loop

    def wait(self, call: str, method: str, *arguments: Any) -> Any:
        """Run the call on the host's loop and block for its result."""
        host, loop, seconds = self._known_host(call), self._running_loop(call), seconds_left(call)
        work = _under(current_call.get(), _answer(call, seconds, host, method, arguments))
        future = asyncio.run_coroutine_threadsafe(work, loop)
        try:
            return future.result(seconds)
        except concurrent.futures.TimeoutError:
            if not future.cancel():  # it has just ended, perhaps with a TimeoutError of the host's own
                return future.result()
            raise HostCallTimedOutError(call=call, seconds=seconds) from None
        except concurrent.futures.CancelledError:
            raise HostGoneError(call=call) from None

    async def ask(self, call: str, method: str, *arguments: Any) -> Any:
        """Await the call, on the host's loop also where the plugin runs a loop of its own."""
        host, seconds = self._known_host(call), seconds_left(call)
        answer: Awaitable[Any]
        if self._loop is None or self._loop is asyncio.get_running_loop():
            answer = _answer(call, seconds, host, method, arguments)
        else:
            loop = self._running_loop(call)
            work = _under(current_call.get(), _answer(call, seconds, host, method, arguments))
            answer = asyncio.wrap_future(asyncio.run_coroutine_threadsafe(work, loop))
        timeout = asyncio.timeout(seconds)
        try:
            async with timeout:
                return await answer
        except TimeoutError:
            if not timeout.expired():
                raise
            raise HostCallTimedOutError(call=call, seconds=seconds) from None

    def _known_host(self, call: str) -> HostCalls:
        """The host; raises `NoHostError` where there is none."""
        if self._host is None:
            raise NoHostError(call=call)
        return self._host

    def _running_loop(self, call: str) -> asyncio.AbstractEventLoop:
        """The host's loop; raises where waiting for it would never end."""
        if self._loop is None or not self._loop.is_running():
            raise HostGoneError(call=call)
        return self._loop


async def _under(call: CallInfo | None, answer: Coroutine[Any, Any, Any]) -> Any:
    """Run the call in a task of its own, under the call of the plugin that asked for it."""
    current_call.set(call)
    return await answer


async def _answer(call: str, seconds: float, host: HostCalls, method: str, arguments: tuple[Any, ...]) -> Any:
    """What the host answers, or why it does not, as an error of the SDK."""
    try:
        return await getattr(host, method)(*arguments)
    except PluginSdkError:
        raise
    except TimeoutError:
        raise HostCallTimedOutError(call=call, seconds=seconds) from None
    except Exception as error:
        raise HostRefusedError(call=call, detail=str(error), problem=type(error).__name__) from error
