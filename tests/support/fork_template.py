"""The template of the tests' processes: everything is imported, nothing runs; it forks a process whenever one is asked for.

    python -m support.fork_template SOCKET

1. It has one thread, no event loop and no open file but the sockets, so that a fork of it is as good as a process that has just imported.
   What every process would work out anew, and always alike, it has worked out already: the tree of the commands, and the statements that
   a system sends to its database as it opens, for which it opened one and closed it.
2. A fork gets its own working directory, environment, arguments and files 0-2, keeps no other file, and runs a module, or a text, as `__main__`.
3. Its pid and pidfd are told on a socket of its own as soon as there is one, its wait status as soon as it ended. Only the template reaps.
4. Once nobody can ask any more, what still runs is killed.
"""

import asyncio
import atexit
import contextlib
import functools
import gc
import importlib
import json
import os
import runpy
import select
import signal
import socket
import sys
import tempfile
import threading
import traceback
import types
from dataclasses import dataclass
from pathlib import Path
from typing import Any

PRELOADED = (
    "isp_plugins.asgi",
    "isp_plugins.cli.main",
    "isp_plugins.db.migrate",
    "isp_plugins.packages.store",
    "isp_plugins.system",
    "isp_plugins.testing",
    "alembic.command",
    "alembic.ddl.postgresql",
    "alembic.ddl.sqlite",
    "asyncpg",
    "aiosqlite",
    "httpx",
    "sqlalchemy.dialects.postgresql.asyncpg",
    "sqlalchemy.dialects.sqlite.aiosqlite",
    "support.packages",
    "typer.rich_utils",
    "uvicorn.lifespan.off",
    "uvicorn.lifespan.on",
    "uvicorn.loops.auto",
    "uvicorn.protocols.http.auto",
    "uvicorn.protocols.http.httptools_impl",
    "uvicorn.protocols.websockets.auto",
    "uvloop",
)
MAX_ORDER_BYTES = 200_000
"""Of an order; what does not fit into one datagram of the control socket fails there."""


@dataclass(frozen=True, slots=True)
class Order:
    """What a fork is to become."""

    module: str
    arguments: list[str]
    program: str
    cwd: str
    environment: dict[str, str]


class ForkTemplate:
    """Forks and reaps, in one thread, without signal handlers."""

    def __init__(self, control: socket.socket) -> None:
        self._control = control
        self._watched = select.poll()
        self._watched.register(control, select.POLLIN)
        self._running: dict[int, tuple[int, socket.socket]] = {}
        """By pidfd: pid, and where its end is told."""

    def next_fork(self) -> Order | None:
        """Serve; in a fork, return what it is to become. None: nobody asks any more."""
        while True:
            for handle, _ in self._watched.poll():
                if handle != self._control.fileno():
                    self._reap(handle)
                    continue
                message, files, *_ = socket.recv_fds(self._control, MAX_ORDER_BYTES, 4)
                if not message:
                    self._kill_all()
                    return None
                order = Order(**json.loads(message))
                if self._fork(files) == 0:
                    _become(order, files)
                    return order

    def _fork(self, files: list[int]) -> int:
        pid = os.fork()
        if pid == 0:
            return 0
        pidfd = os.pidfd_open(pid)
        telling = socket.socket(fileno=files.pop())
        for file in files:
            os.close(file)
        self._running[pidfd] = pid, telling
        self._watched.register(pidfd, select.POLLIN)
        with contextlib.suppress(OSError):  # whoever asked has gone
            socket.send_fds(telling, [str(pid).encode()], [pidfd])
        return pid

    def _reap(self, pidfd: int) -> None:
        pid, telling = self._running.pop(pidfd)
        _, status = os.waitpid(pid, 0)
        self._watched.unregister(pidfd)
        os.close(pidfd)
        with telling, contextlib.suppress(OSError):
            telling.send(str(os.waitstatus_to_exitcode(status)).encode())

    def _kill_all(self) -> None:
        for pidfd in list(self._running):
            signal.pidfd_send_signal(pidfd, signal.SIGKILL)
            self._reap(pidfd)


