"""Runs the tools that packages need (uv, git, a build): bounded in time and output, gone with everything that they started.

1. Each leads a process group of its own, which is killed before its leader is reaped, so that no foreign process can be hit.
2. The kernel kills it when the host dies. Its environment is exactly the one given.
3. No file that it writes grows beyond the limit given, its output included: the kernel holds it to that.
"""

import asyncio
import ctypes
import os
import resource
import signal
import subprocess
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from isp_plugins.packages.limits import MAX_LOG_BYTES

_PR_SET_PDEATHSIG = 1
_libc = ctypes.CDLL(None, use_errno=True)


@dataclass(frozen=True, slots=True)
class Finished:
    """How a tool ended."""

    code: int
    """Exit code; below zero the signal that ended it."""
    output: str
    """What it wrote to stdout and stderr, the end of it."""
    timed_out: bool = False

    @property
    def worked(self) -> bool:
        """Whether it did what it should."""
        return self.code == 0 and not self.timed_out


async def run(
    argv: Sequence[str],
    *,
    environment: Mapping[str, str],
    folder: Path,
    timeout_s: float,
    file_bytes: int | None = None,
    stdout: Path | None = None,
    log_in: Path | None = None,
) -> Finished:
    """Run a tool to its end; when the caller is cancelled or time is up, it and all of its children are killed.

    `log_in` is the folder on whose disk its output is kept while it runs, for tools that may write a lot; otherwise memory is.
    """
    log = _log(log_in)
    target = os.open(stdout, os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_CLOEXEC, 0o600) if stdout else log
    try:
        # Started on the loop's own thread: the kernel kills the child when the thread that forked it ends.
        process = subprocess.Popen(  # noqa: S603, ASYNC220  ours or the operator's tools, never a shell; see above
            list(argv),
            stdin=subprocess.DEVNULL,
            stdout=target,
            stderr=log,
            cwd=folder,
            env=dict(environment),
            start_new_session=True,
            preexec_fn=lambda: _bound(file_bytes),  # noqa: PLW1509  two system calls, prepared before the fork
        )
        code, timed_out = await _watched(process, timeout_s)
        size = os.lseek(log, 0, os.SEEK_END)
        text = os.pread(log, MAX_LOG_BYTES, max(0, size - MAX_LOG_BYTES)).decode("utf-8", "replace")
        return Finished(code, text, timed_out)
    finally:
        os.close(log)
        if stdout:
            os.close(target)


def _log(folder: Path | None) -> int:
    """A file without a name."""
    if folder is None:
        return os.memfd_create("output", os.MFD_CLOEXEC)
    with tempfile.TemporaryFile(dir=folder) as file:
        return os.dup(file.fileno())


def _bound(file_bytes: int | None) -> None:
    """In the child, before the program: dies with the host, writes no file beyond the limit."""
    _libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    if file_bytes is not None:
        present = resource.getrlimit(resource.RLIMIT_FSIZE)[1]
        lower = file_bytes if present == resource.RLIM_INFINITY else min(file_bytes, present)
        resource.setrlimit(resource.RLIMIT_FSIZE, (lower, lower))


async def _watched(process: "subprocess.Popen[bytes]", timeout_s: float) -> tuple[int, bool]:
    """Wait for the end, seen through a descriptor so that nothing reaps the process before its group is killed."""
    loop = asyncio.get_running_loop()
    ended = asyncio.Event()
    handle = os.pidfd_open(process.pid)
    loop.add_reader(handle, ended.set)
    timed_out = False
    try:
        async with asyncio.timeout(timeout_s):
            await ended.wait()
    except TimeoutError:
        timed_out = True
    finally:
        loop.remove_reader(handle)
        os.close(handle)
        os.killpg(process.pid, signal.SIGKILL)
        code = process.wait()
    return code, timed_out
