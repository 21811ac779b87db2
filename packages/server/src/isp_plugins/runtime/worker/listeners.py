"""The ports that the host listens on for its workers: each belongs to one plugin, and outlives one worker as long as the next has asked for it.

1. A TCP port is one socket, which every worker of the plugin gets a descriptor of: a reload loses no connection that waits to be taken.
2. A UDP port has a socket for each worker; the kernel shares what comes among them while there are two.
3. A port of one plugin is taken for every other, although the kernel would let them share it.
4. The port is given back when the last worker that asked has ended, unless it is kept for one that comes after it: whoever connects to a TCP port waits then.
"""

import errno
import os
import socket
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

BACKLOG = 1024
Place = tuple[str, int, str, int]
"""Protocol, family, address, port."""


@dataclass(slots=True)
class Listeners:
    """Those of one host; to be used on its event loop."""

    _owners: dict[tuple[str, int], int] = field(default_factory=dict)
    _uses: Counter[Place] = field(default_factory=Counter)
    _sockets: dict[Place, socket.socket] = field(default_factory=dict)

    def tcp(self, plugin_id: int, family: int, host: str, port: int, *, only_v6: bool) -> socket.socket:
        """A descriptor of the listening socket, the caller's to close; `OSError` as a plain `bind` raises it."""
        place = ("tcp", family, host, port)
        self._check(plugin_id, place)
        if place not in self._sockets:
            self._sockets[place] = _bound(
                family, socket.SOCK_STREAM, host, port, only_v6=only_v6, share=False
            )
        self._owners["tcp", port] = plugin_id
        self._uses[place] += 1
        return self._sockets[place].dup()

    def udp(self, plugin_id: int, family: int, host: str, port: int, *, only_v6: bool) -> socket.socket:
        """A bound socket, the caller's to close; `OSError`."""
        place = ("udp", family, host, port)
        self._check(plugin_id, place)
        made = _bound(family, socket.SOCK_DGRAM, host, port, only_v6=only_v6, share=True)
        self._owners["udp", port] = plugin_id
        self._uses[place] += 1
        return made

    @contextmanager
    def kept(self, places: Sequence[Place]) -> Iterator[None]:
        """Keep these ports inside the block, whoever gives them back."""
        places = [place for place in places if place in self._uses]
        self._uses.update(places)
        try:
            yield
        finally:
            for place in places:
                self.give_back(place)

    def give_back(self, place: Place) -> None:
        """One use less."""
        self._uses[place] -= 1
        if self._uses[place] > 0:
            return
        del self._uses[place]
        listening = self._sockets.pop(place, None)
        if listening is not None:
            listening.close()
        name = (place[0], place[3])
        if not any((each[0], each[3]) == name for each in self._uses):
            self._owners.pop(name, None)

    def _check(self, plugin_id: int, place: Place) -> None:
        if self._owners.get((place[0], place[3]), plugin_id) != plugin_id:
            raise OSError(errno.EADDRINUSE, f"{os.strerror(errno.EADDRINUSE)}: another plugin has this port")


def _bound(family: int, kind: int, host: str, port: int, *, only_v6: bool, share: bool) -> socket.socket:
    """A socket at this address that never blocks."""
    made = socket.socket(family, kind)
    try:
        made.settimeout(0)
        made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT if share else socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET6:
            made.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, only_v6)
        made.bind((host, port))
        if kind == socket.SOCK_STREAM:
            made.listen(BACKLOG)
    except BaseException:
        made.close()
        raise
    return made
