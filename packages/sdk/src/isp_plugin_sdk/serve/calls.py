"""One call into the plugin and its answer, encoded: a plain method runs in the thread that asks, a coroutine on the loop.

1. Nothing a plugin raises leaves here, `SystemExit` and `KeyboardInterrupt` included: it becomes the answer's error.
2. Each call has context variables of its own, with the call as the current one.
3. What is returned must be JSON: what an execute returns is checked value by value, as in process.
"""

import inspect
from collections.abc import Callable, Coroutine, Mapping
from contextvars import copy_context
from typing import TYPE_CHECKING, Any

from isp_plugin_sdk.calling import binding
from isp_plugin_sdk.calling.causes import MAX_TRACEBACK
from isp_plugin_sdk.calling.errors import RefusedError
from isp_plugin_sdk.calling.reports import misfit
from isp_plugin_sdk.context import current_call
from isp_plugin_sdk.errors import NotJsonError, Reject, RetryLater
from isp_plugin_sdk.serve.current import ServedCall
from isp_plugin_sdk.serve.link import Link
from isp_plugin_sdk.serve.loop import LoopThread
from isp_plugin_sdk.serve.plugin import ServedPlugin
from isp_plugin_sdk.values import json_copy
from isp_plugin_sdk.wire.codec import NOT_ENCODABLE
from isp_plugin_sdk.wire.codes import Code
from isp_plugin_sdk.wire.messages import Message

if TYPE_CHECKING:  # imported when the first coroutine runs: it costs a worker's start
    import asyncio

_set_current = current_call.variable.set
_JSON: frozenset[Any] = frozenset({dict, list, str, int, float, bool, type(None)})
"""Types that most results have, and that need no closer look."""
_NOTHING: Mapping[str, Any] = {}


