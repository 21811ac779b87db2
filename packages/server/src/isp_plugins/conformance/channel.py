"""The suite's end of the channel: sends requests, keeps what comes in its order, and notes everything that is not the protocol."""

import asyncio
import json
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NoReturn

from isp_plugins.conformance.host import HostCall, PlayedHost
from isp_plugins.conformance.results import UnmetError
from isp_plugins.conformance.shapes import mistakes_in_message

SHOWN = 200
"""How much of a message is shown, in characters."""
KEPT = 1000
"""How many notifications, the newest, and how many violations, the oldest, are kept of a worker that floods the channel."""


@dataclass(frozen=True, slots=True)
class Answer:
    """The response to one request."""

    method: str
    result: Any = None
    error: Mapping[str, Any] | None = None

    @property
    def code(self) -> int | None:
        """The error's code, or None."""
        return None if self.error is None else int(self.error["code"])

    @property
    def shown(self) -> str:
        """For people."""
        return shown(self.result) if self.error is None else f"the error {shown(self.error)}"


@dataclass(frozen=True, slots=True)
class Pending:
    """A request under way."""

    id: int
    method: str
    answer: "asyncio.Future[Answer]"


class Channel(asyncio.Protocol):
    """One conversation with one worker; made on a running loop."""

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self.violations: list[str] = []
        """What came and is not the protocol, each in a sentence."""
        self.notifications: deque[tuple[str, Mapping[str, Any]]] = deque(maxlen=KEPT)
        self.early: list[str] = []
        """The methods of what came before the first answer."""
        self.unnamed: asyncio.Queue[Answer] = asyncio.Queue()
        """Errors that name no request."""
        self.closed = asyncio.Event()
        self.interrupted = asyncio.Event()
        """The channel has ended, or something came that is not the protocol."""
        self.host = PlayedHost(self.send)
        self.transport: asyncio.Transport | None = None
        self._rest = b""
        self._overflows = False
        self._last_id = 0
        self._answered = False
        self._asked: dict[int, Pending] = {}
        self._host_calls: set[int] = set()

    def request(self, method: str, params: Any) -> Pending:
        """Send a request."""
        pending, line = self.prepared(method, params)
        self.write(line)
        return pending

    def prepared(self, method: str, params: Any) -> tuple[Pending, bytes]:
        """A request whose answer is awaited from now on, and its line, which the caller sends."""
        self._last_id += 1
        pending = Pending(self._last_id, method, asyncio.get_running_loop().create_future())
        self._asked[pending.id] = pending
        return pending, encode({"jsonrpc": "2.0", "id": pending.id, "method": method, "params": params})

    def notify(self, method: str, params: Mapping[str, Any]) -> None:
        """Send a notification."""
        self.send({"jsonrpc": "2.0", "method": method, "params": params})

    def send(self, message: Mapping[str, Any]) -> None:
        """Send one message."""
        self.write(encode(message))

    def write(self, data: bytes) -> None:
        """Send bytes as they are."""
        if self.transport is not None and not self.transport.is_closing():
            self.transport.write(data)

    def data_received(self, data: bytes) -> None:
        """Take what came, line by line."""
        *lines, self._rest = (self._rest + data).split(b"\n")
        for line in lines:
            self._take_line(line)
        if len(self._rest) > self.limit:
            self._violation(f"a message of more than {self.limit} bytes: {shown_bytes(self._rest)}")
            self._rest = b""
            self._overflows = True

    def connection_lost(self, exc: Exception | None) -> None:
        """The worker's end is closed."""
        del exc
        if self._rest:
            self._violation(f"an unfinished line at the end: {shown_bytes(self._rest)}")
        self.closed.set()
        self.interrupted.set()

    def _violation(self, text: str) -> None:
        if len(self.violations) < KEPT:
            self.violations.append(text)
        self.interrupted.set()

    def _take_line(self, line: bytes) -> None:
        if self._overflows:  # the end of a line of which too much was dropped already
            self._overflows = False
            return
        if len(line) > self.limit:
            self._violation(f"a message of {len(line)} bytes, more than {self.limit}: {shown_bytes(line)}")
            return
        try:
            message = json.loads(line.decode("utf-8"), parse_constant=_refuse_constant)
        except ValueError as error:
            self._violation(f"a line that is not JSON ({error}): {shown_bytes(line)}")
            return
        if found := mistakes_in_message(message):
            self._violation(f"{'; '.join(found)}, in {shown_bytes(line)}")
        elif "method" in message:
            self._take_request(message)
        else:
            self._take_answer(message)

    def _take_request(self, message: Mapping[str, Any]) -> None:
        if not self._answered:
            self.early.append(str(message["method"]))
        if "id" not in message:
            self.notifications.append((message["method"], message.get("params", {})))
        elif message["id"] in self._host_calls:
            self._violation(f"the id {message['id']} for a second request: {shown(message)}")
        else:
            self._host_calls.add(message["id"])
            self.host.take(HostCall(message["id"], message["method"], message["params"]))

    def _take_answer(self, message: Mapping[str, Any]) -> None:
        self._answered = True
        if message.get("id") is None and "error" in message:
            self.unnamed.put_nowait(Answer("", error=message["error"]))
            return
        pending = self._asked.pop(message["id"], None) if isinstance(message.get("id"), int) else None
        if pending is None:
            self._violation(f"an answer to a request that is not under way: {shown(message)}")
            return
        if not pending.answer.done():
            pending.answer.set_result(Answer(pending.method, message.get("result"), message.get("error")))


def encode(message: Any) -> bytes:
    """One message as a line."""
    return json.dumps(message, ensure_ascii=False, separators=(",", ":")).encode() + b"\n"


def shown(value: Any) -> str:
    """A value for people, cut."""
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= SHOWN else f"{text[:SHOWN]}... ({len(text)} characters)"


def shown_bytes(line: bytes) -> str:
    """What came for people, cut."""
    text = line[:SHOWN].decode("utf-8", "backslashreplace")
    return text if len(line) <= SHOWN else f"{text}... ({len(line)} bytes)"


def unmet(expected: str, got: str) -> NoReturn:
    """End a check that was not met."""
    raise UnmetError(expected, got)


def _refuse_constant(name: str) -> NoReturn:
    message = f"{name} is no JSON value"
    raise ValueError(message)
