"""A server that is killed (-9) at random moments of a real `isp-plugins install`: the plugin is whole at the next start, or there is no trace of it."""

import random
import subprocess
import time

import pytest

from support.commands import PATIENT, clean_environment
from support.forked import Forked
from support.installing import index
from support.server import api_server
from support.waiting import until
from support.wheels import make_source

PLACES = ("staging", "artifacts", "environments", "wheelhouse", "workers")
ENDED = {"succeeded", "failed", "cancelled", "interrupted"}
NOTHING = {place: [] for place in PLACES}


@pytest.mark.timeout(600)
async def test_killed_install_is_whole_or_nothing(tmp_path):
    await assert_whole_or_nothing_when_killed(tmp_path, times=5, seed=None)


@pytest.mark.soak
@pytest.mark.timeout(3600)
async def test_install_killed_fifty_times_is_whole_or_nothing(tmp_path):
    await assert_whole_or_nothing_when_killed(tmp_path, times=50, seed=None)


async def assert_whole_or_nothing_when_killed(folder, *, times, seed):
    chance = random.Random(seed)
    links = index(folder / "links")
    source = make_source(folder / "greeter", "greeter", requires='["dep"]')
    settings = {"ISP_PLUGINS_PACKAGE_FIND_LINKS": str(links), "ISP_PLUGINS_PACKAGE_OFFLINE": "yes", **PATIENT}
    (folder / "served").mkdir()
    with api_server(folder / "served", **settings) as server:
        longest = await installed_whole(server, source)
        for _ in range(times):
            await killed_install(server, source, chance.uniform(0, longest))
            await assert_whole_or_nothing(server)
        await installed_whole(server, source)


def install(server, source):
    """The command line, as an operator types it at the server's machine."""
    return Forked(
        "isp_plugins", "install", source, "--accept-grants", "--enable",
        cwd=server.process.folder,
        env=clean_environment(),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )  # fmt: skip


async def installed_whole(server, source):
    """Install to the end, look, and uninstall; how long it took, in seconds."""
    began = time.monotonic()
    with install(server, source) as process:
        out, _ = process.communicate(timeout=120)
    took = time.monotonic() - began
    assert process.returncode == 0, out
    assert await whole(server)
    return took


async def killed_install(server, source, life_s):
    """Begin, and kill the server so long after the operation began or was refused its beginning; then start it again."""
    before = len(operations(server))
    with install(server, source) as process:
        await until(lambda: len(operations(server)) > before or process.poll() is not None, within=120)
        ends = time.monotonic() + life_s  # a random moment, not a wait for something
        await until(lambda: time.monotonic() >= ends, within=120)
        server.process.kill()
        process.kill()
    server.process.start()


async def assert_whole_or_nothing(server):
    """Everything that was begun has ended; what is registered is whole, and if nothing is, nothing is left."""

    def ended():
        return all(one["state"] in ENDED for one in operations(server))

    await until(ended, within=120)
    if not await whole(server):
        assert files_of(server) == NOTHING
    report = server.admin.post("/audit/verify")
    assert report.is_success, report.text
    assert report.json()["intact"], report.text


async def whole(server):
    """Whether the plugin is there; then it works, has one artifact and one environment of its own, and goes without a trace."""
    found = server.admin.get("/plugins/").raise_for_status().json()["items"]
    if not found:
        return False
    (plugin,) = found

    def active():
        return server.admin.get(f"/plugins/{plugin['id']}").json()["state"] == "active"

    await until(active, within=120)
    files = files_of(server)
    release = server.admin.get(f"/plugins/{plugin['id']}").json()["release"]
    assert [f"sha256:{digest}" for digest in files["artifacts"]] == [release["digest"]]
    assert files["environments"] == [release["environment"]]
    assert files["staging"] == []
    health = server.admin.get(f"/plugins/{plugin['id']}/health").raise_for_status().json()
    assert health["status"] in {"healthy", "unknown", "degraded"}, health
    server.admin.delete(f"/plugins/{plugin['id']}").raise_for_status()
    assert files_of(server) == NOTHING
    return True


def operations(server):
    return server.admin.get("/operations", params={"size": 100}).raise_for_status().json()["items"]


def files_of(server):
    data = server.process.folder / "var"
    return {place: sorted(path.name for path in (data / place).glob("*")) for place in PLACES}
