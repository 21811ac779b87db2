"""Ends what workers left behind where the kernel does not: processes are known beyond doubt by a brand in the environment that they began with.

1. Each worker begins with a brand of its own: one of its data directory, and a random part. Everything it starts inherits it; nobody else can have it. A copy
   of a data directory, or what was restored of its backup, is another directory: it has nothing to do with the workers of the first.
2. A process is opened (pidfd) before its brand is read, and signalled through what was opened: a number that is given to somebody else in between
   is never signalled.
3. Once at a worker's end, for what left its group; once at the host's start, for what a host that was killed left: one data directory has one host.
4. A process that emptied its environment is not found. Only a namespace of processes holds that one (`isp_plugin_sdk.sandbox.lineage`).
"""

import hashlib
import logging
import os
import secrets
import signal
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from isp_plugins.durable_file import create_private

_logger = logging.getLogger(__name__)
VARIABLE = "ISP_PLUGIN_BRAND"
FILE = "workers.brand"
PROC = Path("/proc")
ROUNDS = 50
"""Somebody who starts processes faster than they are ended would keep the host busy for ever."""


@dataclass(frozen=True, slots=True)
class Leftovers:
    """Brands the workers of one host, and ends what bears a brand."""

    family: str
    """Begins every brand."""

    @classmethod
    def of(cls, data_dir: Path | None) -> "Leftovers":
        """With the secret of the data directory, made at its first use; without one, with a secret of this process."""
        fresh = secrets.token_hex(16)
        if data_dir is None:
            return cls(fresh)
        file = data_dir / FILE
        if not file.exists():
            create_private(file, fresh)
        secret = file.read_text(encoding="ascii").strip() or fresh
        return cls(hashlib.sha256(f"{secret}:{_which(data_dir)}".encode()).hexdigest()[:32])

    @classmethod
    def taken_over(cls, data_dir: Path) -> "Leftovers":
        """The same, once what the workers of a host before this one left behind is ended; for whoever holds the data directory's lock."""
        found = cls.of(data_dir)
        if ended := found.end_all():
            _logger.warning(
                "Ended %d processes that workers of a host before this one had left behind", ended
            )
        return found

    def brand(self) -> str:
        """A new worker's brand."""
        return f"{self.family}-{secrets.token_hex(16)}"

    def end(self, brand: str) -> int:
        """Kill whatever bears this brand; how many processes. Blocks for some milliseconds."""
        return _end(f"{VARIABLE}={brand}\0".encode())

    def end_all(self) -> int:
        """Kill whatever bears any brand of this data directory; only where no worker of it is running."""
        return _end(f"{VARIABLE}={self.family}-".encode())


def _which(folder: Path) -> str:
    """The folder itself, by whatever path it is reached; another one for a copy of it."""
    found = folder.stat()
    return f"{found.st_dev}:{found.st_ino}"


def _end(sought: bytes) -> int:
    """Kill until nothing is left, since what is killed may have started something just before."""
    ended: set[int] = set()
    for _ in range(ROUNDS):
        found = {pid for pid in _pids() if _kill_if(pid, sought)}
        if not found:
            break
        ended |= found
    return len(ended)


def _pids() -> list[int]:
    try:
        names = os.listdir(PROC)  # noqa: PTH208  names are what is needed
    except OSError:
        return []
    return [int(name) for name in names if name.isdecimal() and int(name) != os.getpid()]


def _kill_if(pid: int, sought: bytes) -> bool:
    """Kill this process if it began with what is sought in its environment; whether it was alive and did."""
    try:
        if not _bears(pid, sought):  # most are strangers: not worth being opened
            return False
        opened = os.pidfd_open(pid)
    except OSError:
        return False
    try:
        if not _bears(pid, sought):
            return False
        signal.pidfd_send_signal(opened, signal.SIGKILL)
    except OSError:
        return False
    finally:
        os.close(opened)
    return True


def _bears(pid: int, sought: bytes) -> bool:
    """Whether a process's first environment holds this; a dead one has none any more."""
    with suppress(OSError):
        return b"\0" + sought in b"\0" + (PROC / str(pid) / "environ").read_bytes()
    return False
