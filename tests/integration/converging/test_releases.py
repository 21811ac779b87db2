"""Another release on one node is another release on all: upgraded, rolled back, and returned by whichever node it harms."""

import asyncio
from contextlib import AsyncExitStack

import pytest

from isp_plugins.clock import SystemClock
from isp_plugins.contracts.vocabulary import State
from isp_plugins.lifecycle.orders import InstallOrder, SourceType
from isp_plugins.lifecycle.upgrading import UpgradeOrder
from isp_plugins.nodes.claims import ClaimedElsewhereError, Claims
from isp_plugins.operations import OperationState
from isp_plugins.packages.values import Freed, Source, SourceKind
from isp_plugins.storage import PluginStorage
from isp_plugins.system import PluginSystem
from support.converging import ADA, LONG, Nodes
from support.installing import HOOK
from support.packages import FilePackages, package
from support.waiting import until

SOURCE = """
from app.services.plugin_service import PluginInterface


class Plugin(PluginInterface):
    def initialize(self):
        return True

    def welcome(self, customer):
        if customer["id"] == 666 and VERSION == 2:
            raise ValueError("not this one")
        return {"version": VERSION}
"""


class SharedPackages(FilePackages):
    """A node's packages in folders that others use too: it drops nothing there."""

    async def drop_unused(self, **_kept) -> Freed:
        return Freed()


def order(file) -> InstallOrder:
    source = Source(SourceKind.UPLOAD, str(file), name=file.name)
    return InstallOrder(source_type=SourceType.UPLOAD, source=source, auto_enable=True, accept_grants=True)


def version(nodes: Nodes, number: int):
    source = f"VERSION = {number}\n" + SOURCE
    return package(
        nodes.plugins / "packages", version=f"{number}.0.0", source=source, config_schema={}, hooks=[HOOK]
    )


async def opened(nodes: Nodes, *names: str) -> list[PluginSystem]:
    """Nodes that have the same artifacts, as if they had been brought to them."""
    shared = nodes.plugins.parent / "shared"
    for kind in ("artifacts", "environments"):
        (shared / kind).mkdir(parents=True)
        for name in names:
            (nodes.plugins.parent / name).mkdir(exist_ok=True)
            (nodes.plugins.parent / name / kind).symlink_to(shared / kind)
    return await nodes.open(*names, packages=SharedPackages)


async def ended(node: PluginSystem, operation):
    done = await node.operations.wait(operation.id, LONG)
    assert done.is_ended
    return done


async def installed(nodes: Nodes, node: PluginSystem) -> int:
    done = await ended(node, await node.installer.begin(order(version(nodes, 1)), ADA))
    assert done.state is OperationState.SUCCEEDED, done.error
    plugin_id = node.directory.by_name("sample").id
    await nodes.active(plugin_id)
    return plugin_id


async def upgrade(node: PluginSystem, plugin_id: int, file):
    return await node.upgrader.begin(UpgradeOrder(plugin_id=plugin_id, package=order(file)), ADA)


async def welcome(node: PluginSystem, customer: int = 7):
    result = await node.dispatch("customer_created", {"id": customer, "name": "Ada"})
    (one,) = result.to_dict()["subscriptions"]
    return one["value"]


async def test_release_of_one_node_is_the_release_of_all(nodes: Nodes) -> None:
    one, two = await opened(nodes, "one", "two")
    plugin_id = await installed(nodes, one)
    assert [await welcome(node) for node in nodes.all] == [{"version": 1}] * 2
    done = await ended(two, await upgrade(two, plugin_id, version(nodes, 2)))
    assert done.state is OperationState.SUCCEEDED, done.error
    await nodes.same(plugin_id, lambda record: record.version == "2.0.0")
    assert [await welcome(node) for node in nodes.all] == [{"version": 2}] * 2
    done = await ended(one, await one.upgrader.begin_rollback(plugin_id, ADA))
    assert done.state is OperationState.SUCCEEDED, done.error
    await nodes.same(plugin_id, lambda record: record.version == "1.0.0")
    assert [await welcome(node) for node in nodes.all] == [{"version": 1}] * 2


