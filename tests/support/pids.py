"""Gives a number that a process had to another one, as the kernel does when numbers have gone round."""

import subprocess
import sys
from pathlib import Path

import pytest

LAST = Path("/proc/sys/kernel/ns_last_pid")
TRIES = 200


def stranger_with(pid: int) -> subprocess.Popen[bytes]:
    """A process in a session of its own that has this number, which must be free; skips the test where the kernel does not allow it."""
    for _ in range(TRIES):
        try:
            LAST.write_text(str(pid - 1))
        except OSError as error:
            pytest.skip(f"numbers of processes cannot be chosen here: {error}")
        process = subprocess.Popen(
            [sys.executable, "-c", "import time; time.sleep(600)"], start_new_session=True
        )
        if process.pid == pid:
            return process
        process.kill()
        process.wait()
        if Path(f"/proc/{pid}").exists():
            break
    return pytest.skip("somebody else took the number first")
