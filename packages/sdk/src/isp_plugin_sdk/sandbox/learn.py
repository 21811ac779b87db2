"""Runs a Python program, a plugin's tests, and writes down what it did: `python -m isp_plugin_sdk.sandbox.learn FILE PROGRAM [ARGUMENT]...`.

1. The interpreter itself tells what it does (audit events), so nothing is missed that Python does; what C code does by itself is not seen.
2. PROGRAM is a script's path, or the name of a module to run (`pytest`). Its exit code is this one's.
3. Host calls are taken from the test harness's host.
4. What was observed is written even if the program fails.
"""

import json
import os
import runpy
import sys
import sysconfig
import tempfile
from typing import Any

from isp_plugin_sdk.sandbox import own_files
from isp_plugin_sdk.sandbox.learning import Observed

STARTING = frozenset(
    {"subprocess.Popen", "os.exec", "os.fork", "os.forkpty", "os.posix_spawn", "os.system", "os.spawn"}
)
READING = frozenset({"os.listdir", "os.scandir"})
WRITING = frozenset({"os.mkdir", "os.remove", "os.rmdir", "os.rename", "os.truncate", "sqlite3.connect"})
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
        elif event == "socket.connect":
            address = arguments[1]
            if isinstance(address, tuple) and len(address) in _INET_ADDRESS:
                seen.connected.add((str(address[0]), int(address[1])))
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

    def _open(self, path: Any, mode: Any, flags: Any) -> None:
        if not isinstance(path, str | bytes | os.PathLike):
            return
        access = flags & os.O_ACCMODE if isinstance(flags, int) else 0
        writes = access != os.O_RDONLY or (isinstance(mode, str) and bool(set(mode) & set("wax+")))
        (self.observed.written if writes else self.observed.read).add(_absolute(path))

    def watch_host(self) -> None:
        """Write down what the plugin asks of the harness's host."""
        from isp_plugin_sdk.testing.fake_host import FakeHost

        for name in ("storage_get", "storage_set", "storage_delete", "storage_list", "dispatch", "emit"):
            self._wrap(FakeHost, name)

    def _wrap(self, place: type, name: str) -> None:
        real, seen = getattr(place, name), self.observed

        async def wrapped(host: Any, *arguments: Any, **named: Any) -> Any:
            first = next(iter((*arguments, *named.values())), "")
            seen.host_calls.add("storage" if name.startswith("storage") else f"{name}:{first}")
            return await real(host, *arguments, **named)

        setattr(place, name, wrapped)


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
    sys.argv = [program, *rest]
    sys.path.insert(0, os.getcwd())  # noqa: PTH109  as text
    sys.addaudithook(recorder.hear)
    try:
        if program.endswith(".py"):
            runpy.run_path(program, run_name="__main__")
        else:
            runpy.run_module(program, run_name="__main__", alter_sys=True)
    finally:
        seen = recorder.observed
        names = ("read", "written", "resolved", "connected", "host_calls")
        told = {name: sorted(getattr(seen, name), key=str) for name in names}
        with open(file, "w", encoding="utf-8") as stream:  # noqa: PTH123  short-lived
            json.dump(told | {"processes": seen.processes, "given": given}, stream)


if __name__ == "__main__":
    main(sys.argv[1:])
