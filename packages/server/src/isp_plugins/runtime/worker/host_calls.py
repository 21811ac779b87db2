"""Answers what a worker asks of its host, each request in a task of its own.

1. Chain, request id and deadline are the host's own record of the call that the worker names, never the worker's word; without such a
   call it is background work.
2. Each request ends by the deadline of its call, or after `DEFAULT_TIMEOUT_S`.
3. At most so many a second are begun, of writes to the storage fewer; what comes faster waits, is counted, and is named in the plugin's
   log at most once a minute. With `MAX_OPEN` of them open, or `MAX_OPEN_BYTES`, the channel is not read until half of that is done.
4. What the host refuses is told by its class and text; an error of the SDK also with its fields, so that the plugin sees it as in process.
"""

import asyncio
import time
from collections.abc import Callable, Mapping
from contextvars import Context
from typing import Any

from isp_plugin_sdk.context import DEFAULT_TIMEOUT_S, HostCalls, current_call
from isp_plugin_sdk.errors import PluginSdkError
from isp_plugin_sdk.values import json_copy
from isp_plugin_sdk.wire import messages
from isp_plugin_sdk.wire.codes import Code
from isp_plugin_sdk.wire.messages import Message
from isp_plugins.runtime.worker import nesting
from isp_plugins.runtime.worker.channel import Channel
from isp_plugins.runtime.worker.errors import AnswerTooLargeError
from isp_plugins.runtime.worker.limits import Bucket, Tally, cost_of
from isp_plugins.runtime.worker.logs import WorkerLog

MAX_OPEN = 256
MAX_OPEN_BYTES = 16 * 1024 * 1024
"""Most that the requests that are open may be long, in bytes as they came."""
BYTES_A_TOKEN = 4
"""A host call costs one token, and one more for so many KiB."""
WRITES = frozenset({"storage.set", "storage.delete", "once.commit"})
SHOWN = 100
"""How much is shown of a method that is not there, in characters."""