class Calls:
    """Runs invokes and executes.

    Args:
        plugin: Whose methods are called.
        link: Where answers of coroutines go.
        loop: Where coroutines run.
        ended: Told each number that is answered.
    """

    def __init__(
        self, plugin: ServedPlugin, link: Link, loop: LoopThread, ended: Callable[[int], None]
    ) -> None:
        self._plugin = plugin
        self._link = link
        self._loop = loop
        self._ended = ended
        self._tasks: dict[int, asyncio.Task[None]] = {}
        self.early: set[int] = set()
        """Numbers that were cancelled before their task was there; once one is answered it is dropped."""
        self.max_bytes = 0
        """Longest answer, in bytes; 0: any."""

    def invoke(self, message: Message) -> bytes | None:
        """Call a hook's method with its payload: most of what a worker does, so a plain method is run and answered right here."""
        number, params = message["id"], message["params"]
        call = ServedCall(number, params["method"], params.get("call") or _NOTHING)
        try:
            method, is_async = self._plugin.hook_method(call.method)
        except RefusedError as error:
            return self._refused(number, error)
        payload = params.get("payload")
        if is_async:
            self._begin(call, self._answer, lambda: method(payload))
            return None
        try:
            context = copy_context()
            context.run(_set_current, call)
            value = context.run(method, payload)
        except BaseException as error:  # whatever a plugin raises stays with it
            return self.raised(number, error)
        if type(value) in _JSON:
            return self._answer(number, value)
        return self._settled(call, self._answer, value)

    def execute(self, message: Message) -> bytes | None:
        """Call a method with parameters bound to its own."""
        params = message["params"]
        call = ServedCall(message["id"], params["method"], params.get("call") or _NOTHING)
        try:
            method = self._plugin.method(call.method)
            bound = binding.bind(call.method, binding.signature_of(method), params.get("parameters"))
        except RefusedError as error:
            return self._refused(call.number, error)
        if inspect.iscoroutinefunction(method):
            self._begin(call, self.checked_answer, lambda: method(*bound.args, **bound.kwargs))
            return None
        return self._run(call, self.checked_answer, method, bound.args, bound.kwargs)

    def cancel(self, number: int) -> None:
        """Cancel the coroutine of a call; a thread cannot be."""
        self._loop.get().call_soon_threadsafe(self._cancel, number)

    def raised(self, number: int, error: BaseException) -> bytes:
        """The answer to a call that raised."""
        if isinstance(error, Reject):
            reason = str(error.reason)  # whatever the plugin gave
            return self._failure(number, Code.REJECTED, reason, {"reason": reason})
        if isinstance(error, RetryLater):
            data = {"after_s": error.retry_after_s, "reason": str(error.reason)}
            return self._failure(number, Code.RETRY_LATER, str(error), data)
        cause = self._plugin.cause(error)
        kind, text = type(error).__name__, _words(error)
        data = {"type": kind, "message": text, "traceback": cause.traceback, "summary": cause.summary}
        return self._failure(number, Code.RAISED, f"{kind}: {text}", data)

    def _run(
        self,
        call: ServedCall,
        answer: Callable[[int, Any], bytes],
        method: Callable[..., Any],
        args: tuple[Any, ...],
        kwargs: Mapping[str, Any],
    ) -> bytes | None:
        """A plain method, in this thread."""
        try:
            context = copy_context()
            context.run(_set_current, call)
            value = context.run(method, *args, **kwargs)
        except BaseException as error:  # whatever a plugin raises stays with it
            return self.raised(call.number, error)
        return self._settled(call, answer, value)

    def _settled(self, call: ServedCall, answer: Callable[[int, Any], bytes], value: Any) -> bytes | None:
        """The answer with what a plain method returned; what can be awaited is awaited on the loop."""
        if type(value) not in _JSON and inspect.isawaitable(value):
            self._begin(call, answer, lambda: value)
            return None
        return answer(call.number, value)

    def _begin(self, call: ServedCall, answer: Callable[[int, Any], bytes], make: Callable[[], Any]) -> None:
        """Await on the loop; this thread goes on."""
        loop = self._loop.get()
        work = self._awaited(call, answer, make)
        loop.call_soon_threadsafe(self._create, loop, call.number, work)

    def _create(
        self, loop: "asyncio.AbstractEventLoop", number: int, work: Coroutine[Any, Any, None]
    ) -> None:
        task = loop.create_task(work)
        self._tasks[number] = task
        if number in self.early:
            loop.call_soon(task.cancel)  # once it has begun, so that it answers

    def _cancel(self, number: int) -> None:
        task = self._tasks.get(number)
        if task is not None:
            task.cancel()
        else:
            self.early.add(number)

    async def _awaited(
        self, call: ServedCall, answer: Callable[[int, Any], bytes], make: Callable[[], Any]
    ) -> None:
        import asyncio

        current_call.set(call)
        try:
            text = answer(call.number, await make())
        except asyncio.CancelledError as error:
            task = asyncio.current_task()
            if task is not None and task.cancelling():
                text = self._failure(call.number, Code.CANCELLED, "the call was cancelled", None)
            else:
                text = self.raised(call.number, error)
        except BaseException as error:  # whatever a plugin raises stays with it
            text = self.raised(call.number, error)
        del self._tasks[call.number]
        self._ended(call.number)
        self._link.send_text(text)

    def _answer(self, number: int, value: Any) -> bytes:
        """The answer with a value, or why it is not JSON."""
        try:
            text = self._link.answer_text(number, value)
        except NOT_ENCODABLE as error:
            return self.checked_answer(number, value, str(error))
        return text if len(text) <= self.max_bytes else self._bounded(number, text)

    def checked_answer(self, number: int, value: Any, why: str = "") -> bytes:
        """The same, every part of it checked."""
        try:
            text = self._link.answer_text(number, json_copy(value, "the result"))
            return self._bounded(number, text)
        except NotJsonError as error:
            return self._not_json(number, misfit(error))
        except NOT_ENCODABLE as error:
            reason = why or str(error) or "it changes while it is read, or is too large"
            return self._not_json(number, reason)

    def _bounded(self, number: int, text: bytes) -> bytes:
        if self.max_bytes and len(text) > self.max_bytes:
            return self._not_json(
                number, f"it is {len(text)} bytes of JSON, expected at most {self.max_bytes}"
            )
        return text

    def _not_json(self, number: int, reason: str) -> bytes:
        return self._failure(number, Code.NOT_JSON, reason, {"reason": reason})

    def _refused(self, number: int, error: RefusedError) -> bytes:
        data = {"kind": error.kind.value, **error.fields}
        return self._failure(number, Code.NOT_CALLABLE, str(error), data)

    def _failure(self, number: int, code: Code, message: str, data: dict[str, Any] | None) -> bytes:
        return self._link.failure_text(number, code, message, data)


def _words(error: BaseException) -> str:
    try:
        return str(error)[:MAX_TRACEBACK]
    except BaseException as unprintable:
        return f"(its message cannot be printed: {type(unprintable).__name__})"
