"""What a worker sends, and who waits for what it asked.

1. Messages go out whole, one after the other, from any thread.
2. Requests are numbered from 1. An answer goes to whoever waits for its number; one that nobody waits for is dropped.
3. A call that the host makes because of a waiting request (`parent`) goes to the same one, who runs it: that is how re-entrance needs no
   further thread.
"""

import itertools
import threading
from collections import deque
from collections.abc import Callable
from typing import Any

from isp_plugin_sdk.serve.ends import End
from isp_plugin_sdk.wire import messages
from isp_plugin_sdk.wire.codec import NOT_ENCODABLE, Codec
from isp_plugin_sdk.wire.messages import Message

Receiver = Callable[[Message], None]
"""Takes the answer, or a call that belongs to the question; called by the thread that reads, so it only hands on."""


class Link:
    """The sending side of the channel."""

    def __init__(self, end: End, codec: Codec) -> None:
        self.end = end
        self.codec = codec
        self._sending = threading.Lock()
        self._numbers = itertools.count(1)
        self._waiting: dict[int, Receiver] = {}
        self._held: deque[bytes] = deque()

    def send(self, message: Message) -> None:
        """Send a message now; one of `NOT_ENCODABLE` where it is not JSON."""
        self.send_text(self.codec.encode(message) + b"\n")

    def send_text(self, text: bytes) -> None:
        """Send what is encoded already."""
        with self._sending:
            self.end.send(text)

    def tell(self, method: str, params: dict[str, Any]) -> None:
        """Send a notification."""
        self.send(messages.notification(method, params))

    def hold(self, text: bytes) -> None:
        """Keep an encoded message until the next `flush`, whoever makes it."""
        self._held.append(text)

    def flush(self, text: bytes = b"") -> None:
        """Send what is held, and this with it."""
        held = self._held
        if not (text or held):
            return
        with self._sending:
            if held:
                held.append(text)
                text = b"".join(held.popleft() for _ in range(len(held)))
            if text:
                self.end.send(text)

    def ask(self, method: str, params: dict[str, Any], receiver: Receiver) -> int:
        """Send a request; its number, to `forget` once nobody waits any more."""
        number = next(self._numbers)
        text = self.codec.encode(messages.request(number, method, params)) + b"\n"
        self._waiting[number] = receiver
        self.send_text(text)
        return number

    def forget(self, number: int) -> None:
        """Nobody waits for this answer any more."""
        self._waiting.pop(number, None)

    def answered(self, message: Message) -> None:
        """Hand an answer to who waits for it."""
        receiver = self._waiting.pop(message["id"], None)
        if receiver is not None:
            receiver(message)

    def waiting(self, number: Any) -> Receiver | None:
        """Who waits for the answer to this request."""
        return self._waiting.get(number)

    def answer_text(self, number: int, value: Any) -> bytes:
        """The answer to a request, encoded; one of `NOT_ENCODABLE`."""
        return b'{"jsonrpc":"2.0","id":%d,"result":%b}\n' % (number, self.codec.encode(value))

    def failure_text(self, number: int | None, code: int, message: str, data: dict[str, Any] | None) -> bytes:
        """The answer that a request failed, encoded, whatever characters its texts have."""
        try:
            return self.codec.encode(messages.failure(number, code, message, data)) + b"\n"
        except NOT_ENCODABLE:
            plain = ascii(message)[:1000]
            return self.codec.encode(messages.failure(number, code, plain)) + b"\n"
