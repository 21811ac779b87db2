"""Several nodes that change one plugin at the same time: one does it, the others say so, and nothing is half done."""

import asyncio
import itertools

import pytest

from isp_plugins.configuration import ConfigChange, SetValue
from isp_plugins.contracts.vocabulary import Desired, State
from isp_plugins.errors import ConflictError, NotFoundError, PluginSystemError
from isp_plugins.hooks.records import HookDraft
from isp_plugins.lifecycle.errors import PluginChangedElsewhereError
from isp_plugins.lifecycle.records import PluginChanges, PluginRecord
from isp_plugins.system import PluginSystem
from support.converging import ADA, LONG, Nodes, said
from support.waiting import until

QUOTES = """
@filter("quote")
def price(self, value):
    return value + self.config.get("extra", 1)
"""
SCHEMA = {"extra": {"type": "integer", "default": 1}}


async def outcomes(*works):
    """What each came to, an error as itself."""
    return await asyncio.gather(*works, return_exceptions=True)


async def settled(nodes: Nodes, plugin_id: int) -> None:
    """Wait until all nodes are where the database is."""

    async def is_settled() -> bool:
        rows = await nodes.ask("SELECT generation, desired FROM plugins WHERE id = $1", plugin_id)
        if not rows:
            return all(plugin_id not in node.directory for node in nodes.all)
        wanted = {"enabled": {State.ACTIVE}, "disabled": {State.DISABLED, State.REGISTERED}}[
            rows[0]["desired"]
        ]
        found = [node.directory.get(plugin_id) for node in nodes.all if plugin_id in node.directory]
        return len(found) == len(nodes.all) and all(
            record.generation == rows[0]["generation"] and record.state in wanted for record in found
        )

    await until(is_settled, within=LONG)


async def registered(nodes: Nodes, node: PluginSystem) -> PluginRecord:
    plugin = await node.manager.register(nodes.write("pricing", QUOTES, config_schema=SCHEMA), ADA)
    await settled(nodes, plugin.id)
    return plugin


async def test_same_name_registered_at_once_is_registered_once(nodes: Nodes) -> None:
    one, two = await nodes.open("one", "two")
    draft = nodes.write("pricing", QUOTES)
    found = await outcomes(one.manager.register(draft, ADA), two.manager.register(draft, ADA))
    assert sorted(type(each).__name__ for each in found) == ["PluginNameTakenError", "PluginRecord"]
    (plugin,) = [each for each in found if isinstance(each, PluginRecord)]
    await settled(nodes, plugin.id)


async def test_enabled_and_disabled_at_once_by_two_is_what_was_asked_for(nodes: Nodes) -> None:
    one, two = await nodes.open("one", "two")
    plugin = await registered(nodes, one)
    for _ in range(3):
        found = await outcomes(one.manager.enable(plugin.id, ADA), two.manager.enable(plugin.id, ADA))
        assert [each.state for each in found] == [State.ACTIVE, State.ACTIVE]
        await settled(nodes, plugin.id)
        found = await outcomes(one.manager.disable(plugin.id, ADA), two.manager.disable(plugin.id, ADA))
        assert [each.desired for each in found] == [Desired.DISABLED, Desired.DISABLED]
        await settled(nodes, plugin.id)
    counted = await nodes.ask(
        "SELECT tag, count(*) AS n FROM audit_entries WHERE tag LIKE 'plugin.%' GROUP BY tag"
    )
    assert {row["tag"]: row["n"] for row in counted} == {
        "plugin.registered": 1,
        "plugin.enabled": 3,
        "plugin.disabled": 3,
    }


