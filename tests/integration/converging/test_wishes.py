"""What the operator asks of one node is done on all of them in the same way."""

from isp_plugins.configuration import ConfigChange, SetValue
from isp_plugins.contracts.vocabulary import State
from isp_plugins.lifecycle.quarantine import quarantine
from isp_plugins.lifecycle.records import PluginChanges
from support.converging import ADA, LONG, Nodes, said
from support.waiting import until

TAKES = """
def configure(self, config):
    self.extra = config.get("extra", 1)
    self.times = getattr(self, "times", 0) + 1

@filter("quote")
def price(self, value):
    return [getattr(self, "extra", 1), getattr(self, "times", 0)]
"""
SCHEMA = {"extra": {"type": "integer", "default": 1}}
PRICES = """
@filter("quote")
def price(self, value):
    return 7
"""


async def same_generation(nodes: Nodes, plugin_id: int) -> None:
    newest = max(node.directory.get(plugin_id).generation for node in nodes.all)
    await nodes.same(plugin_id, lambda record: record.generation == newest)


async def test_a_new_configuration_is_handed_to_the_instances_of_all_nodes(nodes: Nodes) -> None:
    one, two = await nodes.open("one", "two")
    plugin = await one.manager.register(nodes.write("taking", TAKES, config_schema=SCHEMA), ADA)
    await one.manager.enable(plugin.id, ADA)
    await nodes.active(plugin.id)
    there = two.manager._stage.instances[plugin.id]
    await one.manager.configure(plugin.id, ConfigChange(set={"extra": SetValue(5)}), ADA)
    await same_generation(nodes, plugin.id)
    assert [await said(node) for node in nodes.all] == [[5, 1], [5, 1]]
    assert two.manager._stage.instances[plugin.id] is there
    await two.manager.reload(plugin.id, ADA)
    await same_generation(nodes, plugin.id)
    assert [await said(node) for node in nodes.all] == [[1, 0], [1, 0]]


async def test_a_node_whose_instance_refuses_the_configuration_is_behind(nodes: Nodes) -> None:
    one, two = await nodes.open("one", "two")
    handed = nodes.plugins / "handed"
    body = f"""
    def configure(self, config):
        import pathlib
        file = pathlib.Path({str(handed)!r})
        if file.exists():
            raise ValueError("thirteen is unlucky here")
        file.touch()

    def initialize(self):
        return self.config.get("extra") != 13
    """
    plugin = await one.manager.register(nodes.write("taking", body, config_schema=SCHEMA), ADA)
    await one.manager.enable(plugin.id, ADA)
    await nodes.active(plugin.id)
    await one.manager.configure(plugin.id, ConfigChange(set={"extra": SetValue(13)}), ADA)
    await until(lambda: two.directory.get(plugin.id).behind is not None, within=LONG)
    assert "thirteen is unlucky here" in (two.directory.get(plugin.id).behind.cause)
    assert two.directory.get(plugin.id).state is State.ACTIVE


async def test_an_enable_lifts_the_quarantine_of_all_nodes(nodes: Nodes) -> None:
    one, two = await nodes.open("one", "two")
    plugin = await one.manager.register(nodes.write("pricing", PRICES), ADA)
    await one.manager.enable(plugin.id, ADA)
    await nodes.active(plugin.id)
    await quarantine(two.manager._stage, plugin.id, "It was restarted too often.")
    assert two.directory.get(plugin.id).state is State.QUARANTINED
    await one.manager.enable(plugin.id, ADA)
    await nodes.active(plugin.id)
    assert await said(two) == 7


async def test_an_enable_where_it_is_in_quarantine_lifts_that_of_the_others(nodes: Nodes) -> None:
    one, two = await nodes.open("one", "two")
    plugin = await one.manager.register(nodes.write("pricing", PRICES), ADA)
    await one.manager.enable(plugin.id, ADA)
    await nodes.active(plugin.id)
    for node in nodes.all:
        await quarantine(node.manager._stage, plugin.id, "It was restarted too often.")
    await two.manager.enable(plugin.id, ADA)
    await nodes.active(plugin.id)
    assert await said(one) == 7


async def test_an_enable_of_what_runs_everywhere_changes_nothing(nodes: Nodes) -> None:
    one, _ = await nodes.open("one", "two")
    plugin = await one.manager.register(nodes.write("pricing", PRICES), ADA)
    await one.manager.enable(plugin.id, ADA)
    await nodes.active(plugin.id)
    before = one.directory.get(plugin.id).generation
    assert (await one.manager.enable(plugin.id, ADA)).generation == before


async def test_another_change_leaves_the_quarantine_of_others(nodes: Nodes) -> None:
    one, two = await nodes.open("one", "two")
    plugin = await one.manager.register(nodes.write("pricing", PRICES), ADA)
    await one.manager.enable(plugin.id, ADA)
    await nodes.active(plugin.id)
    await quarantine(two.manager._stage, plugin.id, "It was restarted too often.")
    await one.manager.update(plugin.id, PluginChanges.of({"author": "bob"}), ADA)
    await same_generation(nodes, plugin.id)
    assert two.directory.get(plugin.id).state is State.QUARANTINED
