"""What each message of the host means, and who does it.

1. The handshake comes first, `initialize` next; before, calls are refused.
2. Pings, cancellations and answers are done by the thread that reads, never behind a call.
3. Each request is answered once; a cancelled one, too.
4. A call that belongs to a question of ours goes to whoever waits for that answer.
"""

import os
from collections.abc import Callable, Mapping
from typing import Any

from isp_plugin_sdk import __version__
from isp_plugin_sdk.calling.errors import CannotStartError
from isp_plugin_sdk.serve import kernel, logs
from isp_plugin_sdk.serve.calls import Calls
from isp_plugin_sdk.serve.crew import Crew
from isp_plugin_sdk.serve.link import Link
from isp_plugin_sdk.serve.loop import LoopThread
from isp_plugin_sdk.serve.options import Options
from isp_plugin_sdk.serve.plugin import ObjectedError, ServedPlugin, python_version
from isp_plugin_sdk.serve.way import WireWay
from isp_plugin_sdk.wire import MAX_CALLS, MAX_MESSAGE_BYTES, PROTOCOL_VERSION
from isp_plugin_sdk.wire.busy_poll import BusyPoll
from isp_plugin_sdk.wire.codec import NOT_ENCODABLE, NotJsonTextError
from isp_plugin_sdk.wire.codes import Code
from isp_plugin_sdk.wire.framing import Lines
from isp_plugin_sdk.wire.messages import Message, NotAMessageError, Shape, shape_of

MAX_QUEUED = 1000
"""Calls that may wait for a thread; one more is answered `BUSY`."""
_NO_CALL: dict[str, Any] = {}
Handler = Callable[[Message], Any]


