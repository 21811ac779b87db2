"""The host's end of one worker's channel, on the event loop: requests that wait for answers, and what the worker sends by itself.

1. Answers are matched by number and may come in any order. One that nobody waits for (late, twice, for a number that was never asked)
   is dropped and counted.
2. What is not the protocol ends the channel: no JSON, no message, a line that is too long.
3. Nothing is written while the worker does not read, beyond what the system buffers; whoever calls waits, and so much may wait at most.
   Answers to the worker's own requests cannot wait elsewhere: a worker that lets as much of them pile up is ended.
4. What nobody asked for (notifications, answers that nobody waits for) is throttled, and so is the worker while `hold` is on: nothing is
   read, so that one which floods its channel waits itself (`intake`).
5. A request that is alone leaves at once; those that come while others wait for answers go out together, once in a turn of the loop.
"""

import asyncio
import itertools
import socket
import time
from collections.abc import Callable
from contextvars import Context, copy_context
from typing import Any

import orjson

from isp_plugin_sdk.errors import NotJsonError
from isp_plugin_sdk.values import json_copy
from isp_plugin_sdk.wire import messages
from isp_plugin_sdk.wire.codes import Code
from isp_plugin_sdk.wire.framing import MessageTooLongError
from isp_plugin_sdk.wire.messages import Message, NotAMessageError, Shape, shape_of
from isp_plugin_sdk.wire.numbers import lacks_a_number
from isp_plugins.contracts.worker import DeathReason
from isp_plugins.runtime.worker.direct import DirectSocket
from isp_plugins.runtime.worker.errors import (
    AnswerError,
    AnswerTooLargeError,
    MessageTooLargeError,
    WorkerOverloadedError,
    not_begun,
)
from isp_plugins.runtime.worker.intake import Hold, Intake

BATCH = 262_144
"""Most that is kept to go out together, in bytes."""
OPTIONS = orjson.OPT_PASSTHROUGH_DATACLASS | orjson.OPT_PASSTHROUGH_DATETIME | orjson.OPT_APPEND_NEWLINE


class Pending:
    """A request that waits for its answer."""

    __slots__ = ("began", "context", "future", "given_up", "label", "number")

    def __init__(self, number: int, label: str, future: "asyncio.Future[Any]") -> None:
        self.number = number
        self.label = label
        """What to call it in messages: the plugin's method, or the request's name."""
        self.future = future
        self.context: Context = copy_context()
        """What surrounds it: the call that the plugin makes its own requests under."""
        self.given_up = False
        self.began = time.monotonic()


