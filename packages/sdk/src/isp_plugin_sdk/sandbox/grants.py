"""What a plugin may ask of the host and the system: the grants of a manifest, read and checked. Pure.

1. Everything that is not granted is denied; an empty table grants nothing.
2. All mistakes are reported together, each with its path in the table, what was expected and what came.
3. A network grant is `name:port`, `address:port`, `[IPv6]:port`, `network/prefix:port` or `*:port`; a port may be `*`. It is for TCP, with `udp:` before
   it for UDP; `icmp:host` is for echo requests. A port to listen on is `tcp:port` or `udp:port`.
4. Paths are absolute and literal: no `..`, no `~`, no wildcards. Whether a symbolic link stands on the way is for `policy` to ask.
5. A host call is `storage`, `dispatch:HOOK` or `emit:HOOK`; a hook may end in `*`, and `dispatch` alone is `dispatch:*`.
"""

import difflib
import ipaddress
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, fields
from pathlib import PurePosixPath
from typing import Any

from isp_plugin_sdk.sandbox.errors import GrantsInvalidError

ANY_PORT = ANY_HOST = "*"
STORAGE = "storage"
TCP, UDP, ICMP = "tcp", "udp", "icmp"
_NAME = re.compile(r"(?!-)[a-z0-9_-]{1,63}(\.(?!-)[a-z0-9_-]{1,63})*")
_HOST_CALL = re.compile(r"storage|(dispatch|emit)(:([a-z][a-z0-9_]*\*?|\*))?")
_SECRET = re.compile(r"[A-Za-z_][A-Za-z0-9_.-]*")


