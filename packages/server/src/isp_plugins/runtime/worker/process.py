"""One worker process: started clean, watched by its pidfd, and its whole group killed before it is reaped.

1. Nothing of the host reaches it: no environment beside what stands here, no descriptors beside its channel and its output.
2. It leads a session and group of its own, so that what it started ends with it. What leaves them ends by the kernel where the worker has a
   namespace of processes, else the host looks for it by its brand (`leftovers`).
3. Its pid is ours until we reap it, so a signal can never reach somebody else: nothing is signalled after that.
4. A Python worker asks the kernel for its own death when the host dies; a `command` of another language is started through a step that
   asks for it (Linux).
"""

import asyncio
import os
import resource
import signal
import socket
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from typing import Any

from isp_plugin_sdk.wire import SOCKET_VARIABLE
from isp_plugins.contracts.worker import ResourceUse, WorkerProgram
from isp_plugins.runtime.worker import leftovers
from isp_plugins.runtime.worker.confining import Confinement

PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
_THROUGH = (
    "import os,sys;from isp_plugin_sdk.serve.kernel import die_with_parent;"
    "die_with_parent(int(sys.argv[1]));os.execvp(sys.argv[2],sys.argv[2:])"
)


@dataclass(frozen=True, slots=True)
class Ending:
    """How a process ended."""

    exit_code: int | None
    signal: str | None
    usage: ResourceUse

    @property
    def words(self) -> str:
        """In words."""
        if self.signal is not None:
            return f"it was ended by {self.signal}"
        return f"it exited with code {self.exit_code}"


class WorkerProcess:
    """A running process; `ended` is set once it was reaped."""

    def __init__(self, child: "subprocess.Popen[bytes]", loop: asyncio.AbstractEventLoop) -> None:
        self._child = child
        self._loop = loop
        self.pid = child.pid
        self.ended: asyncio.Future[Ending] = loop.create_future()
        self._inherited = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        self._watch = os.pidfd_open(child.pid)
        loop.add_reader(self._watch, self._exited)

    @property
    def outputs(self) -> tuple[Any, ...]:
        """Its standard output (where that is no channel) and error, as files."""
        return tuple(stream for stream in (self._child.stdout, self._child.stderr) if stream is not None)

    def signal(self, number: signal.Signals) -> None:
        """Send its whole group a signal; does nothing once it was reaped."""
        if not self.ended.done():
            _signal_group(self.pid, number)

    def _exited(self) -> None:
        """It is over, but its pid is still its own: end what it started, then reap it."""
        self._loop.remove_reader(self._watch)
        os.close(self._watch)
        _signal_group(self.pid, signal.SIGKILL)
        _, status, usage = os.wait4(self.pid, 0)
        code = os.waitstatus_to_exitcode(status)
        self._child.returncode = code
        if not self.ended.done():
            self.ended.set_result(ending_of(code, usage, inherited=self._inherited))


def start(
    program: WorkerProgram,
    loop: asyncio.AbstractEventLoop,
    confinement: Confinement | None = None,
    brand: str | None = None,
) -> tuple[WorkerProcess, socket.socket]:
    """Start a worker; its process and the host's end of its channel. `OSError` where that is impossible."""
    ours, theirs = socket.socketpair()
    try:
        child = _spawn(program, theirs, confinement, brand)
        process = WorkerProcess(child, loop)
    except BaseException:
        ours.close()
        raise
    finally:
        theirs.close()
        if confinement is not None:
            confinement.handed_over()
    return process, ours


def environment_of(program: WorkerProgram) -> dict[str, str]:
    """All that a worker finds in its environment, its channel apart."""
    few = {"PATH": PATH, "LANG": "C.UTF-8", "HOME": str(program.folder), "TMPDIR": tempfile.gettempdir()}
    return few | dict(program.environment)


def _spawn(
    program: WorkerProgram, end: socket.socket, confinement: Confinement | None, brand: str | None
) -> "subprocess.Popen[bytes]":
    environment, argv = environment_of(program), list(program.argv)
    if brand is not None:
        environment[leftovers.VARIABLE] = brand
    through: tuple[str, str] = ("-c", _THROUGH)
    given: tuple[int, ...] = ()
    if confinement is not None:
        given = confinement.hand_over(launched=program.speaks_over_stdio)
        through = ("-m", "isp_plugin_sdk.sandbox.launch")
        environment |= confinement.environment
    if program.speaks_over_stdio:
        argv = [sys.executable, "-I", *through, str(os.getpid()), *argv]
        streams: dict[str, Any] = {"stdin": end, "stdout": end, "stderr": subprocess.PIPE}
    else:
        environment[SOCKET_VARIABLE] = str(end.fileno())
        streams = {"stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
        given = (*given, end.fileno())
    return subprocess.Popen(  # noqa: S603  the operator's own program, never through a shell
        argv,
        cwd=program.folder,
        env=environment,
        bufsize=0,
        start_new_session=True,
        pass_fds=given,
        **streams,
    )


def _signal_group(pid: int, number: signal.Signals) -> None:
    try:
        os.killpg(pid, number)
    except (
        ProcessLookupError,
        PermissionError,
    ):  # nothing of it is left but the entry that we have not reaped
        return


def ending_of(code: int, usage: resource.struct_rusage, *, inherited: int) -> Ending:
    """How it ended, and what it used. A process begins with the largest size of whoever started it (`inherited`, in KiB): up to that nobody knows its own."""
    peak = usage.ru_maxrss * 1024 if usage.ru_maxrss > inherited else None
    used = ResourceUse(cpu_s=usage.ru_utime + usage.ru_stime, memory_bytes=peak)
    if code >= 0:
        return Ending(code, None, used)
    try:
        return Ending(None, signal.Signals(-code).name, used)
    except ValueError:
        return Ending(None, f"signal {-code}", used)
