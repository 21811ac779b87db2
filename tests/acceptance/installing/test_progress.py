"""The progress of an installation as a person sees it on a terminal, and as a program reads it from a pipe."""

import re

import pytest

from support.commands import run
from support.installing import installed, plugin
from support.terminal import CONTROL, INTERRUPT, on_a_terminal
from support.waiting import until
from support.wheels import make_source

WAITS = "def before_build():\n    import time\n    time.sleep(300)"


@pytest.fixture
def terminal(server):
    """Runs a command on a terminal, as somebody at the server's machine."""
    return lambda *arguments: on_a_terminal(arguments, cwd=server.process.folder)


def running(api):
    return api.get("/operations", params={"state": "running"}).json()["items"]


@pytest.fixture
async def slow(api, tmp_path):
    """The folder of a plugin whose installation takes its time; it is cancelled in the end."""
    yield make_source(tmp_path / "slow", "slow", extra=WAITS)
    for operation in running(api):
        api.post(f"/operations/{operation['id']}/cancel")
    await until(lambda: not running(api), within=60)


async def shown(seen, api):
    """Wait until the installation takes its time, and the bar is there."""
    await until(lambda: running(api) and running(api)[0]["steps"][2]["began"], within=60)
    seen.wait_for("%")


def test_terminal_shows_a_bar_with_its_steps_and_the_end(terminal, api, packages):
    with terminal("install", "--accept-grants", plugin(packages, "barred")) as seen:
        assert seen.wait() == 0
    steps = [
        step["name"]
        for step in api.get("/operations", params={"subject": "barred"}).json()["items"][0]["steps"]
    ]
    assert [step for step in steps if step in seen.text], seen.text
    assert re.search(r"━+ +\d+% 0:00:\d\d", seen.text), seen.text
    assert b"\x1b[2K" in seen.raw  # the bar is wiped away
    last = seen.text.replace("\r", "\n").rstrip().splitlines()[-1]
    assert last.startswith("Installed barred 1.0.0 as plugin"), seen.text


def test_terminal_shows_an_upgrade_too(terminal, api, packages):
    installed(api, plugin(packages, "renewed"))
    newer = plugin(packages, "renewed", version="1.1.0")
    with terminal("upgrade", "renewed", newer, "--accept-grants") as seen:
        assert seen.wait() == 0
    assert "━" in seen.text
    assert "1.1.0" in seen.text
    assert api.get("/plugins/", params={"name": "renewed"}).json()["items"][0]["version"] == "1.1.0"


def test_pipe_gets_lines_without_control_sequences(server, packages):
    done = run(
        "install",
        "--accept-grants",
        plugin(packages, "piped"),
        cwd=server.process.folder,
        TERM="xterm-256color",
    )
    assert done.returncode == 0
    for text in (done.stdout, done.stderr):
        assert CONTROL.search(text) is None
        assert "\x1b" not in text
        assert "\r" not in text
        assert "━" not in text
    assert "fetch: " in done.stderr


async def test_interrupt_that_leaves_it_says_how_to_follow_and_to_cancel(terminal, api, slow):
    with terminal("install", "--accept-grants", slow) as seen:
        await shown(seen, api)
        (operation,) = running(api)
        seen.type(INTERRUPT)
        seen.wait_for("Cancel it?")
        seen.type(b"n\r")
        assert seen.wait() == 0
    assert f"isp-plugins operations follow {operation['id']}" in seen.text
    assert f"isp-plugins operations cancel {operation['id']}" in seen.text
    assert running(api)[0]["id"] == operation["id"]


async def test_interrupt_that_cancels_shows_the_end(terminal, api, slow):
    with terminal("install", "--accept-grants", slow) as seen:
        await shown(seen, api)
        seen.type(INTERRUPT)
        seen.wait_for("Cancel it?")
        seen.type(b"\r")
        assert seen.wait() == 1
    assert "cancelled by admin" in seen.text.replace("\r\n", " ")
    assert running(api) == []
