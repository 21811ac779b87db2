"""Real processes without the price of a start: forked off a template that has already imported the product, one template for each pytest process.

1. What is started so has its own pid, session, files, folder and environment, is really killed, and reports how it ended.
2. What a start by a user proves (the installed command, `python -m`) is proved elsewhere, by tests that start it as a user does.
3. Signals go through the process's pidfd: they never reach a stranger that got its number.
"""

import asyncio
import contextlib
import json
import os
import select
import signal
import socket
import subprocess
import sys
import tempfile
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import IO, Any, Self

TESTS = Path(__file__).parents[1]
COMMAND = Path(sys.executable).with_name("isp-plugins")
PYTHONS_OWN = ("PYTHONHASHSEED", "PYTHONWARNINGS", "PYTHONDEVMODE", "PYTHONUNBUFFERED", "PYTHONIOENCODING")
"""What an interpreter reads as it starts: a fork has what the template started with."""

_starting = threading.Lock()
_template: tuple[int, socket.socket, "subprocess.Popen[bytes]"] | None = None


class Forked:
    """A process forked off the template: of `subprocess.Popen`, what tests need."""

    def __init__(
        self,
        module: str,
        *arguments: object,
        cwd: Path | str = TESTS,
        env: Mapping[str, str] | None = None,
        stdin: int | IO[Any] | None = None,
        stdout: int | IO[Any] | None = None,
        stderr: int | IO[Any] | None = None,
    ) -> None:
        """`python -m MODULE ARGUMENTS`; the module `isp_plugins` is the installed command, `-c` runs the first argument."""
        environment = dict(os.environ if env is None else env)
        if any(name in environment and environment[name] != os.environ.get(name) for name in PYTHONS_OWN):
            raise ValueError(f"a fork cannot have another {' or '.join(PYTHONS_OWN)} than its template")
        order = {
            "module": module,
            "arguments": [str(argument) for argument in arguments],
            "program": str(COMMAND) if module == "isp_plugins" else module,
            "cwd": str(cwd),
            "environment": environment,
        }
        self.returncode: int | None = None
        with contextlib.ExitStack() as stack:
            null = stack.enter_context(Path(os.devnull).open("r+b", buffering=0))
            its = [
                _end_for(given, number, null, stack) for number, given in enumerate((stdin, stdout, stderr))
            ]
            if stderr == subprocess.STDOUT:
                its[2] = its[1]
            self.stdin, self.stdout, self.stderr = (ours for ours, _ in its)
            self._told = _asked(order, [theirs for _, theirs in its])
        pid, handles, *_ = socket.recv_fds(self._told, 64, 1)
        if not handles:
            raise RuntimeError("the template of the tests' processes ended: see what it wrote to stderr")
        self.pid, self._pidfd = int(pid), handles[0]

    def poll(self) -> int | None:
        """How it ended (negative: by which signal), or None while it runs."""
        if self.returncode is None and _is_readable(self._told, 0):
            told = self._told.recv(64)
            self.returncode = (
                int(told) if told else -signal.SIGKILL
            )  # nothing: the template ended, and killed it
            self._told.close()
            os.close(self._pidfd)
        return self.returncode

    def wait(self, timeout: float | None = None) -> int:
        """Wait for its end; `subprocess.TimeoutExpired` when it does not come."""
        if self.poll() is None and not _is_readable(self._told, timeout):
            raise subprocess.TimeoutExpired(f"process {self.pid}", timeout or 0)
        code = self.poll()
        assert code is not None
        return code

    def communicate(self, text: str = "", timeout: float | None = None) -> tuple[str, str]:
        """Tell it this, read what it prints to the end, and wait for it."""
        texts = ["", ""]

        def read(number: int, stream: IO[str]) -> None:
            texts[number] = stream.read()

        readers = [
            threading.Thread(target=read, args=(number, stream))
            for number, stream in enumerate((self.stdout, self.stderr))
            if stream is not None
        ]
        for reader in readers:
            reader.start()
        try:
            if self.stdin is not None:
                self.stdin.write(text)
                self.stdin.close()
            self.wait(timeout)
        finally:
            self.kill()
            for reader in readers:
                reader.join()
            self.close()
        return texts[0], texts[1]

    def send_signal(self, number: int) -> None:
        """Send a signal, unless it ended."""
        if self.poll() is None:
            with contextlib.suppress(ProcessLookupError):
                signal.pidfd_send_signal(self._pidfd, number)

    def kill(self) -> None:
        self.send_signal(signal.SIGKILL)

    def terminate(self) -> None:
        self.send_signal(signal.SIGTERM)

    def close(self) -> None:
        """Close our ends of its pipes."""
        for stream in (self.stdin, self.stdout, self.stderr):
            if stream is not None:
                stream.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
        self.wait()


