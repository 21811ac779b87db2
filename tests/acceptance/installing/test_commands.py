"""`install`, `uninstall` and `operations` as an operator types them."""

import json
import signal
import subprocess

import pytest

from support.commands import clean_environment, run
from support.forked import Forked
from support.installing import install, plugin
from support.waiting import until
from support.wheels import make_source


@pytest.fixture
def isp(server):
    """Runs a command against the server, as somebody at its machine."""
    return lambda *arguments: run(*arguments, cwd=server.process.folder)


def test_wheel_is_installed_enabled_and_uninstalled(isp, packages, tmp_path):
    wheel = plugin(packages, "typed")
    done = isp(
        "install",
        wheel,
        "--accept-grants",
        "--config",
        "greeting=hi",
        "--config",
        'password="s3cret"',
        "--enable",
    )
    assert done.returncode == 0, done.stderr
    assert "Installed typed 1.0.0 as plugin" in done.stdout
    assert "(active)" in done.stdout
    steps = [line.partition(":")[0] for line in done.stderr.splitlines()]
    assert steps[:2] == ["fetch", "verify"]
    assert steps[-1] == "enable"
    shown = isp("show", "typed").stdout
    assert "runtime" in shown
    assert wheel.name in shown
    assert "host_calls: storage; secrets: password" in shown

    plan = isp("uninstall", "typed", "--plan")
    assert "configuration  drop" in plan.stdout
    export = tmp_path / "typed.json"
    gone = isp("uninstall", "typed", "--yes", "--keep", "configuration", "--export", export)
    assert gone.returncode == 0, gone.stderr
    assert "Kept: configuration" in gone.stdout
    assert json.loads(export.read_text())["configuration"] == {"greeting": "hi"}
    assert isp("show", "typed").returncode == 1


def test_folder_is_packed_and_sent(isp, tmp_path):
    folder = make_source(tmp_path / "my_plugin", "my_plugin")
    done = isp("install", folder, "--accept-grants")
    assert done.returncode == 0, done.stderr
    assert "Next: isp-plugins enable my_plugin" in done.stdout
    assert isp("delete", "my_plugin", "--yes").returncode == 0


def test_failure_says_step_cause_and_what_to_do(isp, packages):
    done = isp("install", "--accept-grants", plugin(packages, "stuck", "dep>=3"))
    assert done.returncode == 1
    assert "Install failed in step resolve" in done.stderr
    assert "dep" in done.stderr
    assert "Nothing of it stays" in done.stderr
    number = [word for word in done.stderr.split() if word.isdecimal()][-1]
    shown = isp("operations", "show", number)
    assert "failed" in shown.stdout
    assert isp("operations", "follow", number).returncode == 1


def test_json_prints_the_operation_and_tells_failure_by_its_code(isp, packages):
    done = isp("install", "--accept-grants", plugin(packages, "stuck", "dep>=3"), "--json")
    assert (done.returncode, json.loads(done.stdout)["state"]) == (1, "failed")


def test_source_that_is_nothing_is_refused_before_anything_is_sent(isp):
    done = isp("install", "coverage_map")
    assert done.returncode == 2
    assert "neither a folder nor a file here, nor a git URL" in done.stderr


def test_no_wait_begins_and_follow_shows_the_rest(isp, packages):
    begun = isp("install", "--accept-grants", plugin(packages, "later"), "--no-wait")
    assert begun.returncode == 0, begun.stderr
    number = begun.stdout.split()[1]
    followed = isp("operations", "follow", number)
    assert followed.returncode == 0, followed.stderr
    assert "succeeded" in isp("operations", "list", "--about", "later").stdout
    assert isp("uninstall", "later", "--yes").returncode == 0


async def test_interrupt_cancels_the_installation(server, api, tmp_path):
    wait = "def before_build():\n    import time\n    time.sleep(300)"
    folder = make_source(tmp_path / "slow", "slow", extra=wait)
    process = Forked(
        "isp_plugins", "install", "--accept-grants", folder,
        cwd=server.process.folder,
        env=clean_environment(),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )  # fmt: skip
    try:
        await until(lambda: running(api) and running(api)[0]["steps"][2]["began"], within=60)
        process.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=60)
    finally:
        process.kill()
    assert process.returncode == 1
    assert "cancelled by admin" in err
    assert not running(api)


def running(api):
    return api.get("/operations", params={"state": "running"}).json()["items"]


def test_cancel_of_an_ended_operation_is_refused(isp, api, packages):
    number = install(api, plugin(packages, "stuck", "dep>=3")).json()["id"]
    done = isp("operations", "cancel", str(number))
    assert done.returncode == 1
    assert "nothing to cancel" in done.stderr
