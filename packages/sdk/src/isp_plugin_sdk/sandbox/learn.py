"""Runs a Python program, a plugin's tests, and writes down what it did: `python -m isp_plugin_sdk.sandbox.learn FILE PROGRAM [ARGUMENT]...`.

1. The interpreter itself tells what it does (audit events), so nothing is missed that Python does; what C code does by itself is not seen.
2. PROGRAM is a script's path, or the name of a module to run (`pytest`). Its exit code is this one's.
3. Host calls are taken from the test harness's host, and the secrets that are read from the configuration that the harness hands over. Which keys are secrets the
   harness knows by its schema, or the project's `plugin.toml` tells.
4. What was observed is written even if the program fails.
"""

import copy
import importlib.util
import json
import os
import runpy
import socket
import sys
import sysconfig
import tempfile
import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from isp_plugin_sdk.sandbox import own_files
from isp_plugin_sdk.sandbox.grants import ICMP, TCP, UDP
from isp_plugin_sdk.sandbox.learning import Observed

STARTING = frozenset(
    {"subprocess.Popen", "os.exec", "os.fork", "os.forkpty", "os.posix_spawn", "os.system", "os.spawn"}
)
READING = frozenset({"os.listdir", "os.scandir"})
WRITING = frozenset({"os.mkdir", "os.remove", "os.rmdir", "os.rename", "os.truncate", "sqlite3.connect"})
REACHING = frozenset({"socket.connect", "socket.sendto", "socket.sendmsg", "socket.bind"})
HOST_CALLS = (
    "storage_get",
    "storage_set",
    "storage_delete",
    "storage_list",
    "once_seen",
    "once_commit",
    "dispatch",
    "emit",
)
_HIDDEN = frozenset({".venv", "venv", "node_modules", "site-packages", "build", "dist"})
_INET_ADDRESS = (2, 4)
"""Lengths of an address of IPv4 and IPv6 as Python has it."""


class Recorder:
    """The audit hook."""

    def __init__(self) -> None:
        self.observed = Observed()

    def hear(self, event: str, arguments: tuple[Any, ...]) -> None:
        """Write down one event; never raises."""
        try:
            self._hear(event, arguments)
        except (TypeError, ValueError, IndexError, OSError):
            return

    def _hear(self, event: str, arguments: tuple[Any, ...]) -> None:
        seen = self.observed
        if event == "open":
            self._open(*arguments[:3])
        elif event in REACHING:
            self._reach(event, *arguments[:2])
        elif event == "socket.getaddrinfo":
            host, port = arguments[:2]
            if host:
                name = host.decode() if isinstance(host, bytes) else str(host)
                seen.resolved.add((name, port if isinstance(port, int) and port else None))
        elif event in STARTING:
            seen.processes = True
        elif event in READING and arguments[0]:
            seen.read.add(_absolute(arguments[0]))
        elif event in WRITING and arguments[0] != ":memory:":
            seen.written.add(_absolute(arguments[0]))

    def _reach(self, event: str, sock: socket.socket, address: Any) -> None:
        if not isinstance(address, tuple) or len(address) not in _INET_ADDRESS:
            return
        host, port, seen = str(address[0]), int(address[1]), self.observed
        protocol = _protocol(sock)
        if event == "socket.bind":
            if port and protocol != ICMP:
                seen.bound.add((protocol, host or "0.0.0.0", port))  # noqa: S104  what an empty host means to bind
        elif protocol == TCP:
            seen.connected.add((host, port))
        else:
            seen.sent.add((protocol, host, 0 if protocol == ICMP else port))

    def _open(self, path: Any, mode: Any, flags: Any) -> None:
        if not isinstance(path, str | bytes | os.PathLike):
            return
        access = flags & os.O_ACCMODE if isinstance(flags, int) else 0
        writes = access != os.O_RDONLY or (isinstance(mode, str) and bool(set(mode) & set("wax+")))
        (self.observed.written if writes else self.observed.read).add(_absolute(path))

    def watch_host(self) -> None:
        """Write down what the plugin asks of the harness's host."""
        from isp_plugin_sdk.testing.fake_host import FakeHost

        for name in HOST_CALLS:
            self._wrap(FakeHost, name)

    def watch_secrets(self) -> None:
        """Write down which secrets of its configuration the plugin reads."""
        from isp_plugin_sdk.testing.harness import PluginHarness

        seen = self.observed.secrets

        def watched(config: dict[str, Any], schema: Mapping[str, Any] | None) -> dict[str, Any]:
            keys = secret_keys(_schema_here() if schema is None else schema)
            return WatchedConfiguration(config, keys, seen)

        for name, function in (("watched", staticmethod(watched)),):
            setattr(PluginHarness, name, function)

    def _wrap(self, place: type, name: str) -> None:
        real, seen = getattr(place, name), self.observed

        async def wrapped(host: Any, *arguments: Any, **named: Any) -> Any:
            first = next(iter((*arguments, *named.values())), "")
            seen.host_calls.add(f"{name}:{first}" if name in {"dispatch", "emit"} else "storage")
            return await real(host, *arguments, **named)

        setattr(place, name, wrapped)


