"""A namespace of processes for a worker that may start some: whatever it starts, and whatever that starts, ends with it, by the kernel.

1. Three processes: the *outer* one, which the host started, watches and signals; the *first* of the namespace, which reaps what nobody waits
   for; and the worker. The host kills the outer one or ends itself, the first ends with the outer one, and with the first the kernel ends all the rest,
   sessions of their own, daemons and emptied environments included.
2. The outer and the first run nothing but these lines: without privileges, without a descriptor beside the one between them.
3. The worker's end becomes theirs, code or signal, so that the host sees what it would have seen.
4. To be called with one thread; between `begin` and `enter` no thread can be made.
"""

import os
import resource
import select
import signal
import socket
from typing import NoReturn

from isp_plugin_sdk.sandbox import kernel, privileges

NEWPID = 0x20000000
LAST_DESCRIPTOR = 1 << 20
_STATUS_BYTES = 4
_LEFT_TO_THE_WORKER = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGQUIT)


def begin() -> bool:
    """Let the next child be the first of a new namespace; False where the kernel or its settings refuse."""
    try:
        kernel.unshare(NEWPID)
    except OSError:
        return False
    return True


def enter(host: int) -> None:
    """Go on as the worker in its own namespace; the process that called stays behind as the outer one, and ends with `host`, its parent."""
    outer_end, first_end = socket.socketpair()
    privileges.no_new_privileges()
    first = os.fork()
    if first:
        _stay_outside(first, outer_end, host)
    kernel.prctl(kernel.PR_SET_PDEATHSIG, signal.SIGKILL)
    outer_end.close()
    if select.select([first_end], [], [], 0)[0]:  # the outer one ended before the kernel was asked
        os._exit(1)
    worker = os.fork()
    if worker:
        _be_the_first(worker, first_end)
    first_end.close()


def _stay_outside(first: int, end: socket.socket, host: int) -> NoReturn:
    """Wait for the first process, and end as the worker did."""
    try:
        _let_go(end)
        kernel.prctl(kernel.PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() == host:
            _, status = os.waitpid(first, 0)
            _end_like(_told(end, status))
    finally:
        os._exit(1)


def _be_the_first(worker: int, end: socket.socket) -> NoReturn:
    """Reap until the worker has ended, and pass on how."""
    try:
        _let_go(end)
        while True:
            pid, status = os.waitpid(-1, 0)
            if pid == worker:
                end.send(status.to_bytes(_STATUS_BYTES, "little"))
                os._exit(0)
    finally:
        os._exit(1)


def _let_go(end: socket.socket) -> None:
    """Keep nothing of the worker's: no descriptor, no capability; its signals are for itself to answer."""
    for number in _LEFT_TO_THE_WORKER:
        signal.signal(number, signal.SIG_IGN)
    os.closerange(0, end.fileno())
    os.closerange(end.fileno() + 1, LAST_DESCRIPTOR)
    privileges.drop_capabilities()


def _told(end: socket.socket, status: int) -> int:
    """How the worker ended; where the first was killed, how that one did."""
    text = end.recv(_STATUS_BYTES, socket.MSG_DONTWAIT) if status == 0 else b""
    return int.from_bytes(text, "little") if text else status


def _end_like(status: int) -> NoReturn:
    """End with this code, or by this signal."""
    code = os.waitstatus_to_exitcode(status)
    if code < 0:
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        if -code not in {signal.SIGKILL, signal.SIGSTOP}:
            signal.signal(-code, signal.SIG_DFL)
        os.kill(os.getpid(), -code)
    os._exit(code if code >= 0 else 128 - code)
