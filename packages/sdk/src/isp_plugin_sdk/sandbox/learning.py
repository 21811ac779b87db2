"""The smallest grants that a run needed, worked out from what was observed of it. Pure.

1. What a plugin has without asking is left out: the interpreter and what it imports, system files, its own project, temporary files.
2. A name that was resolved with a port is granted instead of the addresses that were connected to on that port.
3. Peers on this machine itself are left out and told: in tests they stand for the real ones, which nobody can guess.
4. The same holds for datagrams, and for pings. A port that was bound at this machine's own address is left out and told, too: it may be the tests' own server.
5. A secret is granted if the plugin read its value. The configuration that the test harness hands over knows that.
6. Reading what is also written is one grant; a file in a folder that is granted already is none.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from ipaddress import ip_address
from pathlib import PurePosixPath

from isp_plugin_sdk.sandbox.grants import ICMP, TCP, UDP, Grants, Listen, Peer, path_problem

MANY_PORTS = 3
"""So many ports of one address are told one by one; tests that start a server each would fill the screen."""


@dataclass(slots=True)
class Observed:
    """What a run did."""

    read: set[str] = field(default_factory=set)
    written: set[str] = field(default_factory=set)
    resolved: set[tuple[str, int | None]] = field(default_factory=set)
    connected: set[tuple[str, int]] = field(default_factory=set)
    sent: set[tuple[str, str, int]] = field(default_factory=set)
    """Datagrams, by protocol, host and port."""
    bound: set[tuple[str, str, int]] = field(default_factory=set)
    """Ports of its own, by protocol, host and port."""
    secrets: set[str] = field(default_factory=set)
    host_calls: set[str] = field(default_factory=set)
    processes: bool = False


def smallest_grants(observed: Observed, given: Sequence[str]) -> tuple[Grants, tuple[str, ...]]:
    """The grants, and what was left out and why; `given` are folders and files that need no grant."""
    peers, left_out = _peers(observed)
    listen, left_out_too = _listen(observed)
    write = tuple(_paths(observed.written, given))
    read = tuple(_paths(observed.read, (*given, *write)))
    grants = Grants(
        network=tuple(sorted(peers, key=str)),
        listen=tuple(sorted(listen)),
        read=read,
        write=write,
        host_calls=tuple(sorted(observed.host_calls)),
        secrets=tuple(sorted(observed.secrets)),
        processes=observed.processes,
    )
    return grants, (*left_out, *left_out_too)


def _peers(observed: Observed) -> tuple[set[Peer], tuple[str, ...]]:
    """Whom it reached, by name where it knew one."""
    names = {(name.lower().rstrip("."), port) for name, port in observed.resolved if not is_address(name)}
    sent = {(protocol, port) for protocol, _, port in observed.sent}
    found = {
        Peer(name, port)
        for name, port in names
        if port is not None and ((UDP, port) not in sent or port in {each for _, each in observed.connected})
    }
    found |= {Peer(name, port, UDP) for name, port in names if port is not None and (UDP, port) in sent}
    named = {(peer.protocol, peer.port) for peer in found}
    found |= {Peer(address, port) for address, port in observed.connected if (TCP, port) not in named}
    found |= {
        Peer(host, None if protocol == ICMP else port, protocol)
        for protocol, host, port in observed.sent
        if (protocol, port) not in named
    }
    here = {peer for peer in found if is_here(peer.host)}
    return found - here, (*_here_in_words(here),)


def _here_in_words(here: set[Peer]) -> Iterable[str]:
    """Peers on this machine; of many ports of one address their number."""
    by_host: dict[tuple[str, str], list[Peer]] = {}
    for peer in sorted(here, key=str):
        by_host.setdefault((peer.protocol, peer.host), []).append(peer)
    for peers in by_host.values():
        if len(peers) > MANY_PORTS:
            yield f"{len(peers)} ports like {peers[0]} are this machine itself"
        else:
            yield from (f"{peer} is this machine itself" for peer in peers)


def _listen(observed: Observed) -> tuple[set[Listen], tuple[str, ...]]:
    """The ports that it listened on, and those left out."""
    kept = {Listen(protocol, port) for protocol, host, port in observed.bound if not is_here(host)}
    here = {Listen(protocol, port) for protocol, host, port in observed.bound if is_here(host)} - kept
    return kept, tuple(
        f"listening on {each}: it was bound at this machine's own address" for each in sorted(here)
    )


def is_address(text: str) -> bool:
    """Whether it is an address and no name."""
    try:
        ip_address(text.partition("%")[0])
    except ValueError:
        return False
    return True


def is_here(host: str) -> bool:
    """Whether it is this machine itself."""
    if host == "localhost":
        return True
    return is_address(host) and ip_address(host.partition("%")[0]).is_loopback


def _paths(paths: Iterable[str], given: Sequence[str]) -> Iterable[str]:
    """Paths that need a grant, none below another."""
    kept: list[PurePosixPath] = [PurePosixPath(each) for each in given]
    for path in sorted(paths, key=len):
        pure = PurePosixPath(path)
        if path_problem(path) is None and not any(pure.is_relative_to(each) for each in kept):
            kept.append(pure)
            yield path


def to_toml(grants: Grants, left_out: Sequence[str] = ()) -> str:
    """The table of a manifest as text."""
    table = grants.to_table()
    files = table.pop("files", {})
    lines = ["[grants]", *(f"{name} = {_value(value)}" for name, value in table.items())]
    if files:
        lines += ["", "[grants.files]", *(f"{kind} = {_value(paths)}" for kind, paths in files.items())]
    lines += [f"# left out: {each}" for each in left_out]
    return "\n".join(lines) + "\n"


def _value(value: object) -> str:
    """A value as TOML writes it; texts here have no quotes or control characters that JSON would write differently."""
    import json

    return json.dumps(value, ensure_ascii=False)
