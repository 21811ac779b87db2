"""A PostgreSQL server that can be killed with all of its processes, and started again on the same data."""

import contextlib
import os
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

from support.postgres import _programs, _server_user, _start, _wait_until_ready
from support.waiting import wait_until

DURABLE = ("shared_buffers=32MB", "max_connections=60", "max_wal_size=1GB")


class CrashingPostgres:
    """Durable, as in production; `crash` is the machine's power going, as far as one machine can show it."""

    def __init__(self, user: str | None, programs: Path, folder: Path) -> None:
        self.folder = folder
        self.url = f"postgresql://postgres:@/postgres?host={folder}"
        self._user = user
        self._programs = programs
        self._server: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start it; after a crash it recovers from its log first."""
        data = self.folder / "data"
        self._server = _start(self._programs, self._user, self.folder, data, DURABLE)
        _wait_until_ready(self._server, data, self.folder / "log")

    def crash(self) -> None:
        """Kill the server and every process of its own, the same moment."""
        assert self._server is not None
        self._server.send_signal(signal.SIGSTOP)  # it starts no further process meanwhile
        pids = [self._server.pid, *_children(self._server.pid)]
        for pid in pids:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        self._server.wait(60)
        _wait_until_gone(pids)  # the last of them still holds the shared memory
        (self.folder / "data" / "postmaster.pid").unlink(missing_ok=True)  # or its number may be another's

    def stop(self) -> None:
        """End it."""
        assert self._server is not None
        if self._server.poll() is None:
            self._server.send_signal(signal.SIGQUIT)
            self._server.wait(60)


def _wait_until_gone(pids: Sequence[int]) -> None:
    wait_until(lambda: not any(_runs(pid) for pid in pids), seen=lambda: [pid for pid in pids if _runs(pid)])


def _runs(pid: int) -> bool:
    """Whether it is there and no zombie."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def _children(pid: int) -> list[int]:
    found = subprocess.run(["pgrep", "-P", str(pid)], capture_output=True, text=True, check=False)
    return [int(one) for one in found.stdout.split()]


@contextlib.contextmanager
def crashing_postgres() -> Iterator[CrashingPostgres]:
    """A new, empty server of this kind."""
    folder = Path(tempfile.mkdtemp(prefix="isp-pg-", dir="/tmp"))
    try:
        user = _server_user(folder)
        programs = _programs(user, folder)
        options = ["--auth=trust", "--encoding=utf8", "--no-sync", "-U", "postgres"]
        initdb = [programs / "initdb", "-D", folder / "data", *options]
        subprocess.run(initdb, user=user, cwd="/", stdout=subprocess.DEVNULL, check=True)
        server = CrashingPostgres(user, programs, folder)
        server.start()
        try:
            yield server
        finally:
            server.stop()
    finally:
        shutil.rmtree(folder, ignore_errors=True)
