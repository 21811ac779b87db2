"""`make run` where its ports are taken."""

import socket
import subprocess
import sys

from support.commands import ROOT, clean_environment


def test_taken_port_is_told_and_nothing_is_promised(tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        command = [sys.executable, ROOT / "tools" / "run_demo.py", "--folder", tmp_path, "--port", str(port)]
        done = subprocess.run(
            command, env=clean_environment(), capture_output=True, text=True, timeout=60, check=False
        )
    assert (done.returncode, done.stdout, list(tmp_path.iterdir())) == (1, "", [])
    assert f"make run PORT={port + 1}" in done.stderr