async def test_change_on_a_row_that_another_node_changed_meanwhile_is_refused_whole(nodes: Nodes) -> None:
    """A write of another node that comes after this node has read: made by hand here, so that it is always in time."""
    one, two = await nodes.open("one", "two")
    plugin = await registered(nodes, one)
    await one.manager.enable(plugin.id, ADA)
    await settled(nodes, plugin.id)
    original = two.manager.convergence.catch_up

    async def overtaken(plugin_id: int) -> None:
        await original(plugin_id)
        await nodes.ask("UPDATE plugins SET generation = generation + 1 WHERE id = $1", plugin_id)

    two.manager.convergence.catch_up = overtaken
    change = ConfigChange(set={"extra": SetValue(5)})
    hook = HookDraft(hook_name="other", hook_type="filter", callback_method="price")
    for work in (
        lambda: two.manager.reload(plugin.id, ADA),
        lambda: two.manager.configure(plugin.id, change, ADA),
        lambda: two.manager.update(plugin.id, PluginChanges.of({"author": "eve"}), ADA),
        lambda: two.manager.update(plugin.id, PluginChanges.of({"version": "9"}), ADA),
        lambda: two.manager.subscriptions.create(plugin.id, hook, ADA),
        lambda: two.manager.disable(plugin.id, ADA),
        lambda: two.manager.delete(plugin.id, ADA),
    ):
        with pytest.raises(PluginChangedElsewhereError, match="changed by another node"):
            await work()
    del two.manager.convergence.catch_up
    await two.manager.convergence.look()
    await until(lambda: two.directory.get(plugin.id).state is State.ACTIVE, within=LONG)
    assert (await said(two), two.directory.get(plugin.id).author) == (1, plugin.author)
    tags = await nodes.ask(
        "SELECT tag FROM audit_entries WHERE node = 'two' AND tag NOT LIKE 'plugin.failed'"
    )
    assert [row["tag"] for row in tags] == []


async def test_any_two_changes_at_once_leave_all_nodes_alike(nodes: Nodes) -> None:
    one, two, _ = await nodes.open("one", "two", "three")
    plugin = await registered(nodes, one)
    await one.manager.enable(plugin.id, ADA)
    await settled(nodes, plugin.id)
    numbers = itertools.count(2)
    works = {
        "enable": lambda node: node.manager.enable(plugin.id, ADA),
        "disable": lambda node: node.manager.disable(plugin.id, ADA),
        "reload": lambda node: node.manager.reload(plugin.id, ADA),
        "configure": lambda node: node.manager.configure(
            plugin.id, ConfigChange(set={"extra": SetValue(next(numbers))}), ADA
        ),
        "describe": lambda node: node.manager.update(
            plugin.id, PluginChanges.of({"author": f"author {next(numbers)}"}), ADA
        ),
    }
    for left, right in itertools.combinations_with_replacement(works, 2):
        for each in await outcomes(works[left](one), works[right](two)):
            assert not isinstance(each, BaseException) or isinstance(each, ConflictError), (left, right, each)
        await settled(nodes, plugin.id)
    await one.manager.enable(plugin.id, ADA)
    await settled(nodes, plugin.id)
    assert len({await said(node) for node in nodes.all}) == 1


async def test_deleted_on_one_node_while_others_change_it_is_gone_everywhere(nodes: Nodes) -> None:
    one, two, three = await nodes.open("one", "two", "three")
    for _ in range(3):
        plugin = await registered(nodes, one)
        await one.manager.enable(plugin.id, ADA)
        found = await outcomes(
            one.manager.delete(plugin.id, ADA),
            two.manager.delete(plugin.id, ADA),
            three.manager.reload(plugin.id, ADA),
            three.manager.enable(plugin.id, ADA),
        )
        for each in found:
            known = (ConflictError, NotFoundError)
            assert not isinstance(each, BaseException) or isinstance(each, known), each
        if await nodes.ask("SELECT 1 FROM plugins WHERE id = $1", plugin.id):
            assert all(isinstance(each, PluginSystemError) for each in found[:2])
            await one.manager.delete(plugin.id, ADA)
        await nodes.gone(plugin.id)
    assert [await said(node) for node in nodes.all] == [None, None, None]
    assert [list(node.manager._stage.instances) for node in nodes.all] == [[], [], []]
