"""The worker's side of the broker: the host connects and resolves for it, and hands the connections over.

1. One message a packet (JSON) on an inherited socket; the answer to a `connect` carries the connection as a descriptor.
   `{id, connect: {host, port, family, timeout_ms}}` -> `{id, peer: [address, port]}`; `{id, resolve: {host, family}}` -> `{id, addresses: [[family, address]]}`;
   `{id, datagram: {protocol, family}}` -> `{id, relay}` with one end of a pair, `{id, reach: {protocol, host, port, family}}` -> `{id, peer}`,
   `{id, listen: {protocol, host, port, family, only_v6, relay}}` -> `{id, address}`, of TCP with the listening socket; or `{id, error: {kind, ...}}`.
2. One thread, made at the first question, takes the answers; it sleeps in the kernel in between. Any number of threads and loops may ask at once.
3. An answer that nobody waits for any more is dropped, and its connection closed.
4. More than `MAX_UNDER_WAY` questions at once wait here for their turn, so that asking never blocks.
5. When the host closes its end every question fails, now and later.
"""

import array
import contextlib
import itertools
import json
import os
import socket
import threading
from collections import deque
from concurrent.futures import Future
from typing import Any

from isp_plugin_sdk.errors import NotGrantedError

MAX_PACKET = 65536
MAX_UNDER_WAY = 256
"""Questions of one worker that the host works on at a time."""
DEFAULT_TIMEOUT_S = 60.0
_DESCRIPTOR = array.array("i").itemsize


class BrokerGoneError(ConnectionError):
    """The host does not answer any more."""


class Answer:
    """What the host said, and the connection that came with it."""

    __slots__ = ("descriptor", "values")

    def __init__(self, values: dict[str, Any], descriptor: int | None) -> None:
        self.values = values
        self.descriptor = descriptor

    def close(self) -> None:
        """Drop the connection, if one came."""
        if self.descriptor is not None:
            os.close(self.descriptor)
            self.descriptor = None


class Broker:
    """Asks the host for connections and addresses."""

    def __init__(self, channel: socket.socket) -> None:
        self._channel = channel
        self._numbers = itertools.count(1)
        self._waiting: dict[int, Future[Answer]] = {}
        self._under_way = 0
        self._later: deque[bytes] = deque()
        self._lock = threading.Lock()
        self._reader: threading.Thread | None = None
        self._gone = False

    def connect(self, host: str, port: int, *, family: int, timeout_s: float | None) -> "Future[Answer]":
        """Ask for a connection."""
        wanted = {"host": host, "port": port, "family": family}
        wanted["timeout_ms"] = int(1000 * (DEFAULT_TIMEOUT_S if timeout_s is None else timeout_s))
        return self._ask({"connect": wanted})

    def resolve(self, host: str, *, family: int) -> "Future[Answer]":
        """Ask for the addresses of a granted name."""
        return self._ask({"resolve": {"host": host, "family": family}})

    def datagram(self, protocol: str, *, family: int) -> "Future[Answer]":
        """Ask for a socket for datagrams."""
        return self._ask({"datagram": {"protocol": protocol, "family": family}})

    def reach(self, protocol: str, host: str, port: int, *, family: int) -> "Future[Answer]":
        """Ask whether datagrams may be sent to this peer, and where they go."""
        return self._ask({"reach": {"protocol": protocol, "host": host, "port": port, "family": family}})

    def listen(
        self, protocol: str, host: str, port: int, *, family: int, only_v6: bool, relay: int = 0
    ) -> "Future[Answer]":
        """Ask for a port to listen on; `relay` is the number of the socket for datagrams that is to hear it."""
        where = {"host": host, "port": port, "family": family, "only_v6": only_v6, "relay": relay}
        return self._ask({"listen": {"protocol": protocol, **where}})

    def _ask(self, question: dict[str, Any]) -> "Future[Answer]":
        """Send a question; the future ends with the answer or with the error that the host names."""
        future: Future[Answer] = Future()
        number = next(self._numbers)
        packet = json.dumps(question | {"id": number}).encode()
        with self._lock:
            if self._gone:
                raise BrokerGoneError(BrokerGoneError.__doc__)
            self._waiting[number] = future
            if self._reader is None:
                self._reader = threading.Thread(target=self._read, name="isp-plugin-broker", daemon=True)
                self._reader.start()
            if self._under_way >= MAX_UNDER_WAY:
                self._later.append(packet)
                return future
            self._under_way += 1
        try:
            self._channel.send(packet)
        except OSError as error:
            self._waiting.pop(number, None)
            raise BrokerGoneError(BrokerGoneError.__doc__) from error
        return future

    def _next(self) -> None:
        """One question is answered: another one may go."""
        with self._lock:
            packet = self._later.popleft() if self._later else None
            if packet is None:
                self._under_way -= 1
        if packet is not None:
            self._channel.send(packet)

    def _read(self) -> None:
        """Take answers until the host closes its end."""
        with contextlib.suppress(OSError):
            while True:
                text, carried, _flags, _from = self._channel.recvmsg(
                    MAX_PACKET, socket.CMSG_SPACE(_DESCRIPTOR), socket.MSG_CMSG_CLOEXEC
                )
                if not text:
                    break
                self._next()
                self._hand_out(Answer(json.loads(text), _descriptor_in(carried)))
        with self._lock:
            self._gone = True
            waiting, self._waiting = self._waiting, {}
        for future in waiting.values():
            if future.set_running_or_notify_cancel():
                future.set_exception(BrokerGoneError(BrokerGoneError.__doc__))

    def _hand_out(self, answer: Answer) -> None:
        """Give an answer to whoever waits for it."""
        future = self._waiting.pop(answer.values.get("id", 0), None)
        if future is None or not future.set_running_or_notify_cancel():
            answer.close()
        elif "error" in answer.values:
            answer.close()
            future.set_exception(error_of(answer.values["error"]))
        else:
            future.set_result(answer)


def _descriptor_in(carried: list[tuple[int, int, bytes]]) -> int | None:
    """The descriptor that came with a packet."""
    for level, kind, content in carried:
        if (level, kind) == (socket.SOL_SOCKET, socket.SCM_RIGHTS):
            return int(array.array("i", content[:_DESCRIPTOR])[0])
    return None


def error_of(told: dict[str, Any]) -> OSError:
    """The exception that plain code would have seen, or the one that says what is not granted."""
    kind, message = told.get("kind"), str(told.get("message", ""))
    if kind == "not_granted":
        return NotGrantedError(what=told["what"], grant=told["grant"])
    if kind == "dns":
        return socket.gaierror(int(told["code"]), message)
    if kind == "timeout":
        return TimeoutError("timed out")
    return OSError(int(told.get("errno", 0)), message)
