"""A server of the version before the newest migration beside one of this version, on one PostgreSQL: both do everything, each sees the other's work.

The older one is the code as it was before the newest migration was added, from this repository's history; skipped where that is missing.
"""

import asyncio
import io
import subprocess
import tarfile

import httpx
import pytest

from support.asking import asking, node, started
from support.commands import ROOT
from support.members import REGISTRATION

pytestmark = [pytest.mark.postgres, pytest.mark.soak, pytest.mark.timeout(900)]
VERSIONS = "packages/server/src/isp_plugins/db/migrations/versions"
NOTING = """
from pathlib import Path

from app.services.plugin_service import PluginInterface
from isp_plugin_sdk.hooks import event, filter

FILE = Path(__file__).parents[3] / "delivered"


class Plugin(PluginInterface):
    def initialize(self):
        return True

    def configure(self, config):
        pass

    @filter("quote")
    def price(self, value):
        return value + self.config["extra"]

    @event("customer_created")
    def note(self, customer):
        with FILE.open("a") as file:
            file.write(f"{customer['id']}\\n")
"""
NOTED = {
    "name": "noting", "version": "1.0.0", "plugin_type": "CUSTOM", "module_path": "plugins.noting", "entry_point": "Plugin",
    "config_schema": {"extra": {"type": "integer", "default": 1}},
}  # fmt: skip


@pytest.fixture(scope="module")
def older(tmp_path_factory):
    """The environment in which the server runs older code."""
    newest = max((ROOT / VERSIONS).glob("r*.py")).name
    added = _git("log", "--diff-filter=A", "--format=%H", "-1", "--", f"{VERSIONS}/{newest}")
    code = _git("archive", "--format=tar", f"{added.decode().strip()}^", "packages") if added else None
    if not code:
        pytest.skip("the history of this repository does not reach back to before the newest migration")
    folder = tmp_path_factory.mktemp("older")
    with tarfile.open(fileobj=io.BytesIO(code)) as archive:
        archive.extractall(folder, filter="data")
    assert not (folder / VERSIONS / newest).exists()
    return {"PYTHONPATH": f"{folder}/packages/server/src:{folder}/packages/sdk/src"}


def _git(*arguments):
    done = subprocess.run(["git", *arguments], cwd=ROOT, capture_output=True, check=False)
    return done.stdout if done.returncode == 0 else None


async def test_servers_of_two_versions_work_side_by_side(postgres_url, tmp_path, older):
    sources = {"noting": NOTING}
    a = node(tmp_path, "a", postgres_url, sources=sources, **older)
    b = node(tmp_path, "b", postgres_url, sources=sources)
    async with started(a), asking(a, a.admin_key) as on_a:
        noting = await on_a.enabled(NOTED)
        poller = await on_a.enabled(REGISTRATION | {"hooks": []})
        async with started(b), asking(b, a.admin_key) as on_b:
            revisions = {one["name"]: one["revision"] for one in (await on_b.json("/nodes"))["items"]}
            assert revisions["a"] < revisions["b"]
            for one in (on_a, on_b):
                await one.reached(lambda it: _quotes(it, 2))
            await _each_configures(on_a, on_b, noting)
            await _each_switches_it(on_a, on_b, noting)
            await _each_keeps_events(on_a, on_b, tmp_path)
            assert (await on_a.state(poller), await on_b.state(poller)) == ("active", "standby")
            await asyncio.to_thread(a.stop)
            await on_b.reached(lambda it: _is(it, poller, "active"))
            await asyncio.to_thread(a.start)  # the older version starts on the newer schema, too
            await on_a.reached(lambda it: _quotes(it, 6))
            await on_a.reached(lambda it: _is(it, poller, "standby"))
            await asyncio.to_thread(b.kill)
            await on_a.reached(lambda it: _is(it, poller, "active"))


async def _each_configures(on_a, on_b, plugin):
    for number, one in ((4, on_a), (5, on_b)):
        await one.json(f"/plugins/{plugin['id']}/config", "PUT", {"values": {"extra": number}})
        for each in (on_a, on_b):
            await each.reached(lambda it, number=number: _quotes(it, 1 + number))


async def _each_switches_it(on_a, on_b, plugin):
    for one in (on_a, on_b):
        await one.json(f"/plugins/{plugin['id']}/disable", "POST")
        for each in (on_a, on_b):
            await each.reached(lambda it: _is(it, plugin, "disabled"))
        await one.json(f"/plugins/{plugin['id']}/enable", "POST")
        for each in (on_a, on_b):
            await each.reached(lambda it: _quotes(it, 6))
        await one.json(f"/plugins/{plugin['id']}/reload", "POST")
        for each in (on_a, on_b):
            await each.reached(lambda it: _quotes(it, 6))


async def _each_keeps_events(on_a, on_b, folder):
    for number in range(1, 21):
        one = on_a if number % 2 else on_b
        payload = {"id": number, "name": "Ada", "status": "active"}
        await one.json("/hooks/customer_created/dispatch", "POST", {"payload": payload})

    async def all_delivered(_):
        file = folder / "delivered"
        return file.exists() and {int(line) for line in file.read_text().split()} == set(range(1, 21))

    await on_b.reached(all_delivered)


async def _quotes(it, wanted):
    return (await it.json("/hooks/quote/dispatch", "POST", {"payload": 1}))["value"] == wanted


async def _is(it, plugin, state):
    try:
        return await it.state(plugin) == state
    except httpx.HTTPError:
        return False
