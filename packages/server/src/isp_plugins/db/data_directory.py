"""The data directory: one host at a time, and a note by which others find that host.

1. A folder that is created is for its owner alone (0700); one that was there keeps its mode, its files are private one by one.
2. `host.lock` is held (`flock`) as long as a host uses the folder; the kernel lets go of it however the host ends.
3. A SQLite file outside the folder is locked too (`<file>.host`), so that two folders cannot share it.
4. `host.json` says where the running host listens; it is believed only while the lock is held.
"""

import contextlib
import fcntl
import json
import os
import time
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from isp_plugins.db.errors import DataDirectoryInUseError, DataDirectoryUnusableError
from isp_plugins.durable_file import write_private

LOCK_FILE = "host.lock"
HOST_FILE = "host.json"
UNFINISHED = ".restoring"
"""A folder in it: a restore has begun and not ended."""
PATIENCE_S = 2.0
"""How long a start waits for the lock: whoever only asks who runs (`running_host`), and a child of the last host that is between its fork and its exec, hold it for an instant, which on a busy machine is long."""
PAUSE_S = 0.01
BOOT_ID = Path("/proc/sys/kernel/random/boot_id")


@dataclass(frozen=True, slots=True)
class RunningHost:
    """The host that uses a data directory now."""

    url: str
    """Where its HTTP server listens, e.g. `http://127.0.0.1:8080`."""
    pid: int


class DataDirectory:
    """The folder of everything the server keeps; created if it is missing, `DataDirectoryUnusableError`."""

    def __init__(self, path: Path) -> None:
        self.path = path.absolute()
        try:
            if not self.path.is_dir():
                self.path.mkdir(mode=0o700, parents=True, exist_ok=True)
        except OSError as error:
            raise DataDirectoryUnusableError(path=self.path, cause=error.strerror) from error

    @property
    def backups(self) -> Path:
        """Where copies of the database go before it is migrated."""
        return self.path / "backups"

    @property
    def home(self) -> str:
        """Names this very folder on this boot of this machine: two processes that lock it cannot live at the same time."""
        try:
            found = (self.path / LOCK_FILE).stat()
            boot = BOOT_ID.read_text(encoding="ascii").strip()
        except OSError:
            return uuid.uuid4().hex
        return f"{boot}/{found.st_dev}/{found.st_ino}"

    @contextlib.contextmanager
    def lock(self, *, database_file: Path | None = None, restoring: bool = False) -> Iterator[None]:
        """Be the one host of this folder, and of its SQLite file wherever it lies; `DataDirectoryInUseError`, `DataDirectoryUnusableError`.

        `restoring`: this is the restore itself, which looks at what it made.
        """
        if (self.path / UNFINISHED).exists() and not restoring:
            cause = "a backup was not restored to its end; empty the folder and restore it again"
            raise DataDirectoryUnusableError(path=self.path, cause=cause)
        with contextlib.ExitStack() as stack:
            stack.enter_context(self._held(self.path / LOCK_FILE, self.path))
            if database_file is not None and database_file.absolute().parent != self.path:
                stack.enter_context(
                    self._held(database_file.with_name(database_file.name + ".host"), database_file)
                )
            # What a killed host left behind is about another host.
            (self.path / HOST_FILE).unlink(missing_ok=True)
            try:
                yield
            finally:
                (self.path / HOST_FILE).unlink(missing_ok=True)

    def announce(self, url: str) -> None:
        """Tell others where this host listens; call it under the lock, once the port is known."""
        write_private(self.path / HOST_FILE, json.dumps({"url": url, "pid": os.getpid()}) + "\n")

    def running_host(self) -> RunningHost | None:
        """The host that holds the lock and has said where it listens; None if nobody does."""
        if not self.is_locked():
            return None
        try:
            said = json.loads((self.path / HOST_FILE).read_text(encoding="utf-8"))
            return RunningHost(url=str(said["url"]), pid=int(said["pid"]))
        except (OSError, ValueError, KeyError, TypeError):
            return None

    def is_locked(self) -> bool:
        """Whether some host uses this folder now."""
        try:
            handle = os.open(self.path / LOCK_FILE, os.O_RDWR | os.O_CLOEXEC)
        except OSError:
            return False
        try:
            fcntl.flock(handle, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
        finally:
            os.close(handle)
        return False

    @contextlib.contextmanager
    def _held(self, lock_file: Path, shown: Path) -> Iterator[None]:
        try:
            handle = os.open(lock_file, os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600)
        except OSError as error:
            raise DataDirectoryUnusableError(path=shown, cause=error.strerror) from error
        try:
            if not _locked_in_time(handle):
                raise DataDirectoryInUseError(path=shown, holder=self._holder(handle))
            os.truncate(handle, 0)
            os.pwrite(handle, f"{os.getpid()}\n".encode(), 0)
            yield
        finally:
            os.close(handle)

    def _holder(self, handle: int) -> str:
        """Who holds the lock, as far as it is known, as a part of a sentence."""
        host = self.running_host()
        if host is not None:
            return f" (process {host.pid}, listening on {host.url})"
        pid = os.pread(handle, 32, 0).decode(errors="replace").strip()
        return f" (process {pid})" if pid.isdecimal() else ""


def _locked_in_time(handle: int) -> bool:
    deadline = time.monotonic() + PATIENCE_S
    while True:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() > deadline:
                return False
            time.sleep(PAUSE_S)
        else:
            return True
