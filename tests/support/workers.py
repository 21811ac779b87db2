"""Small real child processes that stand for workers where only what they use, or how they end, matters."""

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager, suppress
from datetime import UTC, datetime

from isp_plugins.contracts.worker import DeathReason, WorkerLimits
from support.waiting import until

IDLE = "import time\nprint('ready', flush=True)\nwhile True: time.sleep(60)"
BURN = "print('ready', flush=True)\nwhile True: pass"
LEAK = """
import time
print('ready', flush=True)
kept = []
while True:
    kept.append(bytearray(b'x' * (1 << 20)))
    time.sleep(0.02)
"""
FILES = """
import os, time
print('ready', flush=True)
kept = []
while True:
    if len(kept) < 300: kept.append(os.open('/dev/null', os.O_RDONLY))
    time.sleep(0.001)
"""
THREADS = """
import threading, time
print('ready', flush=True)
wait = threading.Event()
for _ in range(40): threading.Thread(target=wait.wait, daemon=True).start()
wait.wait()
"""
WITH_CHILD = """
import subprocess, sys
child = subprocess.Popen([sys.executable, '-c', "x = bytearray(b'x' * (40 << 20)); print('ready', flush=True); import time; time.sleep(600)"])
child.wait()
"""


class ChildWorker:
    """A child in a session of its own; it stays unreaped until `reap`, so that its number belongs to nobody else."""

    def __init__(self, pid: int, plugin_id: int, limits: WorkerLimits) -> None:
        self.pid = pid
        self.pidfd = os.pidfd_open(pid)
        self.plugin_id = plugin_id
        self.started_at = datetime.now(UTC)
        self.limits = limits
        self.throttled: Mapping[str, int] = {}
        self.killed: list[tuple[DeathReason, str]] = []
        self.is_reaped = False

    @property
    def is_alive(self) -> bool:
        """Whether it has not ended yet."""
        if self.is_reaped:
            return False
        ended = os.waitid(os.P_PIDFD, self.pidfd, os.WEXITED | os.WNOHANG | os.WNOWAIT)
        return ended is None

    def kill(self, reason: DeathReason, detail: str) -> None:
        """End its whole group, if it was not reaped; so no stranger is ever signalled."""
        self.killed.append((reason, detail))
        self.end()

    def end(self) -> None:
        """End its whole group."""
        if not self.is_reaped:
            with suppress(ProcessLookupError):
                os.killpg(self.pid, signal.SIGKILL)

    def reap(self) -> None:
        """Let go of it, and of its number."""
        if not self.is_reaped:
            self.end()
            os.waitid(os.P_PIDFD, self.pidfd, os.WEXITED)
            self.is_reaped = True
            os.close(self.pidfd)


@asynccontextmanager
async def child(
    code: str, *, plugin_id: int = 1, limits: WorkerLimits | None = None
) -> AsyncIterator[ChildWorker]:
    """A child that runs this code; it has said that it is ready."""
    reading, writing = os.pipe()
    pid = os.posix_spawn(
        sys.executable,
        [sys.executable, "-I", "-c", code],
        {},
        file_actions=[(os.POSIX_SPAWN_DUP2, writing, 1), (os.POSIX_SPAWN_CLOSE, reading)],
        setsid=True,
    )
    os.close(writing)
    worker = ChildWorker(pid, plugin_id, limits or WorkerLimits())
    try:
        said = await asyncio.to_thread(os.read, reading, 100)
        assert said.startswith(b"ready"), said
        yield worker
    finally:
        worker.reap()
        os.close(reading)


async def looked(supervisor: object, condition: Callable[[], bool], *, within: float = 60.0) -> None:
    """Let a supervisor look until something is true."""

    async def again() -> bool:
        await supervisor.look()
        await asyncio.sleep(0.05)
        return condition()

    await until(again, within=within)