def _become(order: Order, files: list[int]) -> None:
    """Files, folder, environment and arguments, as if it had been started so."""
    for number, file in enumerate(files[:3]):
        os.dup2(file, number)
    os.closerange(3, 1 << 20)
    os.chdir(order.cwd)
    os.environ.clear()
    os.environ.update(order.environment)
    for place in reversed(order.environment.get("PYTHONPATH", "").split(os.pathsep)):
        if place and place not in sys.path:
            sys.path.insert(0, place)
    # A shell takes Ctrl-C from what it starts in its background, pytest for one; a user's command has it.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    sys.argv[:] = [order.program, *order.arguments]
    encoding = sys.stdout.encoding
    sys.stdin = sys.__stdin__ = open(0, encoding=encoding, closefd=False)  # noqa: SIM115  for the whole life of the process
    sys.stdout = sys.__stdout__ = _stream(1, encoding, "strict", line_buffering=os.isatty(1))
    sys.stderr = sys.__stderr__ = _stream(2, encoding, "backslashreplace", line_buffering=True)


def _stream(number: int, encoding: str, errors: str, *, line_buffering: bool) -> Any:
    stream: Any = open(number, "w", encoding=encoding, errors=errors, closefd=False)  # noqa: SIM115  as above
    stream.reconfigure(line_buffering=line_buffering)
    return stream


def _run(order: Order) -> int:
    """Run it as the interpreter runs a program; its exit code."""
    try:
        if order.module == "isp_plugins":
            from isp_plugins.cli.main import main

            sys.modules["__main__"] = types.ModuleType(
                "__main__"
            )  # the command's script, which click looks at for its name
            main()
        elif order.module == "-c":
            program = sys.modules["__main__"] = types.ModuleType("__main__")
            exec(compile(sys.argv.pop(1), "<string>", "exec"), program.__dict__)
        else:
            runpy.run_module(order.module, run_name="__main__", alter_sys=True)
    except SystemExit as end:
        if end.code is None or isinstance(end.code, int):
            return end.code or 0
        print(end.code, file=sys.stderr)
        return 1
    except BaseException:  # as the interpreter does: whatever ended it is shown
        traceback.print_exc()
        return 1
    return 0


def _end(code: int) -> None:
    """End as the interpreter does, but without taking all modules apart: that would copy the template's memory only to free it."""
    threading._shutdown()  # type: ignore[attr-defined]  # what the interpreter itself calls: it waits for the threads
    atexit._run_exitfuncs()
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(OSError, ValueError):
            stream.flush()
    os._exit(code & 0xFF)


def _preload() -> None:
    for module in PRELOADED:
        importlib.import_module(module)
    files = _open_files()
    _build_commands()
    with tempfile.TemporaryDirectory() as folder:
        asyncio.run(_open_a_system(Path(folder)))
    gc.collect()
    if len(list(Path("/proc/self/task").iterdir())) != 1:
        raise RuntimeError("an import, or a system that was closed, left a thread: a fork would not have it")
    if _open_files() != files:
        raise RuntimeError(f"a system that was closed left files open: {_open_files() - files}")
    gc.freeze()  # the collector of a fork leaves the template's objects, and so the shared memory, alone


def _build_commands() -> None:
    """Typer makes the tree of all commands anew for each call: a third of what a command costs."""
    from typer import main

    from isp_plugins.cli.main import app

    main.get_command = functools.cache(main.get_command)
    main.get_command(app)


async def _open_a_system(folder: Path) -> None:
    from isp_plugins.settings import Settings
    from isp_plugins.system import PluginSystem
    from support.compiled import share_compiled_statements

    share_compiled_statements()
    async with PluginSystem.open(Settings(data_dir=folder / "data")):
        pass


def _open_files() -> set[str]:
    return {str(file.readlink()) for file in Path("/proc/self/fd").iterdir() if file.is_symlink()}


if __name__ == "__main__":
    with socket.socket(fileno=int(sys.argv[1])) as asked:
        _preload()
        order = ForkTemplate(asked).next_fork()
        if order is not None:
            asked.detach()
            _end(_run(order))
