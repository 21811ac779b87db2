"""A real S3 server that others wrote, on loopback: it checks every signature, and keeps objects as files; a bucket is a folder."""

import contextlib
import os
import socket
import subprocess
import sys
import time
from pathlib import Path

from support.commands import free_port

KEY, SECRET = "AKIDEXAMPLE", "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"
BUCKET = "artifacts"
START_S = 60


class S3Server:
    """One server; `stop` it and `start` it again, with what it has."""

    def __init__(self, folder):
        self.bucket = folder / BUCKET
        self.bucket.mkdir(parents=True)
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self._folder = folder
        self._process = None

    def start(self):
        program = Path(sys.executable).with_name("nanio")
        where = ["--host", "127.0.0.1", "--port", str(self.port), "--data-dir", str(self._folder)]
        command = [program, "serve", *where, "--no-access-log", "--log-level", "error"]
        keys = {"NANIO_ACCESS_KEY": KEY, "NANIO_SECRET_KEY": SECRET}
        self._process = subprocess.Popen(command, env=os.environ | keys)
        deadline = time.monotonic() + START_S
        while not self._answers():
            assert self._process.poll() is None, "the S3 server did not start"
            assert time.monotonic() < deadline, "the S3 server did not answer in time"
            time.sleep(0.02)

    def stop(self):
        if self._process is not None:
            self._process.terminate()
            self._process.wait(START_S)
            self._process = None

    def environment(self, **changes):
        """The variables by which a client finds it."""
        given = {
            "ENDPOINT_URL": self.url,
            "ACCESS_KEY_ID": KEY,
            "SECRET_ACCESS_KEY": SECRET,
            "REGION": "us-east-1",
        }
        return {f"AWS_{name}": value for name, value in (given | changes).items()}

    def files(self):
        """Every object's file."""
        return [path for path in self.bucket.rglob("*.whl") if path.is_file()]

    def _answers(self):
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", self.port), 1):
            return True
        return False


@contextlib.contextmanager
def running_s3(folder):
    """The server, started."""
    server = S3Server(folder)
    try:
        server.start()
        yield server
    finally:
        server.stop()
