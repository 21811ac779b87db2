"""`isp-plugins logs` as an operator uses it, as real processes against a real server."""

import json
import os
import pty
import signal
import subprocess
import time
from contextlib import contextmanager

import pytest

from support.commands import clean_environment, run
from support.forked import Forked
from support.log_stream import CHATTY, execute
from support.server import api_server

WITHIN_S = 60.0


@contextmanager
def follow(server, *options, stdout=subprocess.PIPE, **environment):
    """`isp-plugins logs --follow` in the server's folder."""
    process = Forked(
        "isp_plugins", "logs", "--follow", *options,
        cwd=server.process.folder,
        env=clean_environment(**environment),
        stdout=stdout,
        stderr=subprocess.PIPE,
    )  # fmt: skip
    try:
        yield process
    finally:
        process.kill()
        process.wait()
        for stream in (process.stdout, process.stderr):
            if stream is not None:
                stream.close()


def line_with(stream, text):
    """The next line with this text."""
    for line in stream:
        if text in line:
            return line
    raise AssertionError(f"the output ended without {text!r}")


def test_lines_are_printed_as_they_come_until_ctrl_c_which_is_no_error(server, plugin):
    with follow(server, "--plugin", plugin["name"]) as process:
        line_with(process.stdout, "initialized")
        execute(server, plugin, "say", "hello", 2)
        assert "INFO" in line_with(process.stdout, "hello 0")
        assert plugin["name"] in line_with(process.stdout, "hello 1")
        process.send_signal(signal.SIGINT)
        assert process.wait(WITHIN_S) == 0
        assert process.stderr.read() == ""


def test_json_is_one_record_a_line(server, plugin):
    execute(server, plugin, "say", "two\nlines \u2028 of text")
    with follow(server, "--plugin", plugin["name"], "--tail", "1", "--json") as process:
        record = json.loads(process.stdout.readline())
    assert record["message"] == "two\nlines \u2028 of text 0"


def test_filters_are_passed_on(server, plugin):
    execute(server, plugin, "say", "loud", 1, "ERROR")
    execute(server, plugin, "say", "quiet")
    with follow(server, "--plugin", plugin["name"], "--level", "ERROR", "--json") as process:
        assert json.loads(process.stdout.readline())["message"] == "loud 0"
        execute(server, plugin, "say", "quiet")
        execute(server, plugin, "say", "louder", 1, "ERROR")
        assert json.loads(process.stdout.readline())["message"] == "louder 0"


def test_a_refused_filter_ends_it_with_the_message(server):
    with follow(server, "--level", "LOUD") as process:
        assert process.wait(WITHIN_S) == 1
        assert "level" in process.stderr.read()


def test_no_server_is_said_at_once(tmp_path):
    done = run("logs", "--follow", "--url", "http://127.0.0.1:9", "--api-key", "x", cwd=tmp_path)
    assert done.returncode == 3
    assert "No server answers" in done.stderr


def test_pages_and_following_exclude_each_other(server):
    done = run("logs", "--follow", "--page", "2", cwd=server.process.folder)
    assert done.returncode == 2
    assert "--tail" in done.stderr


def test_whoever_reads_the_output_may_have_enough(server, plugin):
    with follow(server, "--plugin", plugin["name"]) as process:
        process.stdout.readline()
        process.stdout.close()
        stop = time.monotonic() + WITHIN_S
        while process.poll() is None and time.monotonic() < stop:
            execute(server, plugin, "say", "more")
        assert process.returncode == 0
        assert "Traceback" not in process.stderr.read()
        process.stdout = None


def test_a_terminal_gets_colours_and_a_pipe_none(server, plugin):
    execute(server, plugin, "say", "colourful", 1, "ERROR")
    master, slave = pty.openpty()
    with follow(server, "--plugin", plugin["name"], stdout=slave, NO_COLOR="", TERM="xterm") as process:
        os.close(slave)
        shown = b""
        while b"colourful" not in shown:
            shown += os.read(master, 4096)
        process.send_signal(signal.SIGINT)
        assert process.wait(WITHIN_S) == 0
    os.close(master)
    assert b"\x1b[" in shown
    with follow(server, "--plugin", plugin["name"]) as process:
        assert "\x1b[" not in line_with(process.stdout, "colourful")


def test_after_a_restart_it_goes_on_without_gap_or_duplicate(tmp_path):
    with api_server(tmp_path) as server:
        plugin = server.plugin(CHATTY, enabled=True)
        with follow(server, "--plugin", plugin["name"], "--search", "word", "--json") as process:
            execute(server, plugin, "say", "word", 3)
            seen = [json.loads(process.stdout.readline())["message"] for _ in range(3)]
            server.process.stop()
            server.process.start()
            execute(server, plugin, "say", "word again", 3)
            seen += [json.loads(process.stdout.readline())["message"] for _ in range(3)]
            assert "trying again" in process.stderr.readline()
    assert seen == [f"word {n}" for n in range(3)] + [f"word again {n}" for n in range(3)]


def test_a_deleted_plugins_log_is_found_by_its_name(server, plugin):
    server.admin.delete(f"/plugins/{plugin['id']}").raise_for_status()
    done = run("logs", "--plugin", plugin["name"], "--json", cwd=server.process.folder)
    assert json.loads(done.stdout)["total"] >= 1
    assert run("logs", "--plugin", "nobody", cwd=server.process.folder).returncode == 1


def test_usage_shows_counts_and_limits(server, plugin):
    execute(server, plugin, "say", "counted", 5)
    server.admin.get("/plugins/logs").raise_for_status()
    done = run("log-usage", cwd=server.process.folder)
    assert plugin["name"] in done.stdout
    assert "30 days" in done.stdout
    assert run("log-usage", "--json", cwd=server.process.folder).returncode == 0


@pytest.mark.parametrize(
    "option", ["--method", "--node", "--only-level", "--slower-than", "--with-traceback"]
)
def test_every_filter_has_its_option(server, option):
    value = {"--only-level": ["INFO"], "--slower-than": ["5"], "--with-traceback": []}.get(option, ["x"])
    assert run("logs", option, *value, cwd=server.process.folder).returncode == 0
