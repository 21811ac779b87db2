"""The worker's end of the channel: an inherited socket, or stdin and stdout.

1. What is received comes without waiting (b"" where nothing is there); what is sent waits until it is gone.
2. No child of the plugin inherits the channel, and nothing that the plugin prints gets into it.
"""

import os
import socket
import stat
import time
from typing import Protocol

from isp_plugin_sdk.wire import SOCKET_VARIABLE

CHUNK = 256 * 1024
"""Most bytes that one look takes."""


class End(Protocol):
    """One end of a channel."""

    def fileno(self) -> int:
        """The descriptor that becomes readable."""
        ...

    def receive(self) -> bytes:
        """What is there now, at most `CHUNK` bytes; `EOFError` at the end."""
        ...

    def look(self, seconds: float) -> bytes:
        """The same, looked for again and again for so long."""
        ...

    def send(self, data: bytes) -> None:
        """Send all of it; `OSError` where nobody reads any more."""
        ...


class SocketEnd:
    """A stream socket."""

    def __init__(self, end: socket.socket) -> None:
        end.set_inheritable(False)
        end.settimeout(None)  # sending waits; receiving says for itself that it does not
        self._socket = end
        self.send = end.sendall
        self.fileno = end.fileno
        # One buffer for all: making a new one for each look would cost more than everything else that a small call needs.
        self._buffer = memoryview(bytearray(CHUNK))
        self._receive = end.recv_into

    def receive(self) -> bytes:
        """What is there now; one thread at a time asks."""
        try:
            size = self._receive(self._buffer, CHUNK, socket.MSG_DONTWAIT)
        except BlockingIOError:
            return b""
        if not size:
            raise EOFError
        return bytes(self._buffer[:size])

    def look(self, seconds: float) -> bytes:
        """What is there within so many seconds; one thread at a time asks."""
        now, receive, buffer = time.monotonic, self._receive, self._buffer
        until = now() + seconds
        while True:
            try:
                size = receive(buffer, CHUNK, socket.MSG_DONTWAIT)
            except BlockingIOError:
                if now() >= until:
                    return b""
            else:
                if not size:
                    raise EOFError
                return bytes(buffer[:size])


class PipeEnd:
    """Two pipes."""

    def __init__(self, read: int, write: int) -> None:
        os.set_blocking(read, False)
        self._read = read
        self._write = write

    def fileno(self) -> int:
        """The pipe that is read."""
        return self._read

    def receive(self) -> bytes:
        """What is there now."""
        try:
            data = os.read(self._read, CHUNK)
        except BlockingIOError:
            return b""
        if not data:
            raise EOFError
        return data

    def look(self, seconds: float) -> bytes:
        """What is there within so many seconds."""
        until = time.monotonic() + seconds
        data = self.receive()
        while not data and time.monotonic() < until:
            data = self.receive()
        return data

    def send(self, data: bytes) -> None:
        """Write all of it."""
        left = memoryview(data)
        while left:
            left = left[os.write(self._write, left) :]


def open_end() -> End:
    """The end that the host left: the socket named in the environment, else stdin and stdout, whose places stderr and nothing take."""
    number = os.environ.pop(SOCKET_VARIABLE, None)
    if number is not None:
        return SocketEnd(socket.socket(fileno=int(number)))
    read, write = os.dup(0), os.dup(1)
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    os.close(nothing)
    os.dup2(2, 1)
    if stat.S_ISSOCK(os.fstat(read).st_mode) and stat.S_ISSOCK(os.fstat(write).st_mode):
        os.close(write)
        return SocketEnd(socket.socket(fileno=read))
    return PipeEnd(read, write)
