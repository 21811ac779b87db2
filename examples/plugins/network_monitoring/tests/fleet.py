"""A fleet of devices: real TCP listeners on addresses of 127.0.0.0/8, each of which can go away and come back."""

import contextlib
import selectors
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any


class Fleet:
    """Listeners by number; one thread accepts and drops what they get."""

    def __init__(self, size: int) -> None:
        self._selector = selectors.DefaultSelector()
        self._lock = threading.Lock()
        self._listeners: dict[int, socket.socket] = {}
        self._places: dict[int, tuple[str, int]] = {}
        self._wake, self._woken = socket.socketpair()
        self._ended = False
        for number in range(size):
            address = f"127.{1 + number // 62500}.{number // 250 % 250}.{1 + number % 250}"
            self._open(number, (address, 0))
        self._selector.register(self._woken, selectors.EVENT_READ)
        self._thread = threading.Thread(target=self._accept, daemon=True)
        self._thread.start()

    def configuration(self) -> list[dict[str, Any]]:
        """The devices as the plugin's configuration names them."""
        return [
            {"id": number, "address": address, "port": port}
            for number, (address, port) in sorted(self._places.items())
        ]

    def down(self, *numbers: int) -> None:
        """Let these go away."""
        with self._lock:
            for number in numbers:
                listener = self._listeners.pop(number)
                self._selector.unregister(listener)
                listener.close()

    def up(self, *numbers: int) -> None:
        """Let these come back, where they were."""
        with self._lock:
            for number in numbers:
                self._open(number, self._places[number])
        self._wake.send(b"x")

    def close(self) -> None:
        """Everything goes away."""
        self._ended = True
        self._wake.send(b"x")
        self._thread.join()
        for one in (*self._listeners.values(), self._wake, self._woken):
            one.close()
        self._selector.close()

    def _open(self, number: int, place: tuple[str, int]) -> None:
        listener = socket.socket()
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(place)
        listener.listen(16)
        listener.settimeout(0)
        self._listeners[number], self._places[number] = listener, listener.getsockname()
        self._selector.register(listener, selectors.EVENT_READ)

    def _accept(self) -> None:
        while not self._ended:
            for key, _ in self._selector.select():
                with contextlib.suppress(OSError, ValueError):
                    if key.fileobj is self._woken:
                        self._woken.recv(100)
                    else:
                        key.fileobj.accept()[0].close()  # type: ignore[union-attr]  # it is a listener


@contextmanager
def standing(size: int) -> Iterator[Fleet]:
    """So many devices, until the block ends."""
    fleet = Fleet(size)
    try:
        yield fleet
    finally:
        fleet.close()
