"""What plugins were granted, what was denied to them, and what a new version asks for more: values that runtime, operations and lifecycle share.

1. A difference is told grant by grant; a grant that grows (another peer, more memory) is asked for again, one that shrinks is not.
2. A number asks for something only beyond what every worker has without asking: one below it binds the plugin, and needs nobody's consent.
3. Grants that are weaker than they look are marked, wherever they are shown.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from math import inf
from typing import Any

from isp_plugin_sdk.sandbox.errors import GrantsInvalidError
from isp_plugin_sdk.sandbox.grants import ANY_HOST, ICMP, STORAGE, TCP, UDP, Grants
from isp_plugin_sdk.sandbox.policy import DEFAULT_FILE_MB, DEFAULT_MEMORY_MB, DEFAULT_OPEN_FILES


class DenialKind(StrEnum):
    """What kind of thing was denied."""

    CONNECT = "connect"
    """A connection or a datagram to a peer that is not granted, or a name that led to where it must not."""
    LISTEN = "listen"
    """A port that is not granted to listen on."""
    RESOLVE = "resolve"
    """The addresses of a name that is not granted."""
    HOST_CALL = "host_call"
    """A call of the host that is not granted."""
    SECRET = "secret"  # noqa: S105  a kind, not a secret
    """A secret configuration value that is not granted."""


@dataclass(frozen=True, slots=True)
class Denial:
    """One thing that a worker tried and the host refused."""

    kind: DenialKind
    what: str
    """What was tried, e.g. `example.com:443`; at most 200 characters."""
    grant: str
    """The line of a manifest that would ask for it."""


@dataclass(frozen=True, slots=True)
class GrantLine:
    """One grant as it is shown to whoever is to accept it."""

    grant: str
    """Where it stands in the manifest, e.g. `network`."""
    what: str
    meaning: str
    weak: bool = False
    """It opens more than it names."""

    def __str__(self) -> str:
        return f"{self.grant}: {self.what} ({self.meaning}){'; weaker than the others' if self.weak else ''}"

    def to_dict(self) -> dict[str, Any]:
        """As the API shows it."""
        return {"grant": self.grant, "what": self.what, "meaning": self.meaning, "is_weak": self.weak}


@dataclass(frozen=True, slots=True)
class GrantsDifference:
    """What a version asks for more, and less, than the one before."""

    more: tuple[GrantLine, ...]
    less: tuple[GrantLine, ...]

    @property
    def needs_consent(self) -> bool:
        """Whether an operator must accept it first."""
        return bool(self.more)

    def __str__(self) -> str:
        lines = [*(f"+ {line}" for line in self.more), *(f"- {line}" for line in self.less)]
        return "\n".join(lines) if lines else "the same grants as before"


_CALLS = {
    "storage": "its own key-value storage",
    "dispatch": "run hooks of the host",
    "emit": "tell events to other plugins",
}
_REACHING = {
    TCP: "connect over TCP, by way of the host",
    UDP: "exchange datagrams, by way of the host",
    ICMP: "send echo requests (ping), by way of the host",
}
_NUMBERS = {
    "memory_mb": "MiB of memory",
    "cpu_seconds": "seconds of processor time in its life",
    "open_files": "open files",
    "file_mb": "MiB in its largest file",
}

_WITHOUT_ASKING = {
    "memory_mb": DEFAULT_MEMORY_MB,
    "cpu_seconds": inf,
    "open_files": DEFAULT_OPEN_FILES,
    "file_mb": DEFAULT_FILE_MB,
}
"""What a worker has whose manifest names no number."""


def grant_lines(grants: Grants) -> tuple[GrantLine, ...]:
    """Every grant, one line each, in the order in which they are shown."""
    return (*_lines(grants),)


def grants_shown(manifest: Mapping[str, Any]) -> list[dict[str, Any]]:
    """What a stored manifest asks for, as the API shows it; nothing where another host's rules do not let it be read."""
    try:
        return [line.to_dict() for line in grant_lines(Grants.of_manifest(manifest))]
    except GrantsInvalidError:
        return []


def grants_difference(old: Grants, new: Grants) -> GrantsDifference:
    """What `new` grants and `old` does not, and the other way round; a first installation is compared with `Grants()`."""
    before, after = grant_lines(old), grant_lines(new)
    return GrantsDifference(more=_beyond(after, before, new, old), less=_beyond(before, after, old, new))


def _beyond(
    these: tuple[GrantLine, ...], those: tuple[GrantLine, ...], mine: Grants, other: Grants
) -> tuple[GrantLine, ...]:
    """Lines that only these have; of numbers only where they give more."""
    known = {(line.grant, line.what) for line in those}
    return tuple(
        line
        for line in these
        if (line.grant, line.what) not in known
        if line.grant not in _NUMBERS or _asked(mine, line.grant) > _asked(other, line.grant)
    )


def _asked(grants: Grants, name: str) -> float:
    """How much of it somebody has to consent to; what every worker has counts as nothing asked for."""
    usual = _WITHOUT_ASKING[name]
    return max(getattr(grants, name) or usual, usual)


def _lines(grants: Grants) -> Iterator[GrantLine]:
    """One line for each grant."""
    yield from _network_lines(grants)
    for port in grants.native_ports:
        yield GrantLine("native_ports", str(port), "connect to this port of any address", weak=True)
    for path in grants.read:
        yield GrantLine("files.read", path, "read")
    for path in grants.write:
        yield GrantLine("files.write", path, "read, change and delete")
    for call in grants.host_calls:
        kind, _, hook = call.partition(":")
        yield GrantLine(
            "host_calls", call, _CALLS[kind], weak=(hook or "*").endswith("*") and kind != STORAGE
        )
    for name in grants.secrets:
        yield GrantLine("secrets", name, "is handed this secret")
    if grants.processes:
        yield GrantLine("processes", "yes", "start programs, which live in the same sandbox", weak=True)
    for name, unit in _NUMBERS.items():
        if (value := getattr(grants, name)) is not None:
            yield GrantLine(name, str(value), unit)


def _network_lines(grants: Grants) -> Iterator[GrantLine]:
    """Whom it reaches, and who reaches it."""
    for peer in grants.network:
        many = peer.host == ANY_HOST or (peer.network is not None and peer.network.num_addresses > 1)
        wide = peer.port is None or many
        wide = wide if peer.protocol != ICMP else many
        yield GrantLine("network", str(peer), _REACHING[peer.protocol], weak=wide)
    for listen in grants.listen:
        yield GrantLine("listen", str(listen), "be reached by anybody who reaches this port of the machine")