class Desk:
    """One worker's side of the conversation."""

    def __init__(
        self, options: Options, link: Link, parent: int, sandbox: dict[str, Any] | None = None
    ) -> None:
        self._options = options
        self._sandbox = sandbox
        self._link = link
        self._parent = parent
        self._loop = LoopThread()
        self._lines = Lines(MAX_MESSAGE_BYTES)
        self.crew = Crew(link, self, self._lines)
        self._going: set[int] = set()
        """Calls that came and are not answered."""
        self._plugin: ServedPlugin | None = None
        self._calls: Calls | None = None
        self._ready = False
        self._handlers: Mapping[str, Handler] = {
            "handshake": self._handshake,
            "initialize": self._initialize,
            "migrate": self._migrate,
            "activate": lambda _: self._loaded.activate(),
            "configure": lambda message: self._loaded.configure(message["params"]["config"]),
            "health": lambda _: self._loaded.ask("health_check"),
            "info": lambda _: self._loaded.ask("get_info"),
            "test_connection": lambda _: self._loaded.ask("test_connection"),
            "cleanup": lambda _: {"problem": self._loaded.clean_up()},
        }
        self._run_call: dict[str, Callable[[Message], bytes | None]] = dict.fromkeys(
            self._handlers, self._lifecycle
        )

    def take(self, line: bytes) -> Message | None:
        """Do what is quick; a call to queue is returned."""
        try:
            message: Message = self._link.codec.decode(line)
            if self._is_plain_invoke(message):
                return message
            shape = shape_of(message)
        except (NotJsonTextError, NotAMessageError) as error:
            code = Code.PARSE_ERROR if isinstance(error, NotJsonTextError) else Code.INVALID_REQUEST
            self._link.send_text(self._link.failure_text(None, code, str(error), None))
            return None
        if shape is Shape.RESPONSE:
            self._link.answered(message)
        elif shape is Shape.NOTIFICATION:
            self._hear(message)
        else:
            return self._admit(message)
        return None

    def run(self, call: Message) -> bytes | None:
        """Do what a request asks; its encoded answer, or None where that comes later."""
        number: int = call["id"]
        try:
            answer = self._run_call[call["method"]](call)
        except Exception as error:
            answer = self._link.failure_text(
                number, Code.INTERNAL_ERROR, f"{type(error).__name__}: {error}", None
            )
        if answer is not None:
            self._ended(number)
        return answer

    def run_nested(self, call: Message) -> None:
        """Run a call that belongs to a question of this thread, and answer it."""
        answer = self.run(call)
        if answer is not None:
            self._link.send_text(answer)

    def _is_plain_invoke(self, message: Any) -> bool:
        """Whether this is what nearly all messages are, with nothing that would need the long way; it counts as admitted then."""
        if not (type(message) is dict and message.get("method") == "invoke" and self._ready):
            return False
        number, params = message.get("id"), message.get("params")
        if not (type(number) is int and number > 0 and type(params) is dict):
            return False
        call = params.get("call", _NO_CALL)
        if type(params.get("method")) is not str or type(call) is not dict or "parent" in call:
            return False
        if len(self.crew.queue) >= MAX_QUEUED:
            return False
        self._going.add(number)
        return True

    def _admit(self, message: Message) -> Message | None:
        """Answer at once, hand to who waits, or queue."""
        method, number = message["method"], message["id"]
        params = message.setdefault("params", {})
        if method == "ping":
            self._link.send_text(self._link.answer_text(number, {}))
            return None
        refusal = self._refusal(method, params)
        if refusal is not None:
            self._link.send_text(self._link.failure_text(number, *refusal, None))
            return None
        self._going.add(number)
        call = params.get("call", _NO_CALL)
        parent = self._link.waiting(call["parent"]) if "parent" in call else None
        if parent is None:
            return message
        parent(message)
        return None

    def _refusal(self, method: str, params: Mapping[str, Any]) -> tuple[Code, str] | None:
        """Why a request is not even tried."""
        if method == "invoke" or method == "execute":  # noqa: PLR1714  as fast as can be
            if type(params.get("method")) is not str or type(params.get("call", _NO_CALL)) is not dict:
                return Code.INVALID_PARAMS, "expected `method` as text and `call` as an object"
        elif method not in self._handlers:
            return Code.METHOD_NOT_FOUND, f"there is no request {method!r}"
        if not self._ready and method not in {"handshake", "initialize", "migrate"}:
            return Code.INVALID_REQUEST, "first comes the handshake, then initialize, then everything else"
        if len(self.crew.queue) >= MAX_QUEUED:
            return Code.BUSY, f"{MAX_QUEUED} calls wait already"
        return None

    def _hear(self, message: Message) -> None:
        """A notification; one that nobody knows is ignored."""
        method, params = message["method"], message.get("params", {})
        if method == "cancel":
            self._cancel(params.get("id"))
        elif method == "log_level":
            logs.set_level(params.get("level"))
        elif method == "exit":
            os._exit(0)

    def _cancel(self, number: Any) -> None:
        if number not in self._going:
            return
        if self.crew.withdraw(lambda call: call["id"] == number):
            text = self._link.failure_text(number, Code.CANCELLED, "the call was cancelled", None)
            self._ended(number)
            self._link.send_text(text)
        elif self._calls is not None:
            self._calls.cancel(number)

    def _ended(self, number: int) -> None:
        self._going.discard(number)
        if self._calls is not None and self._calls.early:
            self._calls.early.discard(number)

    def _lifecycle(self, call: Message) -> bytes:
        """What only the host asks; what the plugin raises is the answer's error."""
        number = call["id"]
        try:
            value = self._handlers[call["method"]](call)
        except CannotStartError as error:
            return self._not_started(number, "initialize", error.kind, error)
        except ObjectedError as error:
            failed = CannotStartError("refused", str(error))  # type: ignore[arg-type]  # no kind of a start's
            return self._not_started(number, call["method"], "refused", failed)
        except _UnacceptableError as error:
            return self._link.failure_text(number, error.code, str(error), {"protocol": [PROTOCOL_VERSION]})
        except BaseException as error:  # whatever a plugin raises stays with it
            if self._calls is None:
                raise
            return self._calls.raised(number, error)
        return self._value(number, value)

    def _value(self, number: int, value: Any) -> bytes:
        try:
            return self._link.answer_text(number, value)
        except NOT_ENCODABLE as error:
            if self._calls is None:
                raise
            return self._calls.checked_answer(number, value, str(error))

    def _not_started(self, number: int, step: str, kind: str, error: CannotStartError) -> bytes:
        data = {
            **error.fields,
            "step": step,
            "kind": kind,
            "reason": error.reason,
            "traceback": error.traceback,
        }
        return self._link.failure_text(number, Code.NOT_STARTED, error.reason, data)

    def _handshake(self, message: Message) -> dict[str, Any]:
        params = message["params"]
        if PROTOCOL_VERSION not in params.get("protocol", ()):
            text = f"expected protocol {PROTOCOL_VERSION}, got {params.get('protocol')}"
            raise _UnacceptableError(text, Code.INVALID_PARAMS)
        plugin = params.get("plugin") or {}
        way = WireWay(self._link, self.run_nested, self.crew.beside)
        served = ServedPlugin(
            self._options, plugin.get("id", 0), plugin.get("name", self._options.module_path), way, self._loop
        )
        calls = Calls(served, self._link, self._loop, self._ended)
        calls.max_bytes = self._lines.limit = params.get("max_message_bytes", MAX_MESSAGE_BYTES)
        self.crew.limit(params.get("max_calls", MAX_CALLS))
        self.crew.busy_poll = BusyPoll(params.get("busy_poll_us", 0) / 1e6)
        self._plugin, self._calls = served, calls
        self._run_call |= {"invoke": calls.invoke, "execute": calls.execute}
        name = {"name": "isp-plugin-sdk", "version": __version__, "language": python_version()}
        answer = {"protocol": PROTOCOL_VERSION, "implementation": name}
        return answer if self._sandbox is None else answer | {"sandbox": self._sandbox}

    def _initialize(self, message: Message) -> dict[str, Any]:
        if self._ready:
            raise _UnacceptableError("initialize comes once")
        kernel.die_with_parent(self._parent)
        logs.install(self._link)
        logs.set_level(message["params"].get("log_level", "INFO"))
        described = self._served.load(
            message["params"].get("config", {}), lambda step: self._link.tell("step", {"name": step})
        )
        self._ready = True
        return described

    def _migrate(self, message: Message) -> dict[str, Any]:
        """Another version's configuration, as this one wants it; a worker that was asked for that is not initialised any more."""
        if self._ready:
            raise _UnacceptableError("migrate comes before initialize")
        kernel.die_with_parent(self._parent)
        logs.install(self._link)
        params = message["params"]
        return {"config": self._served.migrate(str(params["from_version"]), params["config"])}

    @property
    def _served(self) -> ServedPlugin:
        if self._plugin is None:
            raise _UnacceptableError("the handshake comes first")
        return self._plugin

    @property
    def _loaded(self) -> ServedPlugin:
        return self._served


class _UnacceptableError(Exception):
    """The host asks for what this worker cannot do, or at the wrong time."""

    def __init__(self, text: str, code: Code = Code.INVALID_REQUEST) -> None:
        super().__init__(text)
        self.code = code
