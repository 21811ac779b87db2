"""Runs the command line, and the README's demonstration, as real processes."""

import http.client
import os
import signal
import socket
import ssl
import subprocess
import sys
import time
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx

from support import forked
from support.forked import Forked
from support.migrated import migrated

ROOT = Path(__file__).resolve().parents[2]
STARTS_WITHIN_S = 180.0
PATIENT = {"ISP_PLUGINS_WORKER_HANDSHAKE_TIMEOUT": "60"}
"""Every server's, unless a test says otherwise: a busy machine is slow to start a worker, not wrong."""
MAX_HELD = 50
_held: deque[int] = deque()
"""The descriptors of sockets that keep the ports of the last servers."""
PLAIN = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
"""For a client of a server that speaks plain HTTP: it trusts nobody, and does not read the usual authorities, 25 ms of CPU for each client."""


def clean_environment(**extra: str) -> dict[str, str]:
    """The environment without settings of the developer's own."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("ISP_PLUGINS_")}
    return kept | {"COLUMNS": "200", "TERM": "dumb", "NO_COLOR": "1"} | extra


def run(*arguments: str | Path, cwd: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run `isp-plugins` with these arguments and return what it printed and its exit code."""
    return forked.run("isp_plugins", *arguments, cwd=cwd, env=clean_environment(**environment), timeout=90)


def free_port() -> int:
    """A TCP port of the loopback address that nobody listens on; nobody else is given it while its server is down or starts."""
    holder = socket.socket()
    holder.setsockopt(
        socket.SOL_SOCKET, socket.SO_REUSEADDR, 1
    )  # as a server does, which may listen beside it
    holder.bind(("127.0.0.1", 0))
    port: int = holder.getsockname()[1]
    _held.append(holder.detach())
    if len(_held) > MAX_HELD:
        os.close(_held.popleft())
    return port


@contextmanager
def demonstration(folder: Path) -> Iterator[tuple[int, int, Path]]:
    """`make run` in a folder of the test's own: (HTTP port, SMTP port, file with its output), once it printed what to try."""
    port, smtp_port = free_port(), free_port()
    output = folder / "demonstration.txt"
    command = [
        sys.executable,
        str(ROOT / "tools" / "run_demo.py"),
        "--folder",
        str(folder),
        "--port",
        str(port),
        "--smtp-port",
        str(smtp_port),
    ]
    with output.open("w") as stream:
        process = subprocess.Popen(
            command, env=clean_environment(**PATIENT), stdout=stream, stderr=subprocess.STDOUT
        )
    try:
        deadline = time.monotonic() + STARTS_WITHIN_S
        while "Try this" not in output.read_text():
            assert process.poll() is None, output.read_text()
            assert time.monotonic() < deadline, output.read_text()
            time.sleep(0.05)
        yield port, smtp_port, output
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(timeout=60)


@contextmanager
def serving(folder: Path, *options: str, **environment: str) -> Iterator["Serving"]:
    """`isp-plugins serve` on a free port with the data directory `folder/var`; restartable, killable, stopped at the end."""
    server = Serving(folder, options, environment)
    server.start()
    try:
        yield server
    finally:
        server.stop()


class Serving:
    """One data directory and the server process on it."""

    module = "isp_plugins"
    """What is started; another one may prepare its process first."""

    def __init__(
        self, folder: Path, options: tuple[str, ...] = (), environment: dict[str, str] | None = None
    ) -> None:
        self.folder = folder
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.log = folder / "serve.txt"
        self.starts_within = STARTS_WITHIN_S
        self._options = options
        self._environment = environment or {}
        self._process: Forked | None = None

    def launch(self) -> None:
        """Start the process, and do not wait for it; where it would make a database of its own, that is there already."""
        if "ISP_PLUGINS_DATABASE_URL" not in self._environment:
            migrated(self.folder / "var")
        command = ["serve", "--data-dir", "var", "--port", self.port, *self._options]
        with self.log.open("ab") as stream:
            self._process = Forked(
                self.module,
                *command,
                cwd=self.folder,
                env=clean_environment(**PATIENT | self._environment),
                stdout=stream,
                stderr=subprocess.STDOUT,
            )

    def start(self) -> None:
        """Start the process and wait until it answers."""
        self.launch()
        assert self._process is not None
        deadline = time.monotonic() + self.starts_within
        while not self._answers():
            assert self._process.poll() is None, self.log.read_text()
            assert time.monotonic() < deadline, self.log.read_text()
            time.sleep(0.02)

    def kill(self) -> None:
        """End the process as a power cut would."""
        assert self._process is not None
        self._process.kill()
        self._process.wait()

    def freeze(self) -> None:
        """Let the process stand still, as a machine that is suspended does."""
        assert self._process is not None
        self._process.send_signal(signal.SIGSTOP)

    def thaw(self) -> None:
        """Let it go on, as if nothing had been."""
        assert self._process is not None
        self._process.send_signal(signal.SIGCONT)

    def stop(self) -> int:
        """End the process in good order; its exit code."""
        assert self._process is not None
        if self._process.poll() is None:
            self._process.send_signal(signal.SIGTERM)
        return self._process.wait(timeout=60)

    @property
    def admin_key(self) -> str:
        """The key that the first start made."""
        return (self.folder / "var" / "admin.key").read_text().strip()

    def client(self, key: str | None = None) -> httpx.Client:
        """An HTTP client of the API with this key, or the admin's."""
        return httpx.Client(
            base_url=f"{self.url}/api/v1",
            headers={"X-API-Key": key or self.admin_key},
            timeout=60,
            verify=PLAIN,
        )

    def _answers(self) -> bool:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=5)
        try:
            connection.request("GET", "/readyz")
            return connection.getresponse().status == 200
        except (OSError, http.client.HTTPException):
            return False
        finally:
            connection.close()
