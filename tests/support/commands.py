"""Runs the command line, and the README's demonstration, as real processes."""

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
COMMAND = Path(sys.executable).with_name("isp-plugins")
STARTS_WITHIN_S = 60.0


def clean_environment(**extra: str) -> dict[str, str]:
    """The environment without settings of the developer's own."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("ISP_PLUGINS_")}
    return kept | {"COLUMNS": "200", "TERM": "dumb", "NO_COLOR": "1"} | extra


def run(*arguments: str | Path, cwd: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run `isp-plugins` with these arguments and return what it printed and its exit code."""
    command = [str(COMMAND), *map(str, arguments)]
    return subprocess.run(
        command,
        cwd=cwd,
        env=clean_environment(**environment),
        capture_output=True,
        text=True,
        timeout=90,
        check=False,
    )


def free_port() -> int:
    """A TCP port of the loopback address that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
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
        process = subprocess.Popen(command, env=clean_environment(), stdout=stream, stderr=subprocess.STDOUT)
    try:
        deadline = time.monotonic() + STARTS_WITHIN_S
        while "Try this" not in output.read_text():
            assert process.poll() is None, output.read_text()
            assert time.monotonic() < deadline, output.read_text()
            time.sleep(0.05)
        yield port, smtp_port, output
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(timeout=30)
