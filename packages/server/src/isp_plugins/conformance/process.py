"""The process that is checked: started with its channel, watched, and ended with everything that it started.

1. It leads a session of its own. Its group is killed before it is reaped, so that its number cannot have become somebody else's.
2. Its log (standard error; standard output too where the channel is a socket) is read all the time and kept in part.
"""

import asyncio
import contextlib
import os
import signal
import socket
import subprocess
from collections import deque
from collections.abc import AsyncIterator, Sequence

from isp_plugins.conformance.channel import Channel
from isp_plugins.conformance.vocabulary import SOCKET_VARIABLE, Transport
from isp_plugins.errors import InvalidInputError

LOG_LINES = 200
"""How many of the last lines of the log are kept."""
LOG_LINE_BYTES = 4096
"""How much of a line of the log is kept."""


class CommandNotStartedError(InvalidInputError):
    """The command {command!r} cannot be started: {reason}. Expected a program and its arguments, as in `isp-plugins protocol test -- node main.js`."""


class LogReader(asyncio.Protocol):
    """Reads one stream of the log into the lines that are kept."""

    def __init__(self, lines: deque[str]) -> None:
        self._lines = lines
        self._rest = b""

    def data_received(self, data: bytes) -> None:
        """Keep whole lines."""
        *lines, rest = (self._rest + data).split(b"\n")
        self._rest = rest[:LOG_LINE_BYTES]
        self._lines.extend(line[:LOG_LINE_BYTES].decode("utf-8", "replace") for line in lines)


class Subject:
    """A started command."""

    def __init__(self, process: subprocess.Popen[bytes], channel: Channel, lines: deque[str]) -> None:
        self.channel = channel
        self.lines = lines
        self._process = process
        self._ended = asyncio.Event()
        self._pidfd = os.pidfd_open(process.pid)
        asyncio.get_running_loop().add_reader(self._pidfd, self._ended.set)

    async def exit_code(self) -> int:
        """Wait until it has ended; its exit code, or the negative number of the signal that ended it."""
        await self._ended.wait()
        found = os.waitid(os.P_PID, self._process.pid, os.WEXITED | os.WNOWAIT)  # noqa: ASYNC222  it has ended
        assert found is not None  # noqa: S101  without WNOHANG it waits until there is one
        return found.si_status if found.si_code == os.CLD_EXITED else -found.si_status

    def hang_up(self) -> None:
        """Close the host's end of the channel."""
        if self.channel.transport is not None:
            self.channel.transport.close()

    def kill(self) -> None:
        """End it and what it started, and reap it."""
        asyncio.get_running_loop().remove_reader(self._pidfd)
        os.close(self._pidfd)
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()


@contextlib.asynccontextmanager
async def started(command: Sequence[str], transport: Transport, limit: int) -> AsyncIterator[Subject]:
    """A running command; it does not outlive the block."""
    channel, lines = Channel(limit), deque[str](maxlen=LOG_LINES)
    loop = asyncio.get_running_loop()
    async with contextlib.AsyncExitStack() as stack:
        ours, theirs = socket.socketpair()
        stack.callback(ours.close)
        with theirs:
            process = _start(command, transport, theirs.fileno())
        subject = Subject(process, channel, lines)
        stack.callback(subject.kill)
        channel.transport, _ = await loop.create_connection(lambda: channel, sock=ours)
        stack.callback(channel.transport.abort)
        for pipe in filter(None, (process.stdout, process.stderr)):
            reading, _ = await loop.connect_read_pipe(lambda: LogReader(lines), pipe)
            stack.callback(reading.close)
        yield subject
    await asyncio.sleep(0)  # the transports close in the loop's next round


def _start(command: Sequence[str], transport: Transport, channel: int) -> subprocess.Popen[bytes]:
    """The process, with the channel where the host puts it, too."""
    over_stdio = transport is Transport.STDIO
    variables = {name: value for name, value in os.environ.items() if name != SOCKET_VARIABLE}
    if not over_stdio:
        variables[SOCKET_VARIABLE] = str(channel)
    try:
        return subprocess.Popen(  # noqa: S603  running the command that was named is what the suite is for
            list(command),
            stdin=channel if over_stdio else subprocess.DEVNULL,
            stdout=channel if over_stdio else subprocess.PIPE,
            stderr=subprocess.PIPE,
            pass_fds=() if over_stdio else (channel,),
            env=variables,
            start_new_session=True,
        )
    except OSError as error:
        raise CommandNotStartedError(
            command=" ".join(command), reason=error.strerror or str(error)
        ) from error