class HostDesk:
    """Serves one worker; `per_second` host calls, and `writes_per_second` to its storage."""

    def __init__(
        self,
        host: HostCalls,
        channel: Channel,
        log: WorkerLog,
        *,
        per_second: float,
        writes_per_second: float,
    ) -> None:
        self._host = host
        self._channel = channel
        self._log = log
        self._calls = Throttle("host calls", per_second)
        self._writes = Throttle("writes to the storage", writes_per_second)
        self._open: dict[asyncio.Task[None], int] = {}
        self._open_bytes = 0
        self._closed = False
        self._requests: Mapping[str, Callable[[Mapping[str, Any]], Any]] = {
            "storage.get": lambda params: self._host.storage_get(_text(params, "key")),
            "storage.set": lambda params: self._host.storage_set(
                _text(params, "key"), _value(params, "value")
            ),
            "storage.delete": lambda params: self._host.storage_delete(_text(params, "key")),
            "storage.list": lambda params: self._host.storage_list(_text(params, "prefix")),
            "once.seen": lambda params: self._host.once_seen(_text(params, "mark")),
            "once.commit": lambda params: self._host.once_commit(_text(params, "mark"), _writes(params)),
            "dispatch": lambda params: self._host.dispatch(
                _text(params, "hook"), _value(params, "payload"), _context(params)
            ),
            "emit": lambda params: self._host.emit(_text(params, "hook"), _value(params, "payload")),
        }

    @property
    def slowed(self) -> int:
        """Host calls slowed down since it began, writes to the storage apart."""
        return self._calls.tally.total

    @property
    def writes_slowed(self) -> int:
        """Writes to the storage slowed down since it began."""
        return self._writes.tally.total

    def take(self, message: Message, size: int) -> None:
        """Begin to answer a request of so many bytes."""
        if self._closed:
            return
        pending = self._channel.waiting(message.get("params", {}).get("call"))
        context = Context() if pending is None or pending.given_up else pending.context.copy()
        task = asyncio.get_running_loop().create_task(self._serve(message, size), context=context)
        self._open[task] = size
        self._open_bytes += size
        task.add_done_callback(self._done)
        if len(self._open) >= MAX_OPEN or self._open_bytes >= MAX_OPEN_BYTES:
            self._channel.hold(on=True)

    def close(self) -> None:
        """Nobody waits for the answers any more."""
        self._closed = True
        for task in self._open:
            task.cancel()

    def _done(self, task: asyncio.Task[None]) -> None:
        self._open_bytes -= self._open.pop(task)
        if not task.cancelled():
            task.exception()  # seen: `_serve` answers whatever happens
        if len(self._open) < MAX_OPEN // 2 and self._open_bytes < MAX_OPEN_BYTES // 2:
            self._channel.hold(on=False)

    async def _serve(self, message: Message, size: int) -> None:
        number, method = message["id"], message["method"]
        nesting.serving(self._channel, number)
        await self._wait_for_turn(method, size)
        try:
            answer = messages.result(number, await self._in_time(message))
        except TimeoutError:
            answer = messages.failure(number, Code.OUT_OF_TIME, "there was no time left for it")
        except _UnknownRequestError as error:
            answer = messages.failure(number, Code.METHOD_NOT_FOUND, str(error))
        except _InvalidParamsError as error:
            answer = messages.failure(number, Code.INVALID_PARAMS, str(error))
        except Exception as error:
            answer = _refusal(number, error)
        self._answer(number, answer)

    def _answer(self, number: int, answer: Message) -> None:
        """Send it; what cannot be sent becomes a refusal, so that nobody waits in vain."""
        try:
            self._channel.answer(answer)
        except (AnswerTooLargeError, TypeError) as error:
            self._channel.answer(_refusal(number, error))

    async def _in_time(self, message: Message) -> Any:
        work = self._requests.get(message["method"])
        if work is None:
            known = ", ".join(self._requests)
            raise _UnknownRequestError(
                f"there is no request {message['method'][:SHOWN]!r}; there are {known}"
            )
        info = current_call.get()
        left = DEFAULT_TIMEOUT_S if info is None else info.deadline - time.monotonic()
        if left <= 0:
            raise TimeoutError
        async with asyncio.timeout(left):
            return await work(message.get("params", {}))

    async def _wait_for_turn(self, method: str, size: int) -> None:
        if method in WRITES:
            await self._wait(self._writes, 1)
        await self._wait(self._calls, cost_of(size // BYTES_A_TOKEN))

    async def _wait(self, throttle: "Throttle", cost: int) -> None:
        now = time.monotonic()
        pause = throttle.bucket.take(now, cost)
        if pause <= 0:
            return
        slowed = throttle.tally.add(now)
        if slowed:
            self._log.note(
                "%d %s of this plugin were slowed down: at most %g a second are served",
                slowed,
                throttle.what,
                throttle.per_second,
            )
        await asyncio.sleep(pause)


class Throttle:
    """At most so many of something a second."""

    def __init__(self, what: str, per_second: float) -> None:
        self.what = what
        self.per_second = per_second
        self.bucket = Bucket(per_second)
        self.tally = Tally()


class _UnknownRequestError(Exception):
    """A request is none of the protocol's."""


class _InvalidParamsError(Exception):
    """A request is not what the protocol says."""


def _refusal(number: int, error: Exception) -> Message:
    """What the host says instead of doing it."""
    data: dict[str, Any] = {"problem": type(error).__name__, "detail": str(error)}
    if isinstance(error, PluginSdkError):
        data["fields"] = error.fields
    return messages.failure(number, Code.REFUSED, str(error), data)


def _text(params: Mapping[str, Any], name: str) -> str:
    value = params.get(name)
    if not isinstance(value, str):
        raise _InvalidParamsError(f"expected `{name}` as text, got {type(value).__name__}")
    return value


def _value(params: Mapping[str, Any], name: str) -> Any:
    return json_copy(params.get(name), f"`{name}`")


def _context(params: Mapping[str, Any]) -> dict[str, Any] | None:
    value = params.get("context")
    if value is not None and not isinstance(value, dict):
        raise _InvalidParamsError(f"expected `context` as an object or null, got {type(value).__name__}")
    return value


def _writes(params: Mapping[str, Any]) -> list[tuple[str, str, Any]]:
    """What is to be stored together with a mark."""
    value = params.get("writes")
    if not isinstance(value, list) or not all(_is_write(one) for one in value):
        expected = '["set", key, value] and ["delete", key, null]'
        raise _InvalidParamsError(f"expected `writes` as a list of {expected}, got {type(value).__name__}")
    return [(kind, key, json_copy(stored, f"the value of {key!r}")) for kind, key, stored in value]


def _is_write(one: Any) -> bool:
    return isinstance(one, list) and len(one) == 3 and one[0] in {"set", "delete"} and isinstance(one[1], str)