class Channel(asyncio.Protocol):
    """One connection.

    Args:
        plugin: The plugin's name, for messages.
        max_bytes: Longest message, either way.
        max_pending: Bytes that may wait to be sent.
        messages_per_second: Of what nobody asked for.
        hear: Takes what the worker sends by itself, with its shape and its size in bytes.
        broken: Told why the channel is over, in words what was not the protocol or which limit it was, and the line that it was, if any.
        closed: Told that the worker closed its end.
        flooded: Told, at most once a minute, how often the worker was slowed down since.
        direct: Its socket, where that can be used without the loop.
    """

    _transport: asyncio.Transport

    def __init__(
        self,
        plugin: str,
        *,
        max_bytes: int,
        max_pending: int,
        messages_per_second: float,
        hear: Callable[[Shape, Message, int], None],
        broken: Callable[[DeathReason, str, bytes], None],
        closed: Callable[[], None],
        flooded: Callable[[int], None],
        direct: DirectSocket | None = None,
    ) -> None:
        self._plugin = plugin
        self._direct = direct
        self._nobodys = Context()
        """What surrounds work that belongs to no call: a look must not lend its caller's."""
        self._max_bytes = max_bytes
        self._max_pending = max_pending
        self._hear = hear
        self._broken = broken
        self._closed = closed
        self._intake = Intake(
            self._take,
            max_bytes=max_bytes,
            per_second=messages_per_second,
            turned=self._turn_reading,
            flooded=flooded,
        )
        self._numbers = itertools.count(1)
        self._loop = asyncio.get_running_loop()
        self._waiting: dict[int, Pending] = {}
        self.writable = True
        """Whether the worker reads what is sent."""
        self._resumed = asyncio.Event()
        self._held_back = 0
        self._failure: BaseException | None = None
        self._outbox: list[bytes] = []
        self._outbox_bytes = 0
        self._flushing = False
        """Whether what comes is kept for a moment, to go out together."""
        self.dropped = 0
        """Answers that nobody waited for."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """The socket is on the loop."""
        self._transport = transport  # type: ignore[assignment]  # a stream's

    def connection_lost(self, exc: Exception | None) -> None:
        """The worker closed its end, or we did."""
        self._closed()

    def pause_writing(self) -> None:
        """The worker does not read."""
        self.writable = False
        self._resumed.clear()

    def resume_writing(self) -> None:
        """It reads again."""
        self.writable = True
        self._resumed.set()

    def data_received(self, data: bytes) -> None:
        """Work off every message that is whole."""
        try:
            self._intake.take(data)
        except MessageTooLongError as error:
            self._break(str(error), error.line)

    async def open(self, method: str, params: dict[str, Any], label: str | None = None) -> Pending:
        """Send a request; waits while the worker does not read. Raises what `fail` was given once the channel is over."""
        number = next(self._numbers)
        text = self._encoded(messages.request(number, method, params))
        if not self.writable:
            await self._turn(len(text))
        return self._post(number, text, label or method)

    def post(self, method: str, params: dict[str, Any], label: str) -> Pending:
        """The same without a step on the loop; only while `writable`."""
        number = next(self._numbers)
        return self._post(number, self._encoded(messages.request(number, method, params)), label)

    def _post(self, number: int, text: bytes, label: str) -> Pending:
        if self._failure is not None:
            raise not_begun(self._failure)
        if self._waiting or self._flushing:
            self._write(text)
        else:
            self._send(text)
        pending = self._waiting[number] = Pending(number, label, self._loop.create_future())
        return pending

    def look_for(self, pending: Pending) -> None:
        """Before it is awaited: take the answer now where answers come promptly, and this one is all that is waited for."""
        direct = self._direct
        if direct is None or not direct.busy_poll.on or len(self._waiting) > 1 or not self._intake.at_rest:
            return
        data = direct.look()
        if data and not (
            data.find(b"\n") == len(data) - 1 <= self._max_bytes and self._settles(pending, data)
        ):
            self._nobodys.run(self.data_received, data)

    def _settles(self, pending: Pending, line: bytes) -> bool:
        """Whether a line is the result that it waits for, and nothing else."""
        try:
            message = orjson.loads(line)
        except orjson.JSONDecodeError:
            return False
        if type(message) is not dict or "result" not in message or "error" in message or "method" in message:
            return False
        number = message.get("id")
        if type(number) is not int or number != pending.number:
            return False
        del self._waiting[number]
        pending.future.set_result(message["result"])
        return True

    def tell(self, method: str, params: dict[str, Any]) -> None:
        """Send a notification, without waiting."""
        if self._failure is None:
            self._write(self._encoded(messages.notification(method, params)))

    def answer(self, message: Message) -> None:
        """Answer one of the worker's requests; `AnswerTooLargeError`, `TypeError` where it is not JSON."""
        if self._failure is not None:
            return
        text = _answer_text(message)
        if len(text) - 1 > self._max_bytes:
            raise AnswerTooLargeError(plugin=self._plugin, size=len(text) - 1, limit=self._max_bytes)
        waiting = 0 if self.writable else self._transport.get_write_buffer_size()
        if waiting + len(text) > self._max_pending and waiting:
            words = "bytes of answers to its own host calls wait to be read by it, at most"
            self._end(DeathReason.LIMIT, f"{waiting} {words} {self._max_pending} may")
        else:
            self._write(text)

    def give_up(self, pending: Pending) -> bool:
        """Nobody waits any more: the worker is told to cancel. Whether it still owes the answer."""
        if pending.number not in self._waiting:
            return False
        pending.given_up = True
        self.tell("cancel", {"id": pending.number})
        return True

    def owes(self, pending: Pending) -> bool:
        """Whether the worker has not answered this."""
        return pending.number in self._waiting

    def owes_any(self, label: str) -> bool:
        """Whether the worker has not answered some request with this label."""
        return any(pending.label == label for pending in self._waiting.values())

    def waiting(self, number: Any) -> Pending | None:
        """The request of this number, while it is not answered."""
        return self._waiting.get(number) if type(number) is int else None

    @property
    def given_up(self) -> int:
        """Requests that were given up and still run."""
        return sum(pending.given_up for pending in self._waiting.values())

    @property
    def reading(self) -> bool:
        """Whether the host reads now."""
        return self._intake.open

    @property
    def paused(self) -> int:
        """How often the worker was slowed down because it sent too much that nobody asked for."""
        return self._intake.pauses.total

    def hold(self, *, on: bool) -> None:
        """Stop or go on reading, because of the host calls that are open."""
        self._intake.hold(Hold.CALLS, on=on)

    def read_on(self) -> None:
        """The worker is gone: read what it left, whatever it flooded."""
        self._intake.end()

    def fail(self, error: BaseException) -> None:
        """The worker is gone: every request ends with this error, those to come, too."""
        if self._failure is None:
            self._failure = error
        self.writable = True
        self._resumed.set()
        waiting, self._waiting = self._waiting, {}
        for pending in waiting.values():
            if not pending.future.done():
                pending.future.set_exception(error)
                pending.future.exception()  # seen, also where nobody waits any more

    def close(self) -> None:
        """Close our end."""
        self._intake.drop()
        self._transport.abort()

    async def _turn(self, size: int) -> None:
        """Wait until something can be written."""
        if self._held_back + size > self._max_pending:
            raise WorkerOverloadedError(plugin=self._plugin, waiting=self._held_back, limit=self._max_pending)
        self._held_back += size
        try:
            while not self.writable:
                await self._resumed.wait()
        finally:
            self._held_back -= size

    def _write(self, text: bytes) -> None:
        """Send now, or with others at the end of the loop's turn: a system call costs as much as a call.

        While other requests wait for answers, the first message of a turn goes out at once and those behind it together.
        """
        if self._flushing:
            self._outbox.append(text)
            self._outbox_bytes += len(text)
            if self._outbox_bytes > BATCH:
                self._send_outbox()
            return
        if self._waiting:
            self._flushing = True
            self._loop.call_soon(self._flush)
        self._send(text)

    def _send(self, text: bytes) -> None:
        if self._direct is not None and self.writable and not self._transport.get_write_buffer_size():
            try:
                sent = self._direct.send(text, socket.MSG_DONTWAIT)
            except OSError:  # full or over: the transport finds out
                sent = 0
            if sent == len(text):
                return
            text = text[sent:]
        self._transport.write(text)

    def _flush(self) -> None:
        self._flushing = False
        if self._outbox:
            self._send_outbox()

    def _send_outbox(self) -> None:
        self._send(b"".join(self._outbox))
        self._outbox.clear()
        self._outbox_bytes = 0

    def _encoded(self, message: Message) -> bytes:
        try:
            text = orjson.dumps(message, None, OPTIONS)
        except TypeError:
            json_copy(message.get("params"), "what the plugin is called with")  # tells where it is no JSON
            raise
        if text.find(b"null") >= 0 and lacks_a_number(message):  # orjson writes it as null; `in` is slower
            json_copy(message.get("params"), "what the plugin is called with")  # tells where it is
        if len(text) - 1 > self._max_bytes:
            raise MessageTooLargeError(plugin=self._plugin, size=len(text) - 1, limit=self._max_bytes)
        return text

    def _turn_reading(self, on: bool) -> None:  # noqa: FBT001  a callback's only argument
        if not self._transport.is_closing():
            (self._transport.resume_reading if on else self._transport.pause_reading)()

    def _take(self, line: bytes) -> None:
        try:
            message = orjson.loads(line)
            shape = shape_of(message)
        except orjson.JSONDecodeError as error:
            self._break(f"a line is not JSON ({error})", line)
            return
        except NotAMessageError as error:
            self._break(f"a line is no message ({error})", line)
            return
        if shape is not Shape.RESPONSE:
            if shape is Shape.NOTIFICATION:
                self._intake.charge(len(line))
            self._hear(shape, message, len(line))
            return
        pending = self._waiting.pop(message["id"], None)
        if pending is None or pending.given_up or pending.future.done():
            self.dropped += 1
            self._intake.charge(len(line))
            return
        if self._direct is not None and not self._direct.busy_poll.on:
            self._direct.busy_poll.came(time.monotonic() - pending.began)
        if "error" in message:
            told = message["error"]
            failure = AnswerError(told["code"], told["message"], told.get("data") or {})
            pending.future.set_exception(failure)
        else:
            pending.future.set_result(message["result"])

    def _break(self, what: str, line: bytes) -> None:
        self._end(DeathReason.PROTOCOL, f"it sent what is not the protocol: {what}", line)

    def _end(self, reason: DeathReason, words: str, line: bytes = b"") -> None:
        self.close()
        self._broken(reason, words, line)


def _answer_text(message: Message) -> bytes:
    """The answer to a request of the worker's; one that holds a number that JSON does not have becomes a refusal that says where."""
    text = orjson.dumps(message, str, OPTIONS)
    if text.find(b"null") >= 0 and lacks_a_number(message):
        try:
            json_copy(message.get("result"), "the answer")
        except NotJsonError as error:
            data = {"problem": type(error).__name__, "detail": str(error), "fields": error.fields}
            return orjson.dumps(messages.failure(message["id"], Code.REFUSED, str(error), data), str, OPTIONS)
    return text