class WatchedConfiguration(dict[str, Any]):
    """A configuration that writes down which of its secrets are read; everything else of it is a plain dict's."""

    def __init__(self, values: Mapping[str, Any], secrets: frozenset[str], seen: set[str]) -> None:
        super().__init__(values)
        self._secrets = secrets
        self._seen = seen

    def _read(self, *keys: str) -> None:
        self._seen.update(self._secrets & set(keys) & self.keys())

    def __getitem__(self, key: str) -> Any:
        self._read(key)
        return super().__getitem__(key)

    def __iter__(self) -> Iterator[str]:
        """Own, so that `{**config}` and `dict(config)` read one value after the other, through here."""
        return iter(super().keys())

    def get(self, key: str, default: Any = None) -> Any:
        """The value, or the default."""
        self._read(key)
        return super().get(key, default)

    def pop(self, key: str, *default: Any) -> Any:
        """Take a value out."""
        self._read(key)
        return super().pop(key, *default)

    def items(self) -> Any:
        """All values with their keys."""
        self._read(*self)
        return super().items()

    def values(self) -> Any:
        """All values."""
        self._read(*self)
        return super().values()

    def copy(self) -> dict[str, Any]:
        """A copy that is watched, too."""
        return WatchedConfiguration(dict(super().items()), self._secrets, self._seen)

    def __copy__(self) -> dict[str, Any]:
        return self.copy()

    def __deepcopy__(self, memo: Any) -> dict[str, Any]:
        return WatchedConfiguration(copy.deepcopy(dict(super().items()), memo), self._secrets, self._seen)


def secret_keys(schema: Mapping[str, Any] | None) -> frozenset[str]:
    """The keys of a configuration that hold something encrypted; none where the schema cannot be read."""
    from isp_plugin_sdk.errors import SchemaInvalidError
    from isp_plugin_sdk.schema import to_json_schema

    try:
        properties = to_json_schema(schema).get("properties", {}) if schema else {}
    except SchemaInvalidError:
        return frozenset()
    return frozenset(key for key, each in properties.items() if '"encrypted": true' in json.dumps(each))


def _schema_here() -> Mapping[str, Any] | None:
    """The configuration's schema of the one `plugin.toml` of this project; None where there is none, or several."""
    found = [path for path in Path.cwd().rglob("plugin.toml") if not _HIDDEN & set(path.parts)]
    try:
        text = found[0].read_text("utf-8") if len(found) == 1 else ""
        schema = tomllib.loads(text).get("config_schema")
    except (OSError, ValueError):
        return None
    return schema if isinstance(schema, dict) else None


def _protocol(sock: socket.socket) -> str:
    """The word for what a socket speaks."""
    if sock.type != socket.SOCK_DGRAM:
        return TCP
    return ICMP if sock.proto in {socket.IPPROTO_ICMP, socket.IPPROTO_ICMPV6} else UDP


def _absolute(path: Any) -> str:
    return os.path.realpath(os.fsdecode(path))


def given_paths() -> list[str]:
    """What a plugin has without a grant, here: interpreter, system, this project and temporary files."""
    stdlib = sysconfig.get_paths()["stdlib"]
    home = os.path.expanduser("~/.cache")  # noqa: PTH111  as text, like its neighbours
    found = [*own_files.SYSTEM, *own_files.interpreter(), stdlib, "/proc", "/sys", "/dev", home]
    return [*map(os.path.realpath, [*found, os.getcwd(), tempfile.gettempdir()]), *own_files.SYSTEM]  # noqa: PTH109  as text


def main(arguments: list[str]) -> None:
    """Run the program, then write what was observed as JSON."""
    file, program, *rest = arguments
    given, recorder = given_paths(), Recorder()
    recorder.watch_host()
    recorder.watch_secrets()
    sys.argv = [program, *rest]
    sys.path.insert(0, os.getcwd())  # noqa: PTH109  as text
    sys.addaudithook(recorder.hear)
    try:
        if program.endswith(".py"):
            runpy.run_path(program, run_name="__main__")
        elif importlib.util.find_spec(program) is None:
            raise SystemExit(
                f"{program}: expected a Python module that can be imported here (pytest), or a script (tests.py)"
            )
        else:
            runpy.run_module(program, run_name="__main__", alter_sys=True)
    finally:
        seen = recorder.observed
        names = ("read", "written", "resolved", "connected", "sent", "bound", "host_calls", "secrets")
        told = {name: sorted(getattr(seen, name), key=str) for name in names}
        with open(file, "w", encoding="utf-8") as stream:  # noqa: PTH123  short-lived
            json.dump(told | {"processes": seen.processes, "given": given}, stream)


if __name__ == "__main__":
    main(sys.argv[1:])
