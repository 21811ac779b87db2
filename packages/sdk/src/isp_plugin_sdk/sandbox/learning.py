"""The smallest grants that a run needed, worked out from what was observed of it. Pure.

1. What a plugin has without asking is left out: the interpreter and what it imports, system files, its own project, temporary files.
2. A name that was resolved with a port is granted instead of the addresses that were connected to on that port.
3. Peers on this machine itself are left out and told: in tests they stand for the real ones, which nobody can guess.
4. Reading what is also written is one grant; a file in a folder that is granted already is none.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from ipaddress import ip_address
from pathlib import PurePosixPath

from isp_plugin_sdk.sandbox.grants import Grants, Peer, path_problem


@dataclass(slots=True)
class Observed:
    """What a run did."""

    read: set[str] = field(default_factory=set)
    written: set[str] = field(default_factory=set)
    resolved: set[tuple[str, int | None]] = field(default_factory=set)
    connected: set[tuple[str, int]] = field(default_factory=set)
    host_calls: set[str] = field(default_factory=set)
    processes: bool = False


def smallest_grants(observed: Observed, given: Sequence[str]) -> tuple[Grants, tuple[str, ...]]:
    """The grants, and what was left out and why; `given` are folders and files that need no grant."""
    peers, left_out = _peers(observed)
    write = tuple(_paths(observed.written, given))
    read = tuple(_paths(observed.read, (*given, *write)))
    grants = Grants(
        network=tuple(sorted(peers)),
        read=read,
        write=write,
        host_calls=tuple(sorted(observed.host_calls)),
        processes=observed.processes,
    )
    return grants, left_out


def _peers(observed: Observed) -> tuple[set[Peer], tuple[str, ...]]:
    """Whom it connected to, by name where it knew one."""
    names = {(name.lower().rstrip("."), port) for name, port in observed.resolved if not is_address(name)}
    named_ports = {port for _, port in names}
    found = {(name, port) for name, port in names if port is not None}
    found |= {(address, port) for address, port in observed.connected if port not in named_ports}
    here = {pair for pair in found if is_here(pair[0])}
    left_out = tuple(f"{Peer(host, port)} is this machine itself" for host, port in sorted(here))
    return {Peer(host, port) for host, port in found - here}, left_out


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