@dataclass(frozen=True, slots=True, order=True)
class Peer:
    """Whom a plugin may connect to, send datagrams to, or ping."""

    host: str
    """A host name in lower case, an address, a network like `10.0.0.0/8`, or `*` for any but this machine itself."""
    port: int | None
    """None: any port, or ICMP, which has none."""
    protocol: str = TCP

    def __str__(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        if self.protocol == ICMP:
            return f"{ICMP}:{host}"
        before = "" if self.protocol == TCP else f"{self.protocol}:"
        return f"{before}{host}:{ANY_PORT if self.port is None else self.port}"

    @property
    def network(self) -> ipaddress.IPv4Network | ipaddress.IPv6Network | None:
        """The addresses that it names; None where it names a host by name."""
        try:
            return ipaddress.ip_network(self.host, strict=False)
        except ValueError:
            return None


@dataclass(frozen=True, slots=True, order=True)
class Listen:
    """A port that the host listens on for a plugin, at any address of the machine."""

    protocol: str
    port: int

    def __str__(self) -> str:
        return f"{self.protocol}:{self.port}"


@dataclass(frozen=True, slots=True)
class Grants:
    """The grants of one plugin; the default grants nothing."""

    network: tuple[Peer, ...] = ()
    """Peers that the host connects to, and carries datagrams to and from, for it."""
    listen: tuple[Listen, ...] = ()
    """Ports that the host listens on for it."""
    native_ports: tuple[int, ...] = ()
    """TCP ports to which native code may connect by itself, at any address: weaker than `network`."""
    read: tuple[str, ...] = ()
    """Files and folders that it may read."""
    write: tuple[str, ...] = ()
    """Files and folders that it may read and write, beside its own folder."""
    host_calls: tuple[str, ...] = ()
    secrets: tuple[str, ...] = ()
    """Names of encrypted configuration values that it is handed."""
    processes: bool = False
    """Whether it may start child processes; they live in the same sandbox."""
    memory_mb: int | None = None
    cpu_seconds: int | None = None
    """Processor time over its whole life, after which the kernel ends it."""
    open_files: int | None = None
    file_mb: int | None = None
    """Size of the largest file it may write."""

    @classmethod
    def of(cls, table: Mapping[str, Any]) -> "Grants":
        """Read a manifest's table; raises `GrantsInvalidError` with every mistake."""
        reader = _Reader()
        found = reader.read(table)
        if reader.mistakes:
            summary = "; ".join(f"{each['path']}: {each['message']}" for each in reader.mistakes)
            raise GrantsInvalidError(summary=summary, mistakes=reader.mistakes)
        return cls(**found)

    @classmethod
    def of_manifest(cls, manifest: Mapping[str, Any]) -> "Grants":
        """The grants of a manifest as `Manifest.to_dict` gives it; its limits are grants, too. Raises `GrantsInvalidError`."""
        limits = {name: manifest.get("limits", {}).get(name) for name in ("memory_mb", "open_files")}
        return cls.of({**manifest.get("grants", {}), **limits})

    def to_table(self) -> dict[str, Any]:
        """The same as a manifest's table, without what is not granted."""
        table: dict[str, Any] = {"network": [str(peer) for peer in self.network]}
        table["files"] = {
            kind: list(paths) for kind, paths in (("read", self.read), ("write", self.write)) if paths
        }
        table["listen"] = [str(port) for port in self.listen]
        for name in ("native_ports", "host_calls", "secrets"):
            table[name] = list(getattr(self, name))
        for name in ("processes", *_NUMBERS):
            table[name] = getattr(self, name)
        return {name: value for name, value in table.items() if value}


_NUMBERS = ("memory_mb", "cpu_seconds", "open_files", "file_mb")
_LEAST = {"memory_mb": 32, "cpu_seconds": 1, "open_files": 32, "file_mb": 1}
"""Below these a Python worker does not even start."""
_KEYS = ("files", *(spec.name for spec in fields(Grants) if spec.name not in {"read", "write"}))


@dataclass(slots=True)
class _Reader:
    """Reads a table and collects what is wrong with it."""

    mistakes: list[dict[str, Any]] = field(default_factory=list)

    def read(self, table: Mapping[str, Any]) -> dict[str, Any]:
        """The fields of `Grants`, as far as they could be read."""
        for key in table:
            if key not in _KEYS:
                close = difflib.get_close_matches(str(key), _KEYS, n=1)
                hint = f"did you mean {close[0]!r}?" if close else f"there are {', '.join(sorted(_KEYS))}"
                self.wrong(str(key), f"is not a grant; {hint}")
        files = table.get("files", {})
        if not isinstance(files, Mapping) or set(files) - {"read", "write"}:
            self.wrong("files", f"expected a table with `read` and `write`, got {files!r}")
            files = {}
        found: dict[str, Any] = {
            kind: tuple(self.paths(f"files.{kind}", files.get(kind, ()))) for kind in ("read", "write")
        }
        found["network"] = tuple(self.peers(table.get("network", ())))
        found["listen"] = tuple(self.listening(table.get("listen", ())))
        found["native_ports"] = tuple(self.ports(table.get("native_ports", ())))
        found["host_calls"] = tuple(self.words("host_calls", table, _HOST_CALL, CALLS_EXPECTED))
        found["secrets"] = tuple(self.words("secrets", table, _SECRET, "the name of a configuration key"))
        found["processes"] = self.flag("processes", table.get("processes", False))
        return found | {name: self.number(name, table.get(name)) for name in _NUMBERS}

    def wrong(self, path: str, message: str) -> None:
        """Keep one mistake."""
        self.mistakes.append({"path": path, "message": message})

    def texts(self, path: str, value: Any) -> Iterator[tuple[str, str]]:
        """Each entry of a list of texts with its path."""
        if isinstance(value, str) or not isinstance(value, Sequence):
            self.wrong(path, f"expected a list of texts, got {value!r}")
            return
        for at, entry in enumerate(value):
            if isinstance(entry, str):
                yield f"{path}[{at}]", entry
            else:
                self.wrong(f"{path}[{at}]", f"expected a text, got {entry!r}")

    def words(
        self, key: str, table: Mapping[str, Any], form: re.Pattern[str], expected: str
    ) -> Iterator[str]:
        """Entries of a list that must look like something."""
        for path, text in self.texts(key, table.get(key, ())):
            if form.fullmatch(text):
                yield text
            else:
                self.wrong(path, f"expected {expected}, got {text!r}")

    def peers(self, value: Any) -> Iterator[Peer]:
        """The network grants."""
        for path, text in self.texts("network", value):
            try:
                yield peer_of(text)
            except ValueError as error:
                self.wrong(path, str(error))

    def listening(self, value: Any) -> Iterator[Listen]:
        """The ports to listen on."""
        for path, text in self.texts("listen", value):
            try:
                yield listen_of(text)
            except ValueError as error:
                self.wrong(path, str(error))

    def ports(self, value: Any) -> Iterator[int]:
        """The ports for native clients."""
        if not isinstance(value, Sequence) or isinstance(value, str):
            self.wrong("native_ports", f"expected a list of ports, got {value!r}")
            return
        for at, port in enumerate(value):
            if type(port) is int and 0 < port < 65536:
                yield port
            else:
                self.wrong(f"native_ports[{at}]", f"expected a port from 1 to 65535, got {port!r}")

    def paths(self, path: str, value: Any) -> Iterator[str]:
        """Absolute, literal paths."""
        for at, text in self.texts(path, value):
            problem = path_problem(text)
            if problem is None:
                yield text.rstrip("/")
            else:
                self.wrong(at, problem)

    def flag(self, path: str, value: Any) -> bool:
        """A yes or no."""
        if not isinstance(value, bool):
            self.wrong(path, f"expected true or false, got {value!r}")
        return value is True

    def number(self, path: str, value: Any) -> int | None:
        """A whole number above the least that a worker needs, or None."""
        if value is None or (type(value) is int and value >= _LEAST[path]):
            return value
        self.wrong(path, f"expected a whole number, at least {_LEAST[path]}, got {value!r}")
        return None


CALLS_EXPECTED = "`storage`, `dispatch:HOOK` or `emit:HOOK` (a hook's name may end in *)"


def path_problem(text: str) -> str | None:
    """Why a path cannot be granted as it is written, or None."""
    if not text.startswith("/"):
        return f"expected an absolute path, got {text!r}"
    if "\0" in text or any(sign in text for sign in "*?["):
        return f"expected a literal path without wildcards, got {text!r}"
    if {"..", "."} & set(text.split("/")):
        return f"expected a path without `.` and `..`, got {text!r}"
    if len(PurePosixPath(text).parts) < 2:
        return "the root of the file system cannot be granted; name the folder that is needed"
    return None


def listen_of(text: str) -> Listen:
    """Read `tcp:port` or `udp:port`; raises `ValueError` whose text says what was expected."""
    protocol, colon, port_text = text.partition(":")
    if not colon or protocol not in {TCP, UDP} or port_text == ANY_PORT:
        raise ValueError(f"expected `tcp:port` or `udp:port`, got {text!r}")
    return Listen(protocol, _port(port_text, text))


def peer_of(text: str) -> Peer:
    """Read `host:port`, `udp:host:port` or `icmp:host`; raises `ValueError` whose text says what was expected."""
    protocol, colon, rest = text.partition(":")
    if protocol == ICMP and colon and not rest.isdigit():
        if rest.count(":") and not (rest.startswith("[") and rest.endswith("]")):
            raise ValueError(
                f"expected `icmp:host`, without a port, an IPv6 address in brackets, got {text!r}"
            )
        return Peer(_host(rest.removeprefix("[").removesuffix("]"), text), None, ICMP)
    if protocol in {TCP, UDP} and ":" in rest:
        return _peer(rest, text, protocol)
    return _peer(text, text, TCP)


def _peer(pair: str, text: str, protocol: str) -> Peer:
    """Read `host:port`."""
    host, colon, port_text = pair.rpartition(":")
    if not colon or not host:
        raise ValueError(f"expected `host:port`, `udp:host:port` or `icmp:host`, got {text!r}")
    port = None if port_text == ANY_PORT else _port(port_text, text)
    bare = host[1:-1] if host.startswith("[") and host.endswith("]") else host
    if bare == host and ":" in host:
        raise ValueError(f"expected an IPv6 address in brackets, `[address]:port`, got {text!r}")
    return Peer(_host(bare, text), port, protocol)


def _port(port_text: str, text: str) -> int:
    """A port's number."""
    if not re.fullmatch(r"[0-9]{1,5}", port_text) or not 0 < int(port_text) < 65536:
        raise ValueError(f"expected a port from 1 to 65535, or *, got {text!r}")
    return int(port_text)


def _host(host: str, text: str) -> str:
    """A host as it is compared: an address in its shortest form (an IPv4 address in IPv6 dress as itself, without a zone), a network, or a name in lower case."""
    if host == ANY_HOST:
        return host
    try:
        if "/" in host:
            return str(ipaddress.ip_network(host))
        address = ipaddress.ip_address(host.partition("%")[0])
        return str(getattr(address, "ipv4_mapped", None) or address)
    except ValueError:
        name = host.lower().rstrip(".")
    if "/" in name or not _NAME.fullmatch(name) or name.replace(".", "").isdigit():
        raise ValueError(f"expected a host name, an address or a network before the port, got {text!r}")
    return name
