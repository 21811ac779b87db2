"""The way from a plugin in a worker to its host: a blocking call sends its question and waits for the answer itself, without a loop.

1. The thread that waits runs the calls that the host makes because of its question, so that re-entrance needs no further thread.
2. An awaited call is answered on whichever loop awaits it; a plain method that is called because of it runs in a thread of its own.
3. Answers that say that the host refuses become the SDK's errors, as in process.
"""

import time
from _queue import Empty, SimpleQueue
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from isp_plugin_sdk import errors
from isp_plugin_sdk.context import current_call, seconds_left
from isp_plugin_sdk.errors import HostCallTimedOutError, HostRefusedError, PluginSdkError
from isp_plugin_sdk.serve.link import Link
from isp_plugin_sdk.wire.codes import Code
from isp_plugin_sdk.wire.messages import Message

if TYPE_CHECKING:
    import asyncio

_REQUESTS: Mapping[str, tuple[str, tuple[str, ...]]] = {
    "storage_get": ("storage.get", ("key",)),
    "storage_set": ("storage.set", ("key", "value")),
    "storage_delete": ("storage.delete", ("key",)),
    "storage_list": ("storage.list", ("prefix",)),
    "once_seen": ("once.seen", ("mark",)),
    "once_commit": ("once.commit", ("mark", "writes")),
    "dispatch": ("dispatch", ("hook", "payload", "context")),
    "emit": ("emit", ("hook", "payload")),
}
"""What each method of `HostCalls` is on the wire."""


class WireWay:
    """Behind `isp_plugin_sdk.context.Way`.

    Args:
        link: The channel.
        run: Runs a nested call and sends its answer.
        beside: Runs something in a thread of its own.
    """

    def __init__(
        self, link: Link, run: Callable[[Any], None], beside: Callable[[Callable[[], None]], None]
    ) -> None:
        self._link = link
        self._run = run
        self._beside = beside

    def wait(self, call: str, method: str, *arguments: Any) -> Any:
        """Ask, and run what comes back until it is the answer."""
        seconds = seconds_left(call)
        due = time.monotonic() + seconds
        box: SimpleQueue[Message] = SimpleQueue()
        number = self._ask(method, arguments, box.put)
        try:
            while True:
                message = box.get(timeout=max(0.0, due - time.monotonic()))
                if "method" not in message:
                    return _value(call, seconds, message)
                self._run(message)
        except Empty:
            raise HostCallTimedOutError(call=call, seconds=seconds) from None
        finally:
            self._link.forget(number)
            self._run_late(box)

    async def ask(self, call: str, method: str, *arguments: Any) -> Any:
        """Ask, and await the answer on this loop."""
        import asyncio

        seconds = seconds_left(call)
        loop = asyncio.get_running_loop()
        answer: asyncio.Future[Message] = loop.create_future()

        def take(message: Message) -> None:
            if "method" in message:
                self._beside(lambda: self._run(message))
            else:
                loop.call_soon_threadsafe(_settle, answer, message)

        number = self._ask(method, arguments, take)
        try:
            async with asyncio.timeout(seconds):
                message = await answer
        except TimeoutError:
            raise HostCallTimedOutError(call=call, seconds=seconds) from None
        finally:
            self._link.forget(number)
        return _value(call, seconds, message)

    def _ask(self, method: str, arguments: tuple[Any, ...], receiver: Callable[[Message], None]) -> int:
        name, keys = _REQUESTS[method]
        params = dict(zip(keys, arguments, strict=True))
        call = current_call.get()
        number = getattr(call, "number", None)
        if number is not None:
            params["call"] = number
        return self._link.ask(name, params, receiver)

    def _run_late(self, box: "SimpleQueue[Message]") -> None:
        """What was handed over in the moment in which this thread gave up waiting is not lost."""
        while not box.empty():
            message = box.get()
            if "method" in message:
                self._run(message)


def _settle(answer: "asyncio.Future[Message]", message: Message) -> None:
    if not answer.done():
        answer.set_result(message)


def _value(call: str, seconds: float, message: Message) -> Any:
    """What an answer says, or the error that it stands for."""
    error = message.get("error")
    if error is None:
        return message["result"]
    if error["code"] == Code.OUT_OF_TIME:
        raise HostCallTimedOutError(call=call, seconds=seconds)
    data = error.get("data") or {}
    kind = getattr(errors, str(data.get("problem")), None)
    if isinstance(kind, type) and issubclass(kind, PluginSdkError):
        raise _rebuilt(kind, data, error["message"], call)
    raise HostRefusedError(
        call=call, detail=data.get("detail") or error["message"], problem=data.get("problem")
    )


def _rebuilt(kind: type[PluginSdkError], data: Mapping[str, Any], message: str, call: str) -> PluginSdkError:
    """An error of the SDK as the host raised it."""
    try:
        return kind(**(data.get("fields") or {}))
    except (KeyError, TypeError):
        return HostRefusedError(call=call, detail=message, problem=kind.__name__)
