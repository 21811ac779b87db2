"""A process that was forked off the template is what a started one is: its own, as it was asked for, killed when it is killed, and gone with the test."""

import json
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from support.commands import clean_environment, free_port
from support.forked import COMMAND, TESTS, AsyncForked, Forked, run
from support.waiting import wait_until

TELLS = """
import json, os, sys, threading
print(json.dumps({
    "pid": os.getpid(), "cwd": os.getcwd(), "environment": dict(os.environ), "arguments": sys.argv, "name": __name__,
    "files": len([name for name in os.listdir("/proc/self/fd") if int(name) > 2]), "threads": threading.active_count(),
}))
"""
WAITS = "import time; print('ready', flush=True); time.sleep(600)"


def test_it_is_what_it_was_asked_to_be(tmp_path):
    process = Forked("-c", TELLS, "a", 7, cwd=tmp_path, env={"ONLY": "this"}, stdout=subprocess.PIPE)
    out, _ = process.communicate(timeout=60)
    told = json.loads(out)
    assert (told["pid"], told["cwd"], told["name"]) == (process.pid, str(tmp_path), "__main__")
    assert (told["arguments"], told["environment"]) == (["-c", "a", "7"], {"ONLY": "this"})
    assert (told["files"], told["threads"]) == (1, 1)  # the one file is that of looking


@pytest.mark.parametrize(
    ("program", "code", "problem"),
    [
        ("pass", 0, ""),
        ("import sys; sys.exit(3)", 3, ""),
        ("raise SystemExit('no')", 1, "no\n"),
        ("raise ValueError('wrong')", 1, "ValueError: wrong\n"),
        ("import os; os.abort()", -signal.SIGABRT, ""),
        ("import atexit, sys; atexit.register(sys.stderr.write, 'bye')", 0, "bye"),
    ],
)
def test_it_ends_as_a_program_ends(tmp_path, program, code, problem):
    done = run("-c", program, cwd=tmp_path, env=clean_environment(), timeout=60)
    assert (done.returncode, done.stderr.endswith(problem)) == (code, True), done.stderr


async def test_it_is_really_killed():
    process = await AsyncForked.start("-c", WAITS)
    assert await process.stdout.readline() == b"ready\n"
    assert process.returncode is None
    process.kill()
    assert await process.wait() == -signal.SIGKILL
    assert not Path(f"/proc/{process.pid}").exists()


def test_it_is_told_to_stop_by_a_signal():
    with Forked("-c", WAITS, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as process:
        assert process.stdout.readline() == "ready\n"
        with pytest.raises(subprocess.TimeoutExpired):
            process.wait(0.01)
        process.send_signal(signal.SIGTERM)
        assert process.wait(60) == -signal.SIGTERM


def test_none_outlives_the_process_that_asked_for_it():
    asks = f"from support.forked import Forked; print(Forked('-c', {WAITS!r}, stdout=2).pid, flush=True); import time; time.sleep(600)"
    with subprocess.Popen(
        [sys.executable, "-c", asks], cwd=TESTS, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
    ) as asking:
        pid = int(asking.stdout.readline())
        asking.kill()
    assert wait_until(lambda: not Path(f"/proc/{pid}").exists())


def test_server_that_is_started_as_a_user_starts_it_serves_and_stops(tmp_path):
    """What no fork shows: the installed command and its interpreter, with nothing imported and no database made."""
    port = free_port()
    command = [COMMAND, "serve", "--data-dir", "var", "--port", str(port)]
    with (tmp_path / "log").open("wb") as log:
        process = subprocess.Popen(
            command, cwd=tmp_path, env=clean_environment(), stdout=log, stderr=subprocess.STDOUT
        )
    try:
        deadline = time.monotonic() + 100
        while "Listening on" not in (said := (tmp_path / "log").read_text()):
            assert process.poll() is None, said
            assert time.monotonic() < deadline, said
            time.sleep(0.05)
        environment = clean_environment(ISP_PLUGINS_URL=f"http://127.0.0.1:{port}")
        listed = subprocess.run(
            [COMMAND, "list", "--json"], cwd=tmp_path, env=environment, capture_output=True, check=False, timeout=100
        )  # fmt: skip
        assert json.loads(listed.stdout)["items"] == [], listed.stderr
        process.send_signal(signal.SIGTERM)
        assert process.wait(60) == 0
    finally:
        process.kill()
        process.wait()
    assert (tmp_path / "var").stat().st_mode & 0o777 == 0o700