async def test_two_nodes_that_upgrade_at_once_end_with_one_version_everywhere(nodes: Nodes) -> None:
    one, two = await opened(nodes, "one", "two")
    plugin_id = await installed(nodes, one)
    files = [version(nodes, 2), version(nodes, 3)]
    begun = [await upgrade(node, plugin_id, file) for node, file in zip(nodes.all, files, strict=True)]
    done = [await ended(node, operation) for node, operation in zip(nodes.all, begun, strict=True)]
    problems = [each.error["problem"] for each in done if each.error]
    assert set(problems) <= {"claimed-elsewhere", "plugin-changed-elsewhere", "lower-version"}, problems
    assert OperationState.SUCCEEDED in {each.state for each in done}
    (row,) = await nodes.ask("SELECT version FROM plugins")
    await nodes.same(
        plugin_id, lambda record: record.version == row["version"] and record.state is State.ACTIVE
    )
    wanted = {"version": int(row["version"][0])}
    assert [await welcome(node) for node in nodes.all] == [wanted] * 2
    assert (one.directory.get(plugin_id).release, 1) == (two.directory.get(plugin_id).release, 1)


GATED = """
    def initialize(self):
        import time
        while not self.context.get("go"):
            time.sleep(0.02)
        return {works}
"""


@pytest.mark.parametrize("works", [True, False], ids=["upgrade", "failed upgrade"])
async def test_node_that_joins_in_the_middle_of_an_upgrade_comes_to_its_end(nodes: Nodes, works) -> None:
    one, _ = await opened(nodes, "one", "two")
    plugin_id = await installed(nodes, one)
    later = nodes.plugins.parent / "three"
    later.mkdir()
    for kind in ("artifacts", "environments"):
        (later / kind).symlink_to(nodes.plugins.parent / "shared" / kind)
    gated = GATED.format(works=works)
    source = "VERSION = 2\n" + SOURCE.replace("\n    def initialize(self):\n        return True\n", gated)
    more = {"config_schema": {}, "hooks": [HOOK], "grants": {"host_calls": ["storage"]}}
    file = package(nodes.plugins / "packages", version="2.0.0", source=source, **more)
    upgrading = await upgrade(one, plugin_id, file)
    await until(lambda: is_switching(one, upgrading.id), within=LONG)
    (three,) = await nodes.open("three", packages=SharedPackages)
    assert await welcome(three) == {"version": 1}
    assert not (await one.operations.get(upgrading.id)).is_ended
    await PluginStorage(three.database, clock=SystemClock()).set(plugin_id, "go", True)
    done = await ended(one, upgrading)
    assert (done.state is OperationState.SUCCEEDED) == works, done.error
    number = 2 if works else 1
    await nodes.same(
        plugin_id, lambda record: record.version == f"{number}.0.0" and record.state is State.ACTIVE
    )
    assert [await welcome(node) for node in nodes.all] == [{"version": number}] * 3


async def is_switching(node: PluginSystem, operation_id: int) -> bool:
    """Whether the new version is being started beside the old one."""
    step = (await node.operations.get(operation_id)).step
    return step is not None and step.name == "switch"


async def test_harm_on_another_node_returns_the_old_version_on_all(nodes: Nodes) -> None:
    one, two = await opened(nodes, "one", "two")
    plugin_id = await installed(nodes, one)
    done = await ended(one, await upgrade(one, plugin_id, version(nodes, 2)))
    assert done.state is OperationState.SUCCEEDED, done.error
    await nodes.same(plugin_id, lambda record: record.version == "2.0.0")
    while two.directory.get(plugin_id).version == "2.0.0":
        await two.dispatch("customer_created", {"id": 666, "name": "Ada"})
        await asyncio.sleep(0.005)
    await nodes.same(plugin_id, lambda record: record.version == "1.0.0" and record.state is State.ACTIVE)
    assert [await welcome(node, 666) for node in nodes.all] == [{"version": 1}] * 2


async def test_claim_is_of_one_node_until_it_ends(nodes: Nodes) -> None:
    one, two = await nodes.open("one", "two")
    mine, others = Claims(one.database, "one"), Claims(two.database, "two")
    async with mine.hold("sample"), others.hold("another"), AsyncExitStack() as stack:
        with pytest.raises(ClaimedElsewhereError, match="by node one"):
            await stack.enter_async_context(others.hold("sample"))
    async with others.hold("sample"):
        pass


async def test_uninstalled_on_one_node_is_gone_on_all(nodes: Nodes) -> None:
    one, two = await opened(nodes, "one", "two")
    plugin_id = await installed(nodes, one)
    await two.uninstaller.uninstall(plugin_id, ADA)
    await nodes.gone(plugin_id)
    assert await until(lambda: not one.manager._stage.instances, within=LONG)
