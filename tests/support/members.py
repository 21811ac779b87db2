"""Nodes of a test's own on one PostgreSQL: made, killed without a word, and left to be missed."""

import asyncio
import base64
from contextlib import asynccontextmanager

from isp_plugins import PluginSystem, Settings
from isp_plugins.actors import SYSTEM
from isp_plugins.db.engine import Database
from isp_plugins.db.errors import DatabaseUnavailableError
from isp_plugins.lifecycle.records import PluginDraft
from isp_plugins.nodes import Membership
from isp_plugins.nodes.records import Pace

QUICK = Pace(heartbeat=0.2, lost_after=3.0)
"""A node is missed soon, and a busy machine does not make one look dead too easily; whoever depends on it waits for it."""


@asynccontextmanager
async def member(url, name, *, home=None, pace=QUICK):
    """A node that lives until the end of the block, unless it is killed before."""
    database = await Database.open(url)
    membership = Membership(database, node=name, home=home or f"home of {name}", pace=pace)
    try:
        await membership.open()
        try:
            yield membership
        finally:
            await membership.close()
    finally:
        await database.close()


async def kill(membership):
    """No heartbeat any more, and no farewell."""
    task, membership._task = membership._task, None
    task.cancel()
    await asyncio.wait([task])
    membership._joined = False


async def nodes_of(membership):
    """Every node, by name; on a busy machine the asking node may be cut off for a moment."""
    while True:
        try:
            return {node.name: node for node in await membership.everyone()}
        except DatabaseUnavailableError:
            await asyncio.sleep(0.05)


async def states_of(membership):
    """The state of every node, by name."""
    return {name: node.state.value for name, node in (await nodes_of(membership)).items()}


PLUGIN = """
import time
from pathlib import Path

from app.services.plugin_service import PluginInterface

FILE = Path(__file__).parent.parent.parent / "runs"


def note(word):
    with FILE.open("a") as file:
        file.write(f"{time.monotonic()} {Path(__file__).parents[1].name} {word}\\n")


class Plugin(PluginInterface):
    def initialize(self):
        note("begin")
        return True

    def cleanup(self):
        note("end")
        return True

    def greet(self, customer):
        return {"greeted_by": Path(__file__).parents[1].name}
"""
"""Writes down when it begins and ends, and on which node: all nodes of a test have a folder of one parent."""
REGISTRATION = {
    "name": "poller",
    "version": "1.0.0",
    "plugin_type": "CUSTOM",
    "module_path": "plugins.poller",
    "entry_point": "Plugin",
    "placement": "singleton",
    "hooks": [{"hook_name": "customer_created", "hook_type": "action", "callback_method": "greet"}],
}
KEYS = base64.urlsafe_b64encode(bytes(range(32))).decode()


@asynccontextmanager
async def system(url, folder, name, *, lost_after=6.0, source=PLUGIN, **more):
    """A whole node in this process, with the plugin on its plugin path."""
    plugins = folder / name / "plugins"
    plugins.mkdir(parents=True, exist_ok=True)
    (plugins / "poller.py").write_text(source)
    settings = Settings(
        data_dir=folder / name,
        database_url=url,
        node=name,
        port=0,
        secret_keys=KEYS,
        node_heartbeat=0.5,
        node_lost_after=lost_after,
        **more,
    )
    async with PluginSystem.open(settings) as opened:
        yield opened


async def enabled(system, **changes):
    """The plugin, registered and enabled on this node."""
    draft = PluginDraft.of({**REGISTRATION, **changes})
    record = await system.manager.register(draft, SYSTEM)
    return await system.manager.enable(record.id, SYSTEM)


def runs(folder):
    """`(node, word)` of every begin and end, in the order in which they were."""
    file = folder / "runs"
    lines = (
        sorted(file.read_text().splitlines(), key=lambda line: float(line.split()[0]))
        if file.exists()
        else []
    )
    return [tuple(line.split()[1:]) for line in lines]


def state_on(system, name="poller"):
    """What the plugin is there."""
    found = system.directory.find(name)
    return None if found is None else found.state.value
