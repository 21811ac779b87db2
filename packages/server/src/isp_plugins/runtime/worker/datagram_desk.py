"""Answers a worker's questions for sockets of datagrams and for ports to listen on, within its grants.

1. A socket for datagrams is only given to who is granted some peer, or some port, of that protocol.
2. `reach` says in words and at once what the relay would drop without a word: whoever asks first gets a clear error.
3. A name must not lead to the machine itself, as with connections: not even to the address that others know it by.
"""

import errno
import os
import socket
from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any

from isp_plugin_sdk.sandbox.grants import ICMP, TCP, UDP, Grants, Listen, Peer
from isp_plugins.contracts.grants import Denial, DenialKind
from isp_plugins.runtime.worker.datagrams import Relay
from isp_plugins.runtime.worker.echo import EchoSocket
from isp_plugins.runtime.worker.listeners import Listeners, Place
from isp_plugins.runtime.worker.peers import Address, Peers, address_of

MAX_RELAYS = 64
"""Sockets for datagrams of one worker at a time."""
DISCARD_PORT = 9


class DatagramDesk:
    """The datagrams and listening ports of one worker."""

    def __init__(
        self,
        grants: Grants,
        plugin_id: int,
        listeners: Listeners,
        deny: Callable[[Denial], None],
        clock: Callable[[], float],
    ) -> None:
        self.peers = {
            protocol: Peers([peer for peer in grants.network if peer.protocol == protocol])
            for protocol in (UDP, ICMP)
        }
        self._granted = grants.listen
        self._plugin_id = plugin_id
        self._listeners = listeners
        self._deny = deny
        self._clock = clock
        self._relays: dict[int, Relay] = {}
        self._count = 0
        self._places: list[Place] = []
        self._homes: dict[Address, bool] = {}

    def may_have(self, protocol: str) -> bool:
        """Whether anything of this protocol is granted."""
        return self.peers[protocol].any or any(port.protocol == protocol for port in self._granted)

    def open(self, protocol: str, family: int) -> tuple[dict[str, Any], socket.socket]:
        """A socket for datagrams; `OSError` where there are too many, or the kernel gives none."""
        self._relays = {number: relay for number, relay in self._relays.items() if not relay.closed}
        if len(self._relays) >= MAX_RELAYS:
            raise OSError(errno.EMFILE, f"a plugin has at most {MAX_RELAYS} sockets for datagrams")
        family = family or int(socket.AF_INET)
        echo = EchoSocket(family) if protocol == ICMP else None
        relay = Relay(family, echo, lambda host, port: self._may_send(protocol, host, port), self._clock)
        self._count += 1
        self._relays[self._count] = relay
        return {"relay": self._count}, relay.hand_over()

    def may_reach(self, protocol: str, name: str, address: Address | None, port: int) -> bool:
        """Whether the grants allow it as it is asked."""
        peers = self.peers[protocol]
        if address is None:
            return peers.may_reach_name(name, port)
        now = self._clock()
        return peers.may_reach_address(address, port, now) and (
            peers.may_be_this_machine(name, address, port, now) or not self._is_home(address)
        )

    def _is_home(self, address: Address) -> bool:
        """Whether it is this machine, asked once for a run of datagrams."""
        if len(self._homes) >= MAX_RELAYS:
            self._homes.clear()
        if address not in self._homes:
            self._homes[address] = is_home(address)
        return self._homes[address]

    def _may_send(self, protocol: str, host: str, port: int) -> bool:
        """The same for one datagram; a denial is told."""
        address = address_of(host)
        if address is not None and self.may_reach(protocol, host, address, port):
            return True
        shown = shown_peer(protocol, str(address or host), port)
        self._deny(Denial(DenialKind.CONNECT, str(shown), f'network = ["{shown}"]'))
        return False

    def may_listen(self, protocol: str, port: int) -> bool:
        """Whether this port is granted."""
        return Listen(protocol, port) in self._granted

    def listen(
        self, *, protocol: str, host: str, port: int, family: int, only_v6: bool, relay: int
    ) -> tuple[dict[str, Any], socket.socket | None]:
        """Listen; the socket of TCP, or what a relay hears from now on. `OSError` as a plain `bind` raises it."""
        family = family or int(socket.AF_INET)
        address = address_of(host)
        if address is None or address.version != (4 if family == socket.AF_INET else 6):
            raise OSError(errno.EADDRNOTAVAIL, os.strerror(errno.EADDRNOTAVAIL))
        place = (protocol, family, str(address), port)
        if protocol == TCP:
            listening = self._listeners.tcp(self._plugin_id, family, str(address), port, only_v6=only_v6)
            self._places.append(place)
            return {"address": [str(address), port]}, listening
        found = self._relays.get(relay)
        if found is None or found.closed or found.family != family:
            raise OSError(errno.EBADF, os.strerror(errno.EBADF))
        bound = self._listeners.udp(self._plugin_id, family, str(address), port, only_v6=only_v6)
        self._places.append(place)
        return {"address": list(found.listen(bound))}, None

    def ports_kept(self) -> AbstractContextManager[None]:
        """Keep the ports that it listens on inside the block, although it closes."""
        return self._listeners.kept([*self._places])

    def close(self) -> None:
        """Carry nothing any more, and give the ports back."""
        for relay in self._relays.values():
            relay.close()
        for place in self._places:
            self._listeners.give_back(place)
        self._relays, self._places = {}, []


def shown_peer(protocol: str, host: str, port: int) -> Peer:
    """A peer as it would be granted."""
    return Peer(host, None if protocol == ICMP else port, protocol)


def is_home(address: Address) -> bool:
    """Whether an address is one of this machine's own."""
    family = socket.AF_INET if address.version == 4 else socket.AF_INET6
    with socket.socket(family, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect((str(address), DISCARD_PORT))  # sends nothing
        except OSError:
            return False
        return bool(probe.getsockname()[0] == probe.getpeername()[0])
