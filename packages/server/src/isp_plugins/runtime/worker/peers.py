"""Whom a worker may be connected with: decided over grants, names and addresses. Pure but for what it was told of resolved names.

1. A name is granted by itself, an address by itself or by a network that contains it; the port must fit.
2. An address that the host itself resolved for a granted name may be connected to on that name's ports, for as long as the answer is remembered:
   libraries resolve first and connect then. What the worker claims to have resolved counts for nothing.
3. A name must not lead to the machine itself, to link-local addresses (cloud metadata among them) or to groups: whoever owns a name could
   point it there (DNS rebinding). Such an address must be granted as an address; `localhost` is one by another name.
4. A network grants such addresses only if it lies wholly among them: neither `0.0.0.0/0` nor `*` reaches the machine itself.
"""

import ipaddress
from collections import OrderedDict
from collections.abc import Iterator, Sequence

from isp_plugin_sdk.sandbox.grants import ANY_HOST, Peer

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Network = ipaddress.IPv4Network | ipaddress.IPv6Network
REMEMBERED_S = 600.0
MAX_REMEMBERED = 4096
LOCALHOST = "localhost"


class Peers:
    """The network grants of one worker for one protocol, and what was resolved for it."""

    def __init__(self, granted: Sequence[Peer]) -> None:
        self._granted = tuple(granted)
        self._resolved: OrderedDict[tuple[Address, str], float] = OrderedDict()

    @property
    def any(self) -> bool:
        """Whether anybody at all is granted."""
        return bool(self._granted)

    def may_resolve(self, name: str) -> bool:
        """Whether any grant is for this name."""
        return any(peer.host in {ANY_HOST, name} for peer in self._granted)

    def may_reach_name(self, name: str, port: int) -> bool:
        """Whether this port of this name is granted."""
        return any(peer.host in {ANY_HOST, name} and peer.port in {None, port} for peer in self._granted)

    def may_reach_address(self, address: Address, port: int, now: float) -> bool:
        """Whether this port of this address is granted, or was resolved for a granted name."""
        return self.grants_address(address, port) or any(
            self.may_reach_name(name, port) for name in self.names_of(address, now)
        )

    def grants_address(self, address: Address, port: int) -> bool:
        """Whether a grant names this address, itself or its network."""
        return any(peer.port in {None, port} and _contains(peer, address) for peer in self._granted)

    def may_name_lead_to(self, name: str, address: Address, port: int | None) -> bool:
        """Whether a granted name may stand for this address."""
        if not is_special(address):
            return True
        if name == LOCALHOST and address.is_loopback:
            return True
        return port is not None and self.grants_address(address, port)

    def remember(self, name: str, address: Address, now: float) -> None:
        """The host resolved this name to this address."""
        self._resolved.pop((address, name), None)
        self._resolved[address, name] = now
        if len(self._resolved) > MAX_REMEMBERED:
            self._resolved.popitem(last=False)

    def may_be_this_machine(self, name: str, address: Address, port: int, now: float) -> bool:
        """Whether a connection to this machine itself is what was granted: by its address, or as `localhost`."""
        if self.grants_address(address, port):
            return True
        return is_special(address) and LOCALHOST in {name, *self.names_of(address, now)}

    def names_of(self, address: Address, now: float) -> Iterator[str]:
        """The names that were resolved to this address lately."""
        names = {peer.host for peer in self._granted if peer.network is None}
        for name in names:
            if now - self._resolved.get((address, name), float("-inf")) <= REMEMBERED_S:
                yield name


def address_of(text: str) -> Address | None:
    """The address that a text is (an IPv4 address in IPv6 dress as itself), or None where it is a name."""
    try:
        address = ipaddress.ip_address(text.partition("%")[0])
    except ValueError:
        return None
    mapped = address.ipv4_mapped if isinstance(address, ipaddress.IPv6Address) else None
    return mapped or address


def is_special(address: Address | Network) -> bool:
    """Whether it is the machine itself, its own wire, a group or nobody; of a network, as a whole."""
    return address.is_loopback or address.is_link_local or address.is_multicast or address.is_unspecified


def _contains(peer: Peer, address: Address) -> bool:
    """Whether a grant's network contains the address; a special one only if the network is special as a whole."""
    if peer.host == ANY_HOST:
        return not is_special(address)
    network = peer.network
    if network is None or network.version != address.version or address not in network:
        return False
    return is_special(network) or not is_special(address)