class AsyncForked:
    """The same for a test's event loop, which reads its standard output: of `asyncio.subprocess.Process`, what tests need."""

    def __init__(self, process: Forked, stdout: asyncio.StreamReader, pipe: asyncio.BaseTransport) -> None:
        self._process = process
        self._pipe = pipe
        self.pid = process.pid
        self.stdout = stdout
        self.send_signal = process.send_signal
        self.kill = process.kill

    @classmethod
    async def start(cls, module: str, *arguments: object, **options: Any) -> "AsyncForked":
        """Start it and read what it says."""
        process = Forked(module, *arguments, stdout=subprocess.PIPE, **options)
        assert process.stdout is not None
        stdout = asyncio.StreamReader()
        loop = asyncio.get_running_loop()
        pipe, _ = await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(stdout), process.stdout)
        return cls(process, stdout, pipe)

    @property
    def returncode(self) -> int | None:
        """How it ended, or None while it runs."""
        return self._process.poll()

    async def wait(self) -> int:
        """Wait for its end without holding the loop up; what it said can be read no further then."""
        loop, ready = asyncio.get_running_loop(), asyncio.Event()
        if self.returncode is None:
            end = self._process._told
            loop.add_reader(end, ready.set)
            try:
                await ready.wait()
            finally:
                loop.remove_reader(end)
        self._pipe.close()
        await asyncio.sleep(0)  # the loop closes the pipe in its next round
        return self._process.wait()


def run(
    module: str, *arguments: object, cwd: Path, env: Mapping[str, str], timeout: float
) -> subprocess.CompletedProcess[str]:
    """Run it to its end; what it printed and its exit code."""
    with tempfile.TemporaryFile() as printed, tempfile.TemporaryFile() as problems:
        process = Forked(module, *arguments, cwd=cwd, env=env, stdout=printed, stderr=problems)
        try:
            code = process.wait(timeout)
        finally:
            process.kill()
            process.wait()
        return subprocess.CompletedProcess(
            [module, *map(str, arguments)], code, _all_of(printed), _all_of(problems)
        )


def _all_of(file: IO[bytes]) -> str:
    file.seek(0)
    return file.read().decode()


def _end_for(
    given: int | IO[Any] | None, number: int, null: IO[bytes], stack: contextlib.ExitStack
) -> tuple[IO[str] | None, int]:
    """Our end of a stream, where it is a pipe, and its end."""
    if given is None:
        return None, number
    if given == subprocess.PIPE:
        read, write = os.pipe()
        ours, theirs = (write, read) if number == 0 else (read, write)
        stack.callback(os.close, theirs)
        return os.fdopen(ours, "w" if number == 0 else "r", buffering=1), theirs
    if given in {subprocess.DEVNULL, subprocess.STDOUT}:
        return None, null.fileno()
    return None, given if isinstance(given, int) else given.fileno()


def _asked(order: Mapping[str, Any], files: list[int]) -> socket.socket:
    """Send an order; where the template tells of that process."""
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    with theirs:
        socket.send_fds(_control(), [json.dumps(order).encode()], [*files, theirs.fileno()])
    return ours


def _is_readable(end: socket.socket, timeout: float | None) -> bool:
    poll = select.poll()
    poll.register(end, select.POLLIN)
    return bool(poll.poll(None if timeout is None else timeout * 1000))


def _control() -> socket.socket:
    """Where the template of this process is asked; the first call starts it."""
    global _template  # noqa: PLW0603  one for the whole pytest process
    with _starting:
        if _template is None or _template[0] != os.getpid():
            _template = os.getpid(), *_started()
        return _template[1]


def _started() -> tuple[socket.socket, "subprocess.Popen[bytes]"]:
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    with theirs:
        process = subprocess.Popen(
            [sys.executable, "-m", "support.fork_template", str(theirs.fileno())],
            cwd=TESTS,
            stdin=subprocess.DEVNULL,
            pass_fds=[theirs.fileno()],
        )
    return ours, process


def end_template() -> None:
    """End the template of this process and what still runs of it."""
    global _template  # noqa: PLW0603  as above
    with _starting:
        if _template is not None and _template[0] == os.getpid():
            _, control, process = _template
            control.close()
            process.wait()
            _template = None
