"""A command on a terminal of its own (a pseudo-terminal), and what a person would see of it."""

import fcntl
import os
import pty
import re
import select
import signal
import subprocess
import termios
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from support.commands import clean_environment
from support.forked import COMMAND

CONTROL = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")
INTERRUPT = b"\x03"
PATIENCE_S = 90.0


class Terminal:
    """The other end of the terminal on which the command runs."""

    def __init__(self, process: subprocess.Popen[bytes], end: int) -> None:
        self.process = process
        self.raw = b""
        """Everything that came, control sequences included."""
        self._end = end

    @property
    def text(self) -> str:
        """What came, without its control sequences."""
        return CONTROL.sub("", self.raw.decode(errors="replace"))

    def type(self, keys: bytes) -> None:
        """Press keys."""
        os.write(self._end, keys)

    def wait_for(self, words: str) -> None:
        """Read until these words have come; fails when time is up or the command ends without them."""
        deadline = time.monotonic() + PATIENCE_S
        while words not in self.text:
            assert time.monotonic() < deadline, self.text
            if not self._read(1.0) and self.process.poll() is not None:
                assert words in self.text, self.text

    def wait(self) -> int:
        """Read to the end; the exit code."""
        deadline = time.monotonic() + PATIENCE_S
        while self._read(1.0) or self.process.poll() is None:
            assert time.monotonic() < deadline, self.text
        return self.process.wait()

    def _read(self, seconds: float) -> bool:
        """Take what is there; whether there was anything."""
        if not select.select([self._end], [], [], seconds)[0]:
            return False
        try:
            data = os.read(self._end, 65_536)
        except OSError:  # nobody has the other end any more
            time.sleep(0.01)
            return False
        self.raw += data
        return bool(data)


@contextmanager
def on_a_terminal(arguments: Sequence[str | Path], *, cwd: Path, columns: int = 120) -> Iterator[Terminal]:
    """Run `isp-plugins` with all three streams on a terminal that has colours and so many columns."""
    ours, its = pty.openpty()
    termios.tcsetwinsize(its, (40, columns))
    environment = clean_environment(TERM="xterm-256color")
    for name in ("COLUMNS", "NO_COLOR"):
        environment.pop(name, None)
    process = subprocess.Popen(
        [str(COMMAND), *map(str, arguments)],
        cwd=cwd,
        env=environment,
        stdin=its,
        stdout=its,
        stderr=its,
        start_new_session=True,
        preexec_fn=_take_the_terminal,  # noqa: PLW1509  two system calls, and nothing of them takes a lock
    )
    os.close(its)
    try:
        yield Terminal(process, ours)
    finally:
        if process.poll() is None:
            process.kill()
        process.wait()
        os.close(ours)


def _take_the_terminal() -> None:
    """Make standard input the controlling terminal, so that Ctrl-C is a signal, and one that counts also where the tests run in the background."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    fcntl.ioctl(0, termios.TIOCSCTTY, 0)
