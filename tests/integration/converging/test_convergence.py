"""Every change of a plugin on one node is a change on all of them."""

from isp_plugins.audit import AuditTag
from isp_plugins.configuration import ConfigChange, SetValue
from isp_plugins.contracts.vocabulary import Desired, LogLevel, State
from isp_plugins.hooks.records import HookChanges, HookDraft
from isp_plugins.lifecycle.records import PluginChanges
from support.converging import ADA, LONG, Nodes, said
from support.waiting import until

QUOTES = """
@filter("quote")
def price(self, value):
    return value + self.config.get("extra", 1)

def other(self, value):
    return value * 10
"""
SCHEMA = {"extra": {"type": "integer", "default": 1}}


async def test_whole_life_of_a_plugin_is_the_same_on_every_node(nodes: Nodes) -> None:
    one, two, three = await nodes.open("one", "two", "three")
    plugin = await one.manager.register(nodes.write("pricing", QUOTES, config_schema=SCHEMA), ADA)
    await nodes.same(plugin.id, lambda record: record.state is State.REGISTERED)

    await two.manager.enable(plugin.id, ADA)
    await nodes.active(plugin.id)
    assert [await said(node) for node in nodes.all] == [1, 1, 1]

    await three.manager.configure(plugin.id, ConfigChange(set={"extra": SetValue(5)}), ADA)
    await nodes.same(plugin.id, lambda record: record.generation == three.directory.get(plugin.id).generation)
    assert [await said(node) for node in nodes.all] == [5, 5, 5]

    draft = HookDraft(hook_name="quote", hook_type="filter", callback_method="other", priority=200)
    hook = await one.manager.subscriptions.create(plugin.id, draft, ADA)
    await nodes.same(plugin.id, lambda record: record.generation == one.directory.get(plugin.id).generation)
    assert [await said(node) for node in nodes.all] == [50, 50, 50]
    await two.manager.subscriptions.update(plugin.id, hook.id, HookChanges.of({"is_active": False}), ADA)
    await nodes.same(plugin.id, lambda record: record.generation == two.directory.get(plugin.id).generation)
    assert [await said(node) for node in nodes.all] == [5, 5, 5]

    nodes.write("pricing", QUOTES.replace("value + ", "value - "))
    await three.manager.reload(plugin.id, ADA)
    await nodes.same(plugin.id, lambda record: record.generation == three.directory.get(plugin.id).generation)
    assert [await said(node) for node in nodes.all] == [-5, -5, -5]

    await one.manager.update(plugin.id, PluginChanges.of({"log_level": "DEBUG", "author": "bob"}), ADA)
    await nodes.same(plugin.id, lambda record: (record.log_level, record.author) == (LogLevel.DEBUG, "bob"))

    await one.manager.disable(plugin.id, ADA)
    await nodes.same(plugin.id, lambda record: record.state is State.DISABLED)
    assert [await said(node) for node in nodes.all] == [None, None, None]

    await two.manager.delete(plugin.id, ADA)
    await nodes.gone(plugin.id)


async def test_every_node_reports_the_generation_that_it_applied(nodes: Nodes) -> None:
    one, _ = await nodes.open("one", "two")
    plugin = await one.manager.register(nodes.write("pricing", QUOTES), ADA)
    await one.manager.enable(plugin.id, ADA)
    await one.manager.reload(plugin.id, ADA)
    await nodes.active(plugin.id)
    wanted = one.directory.get(plugin.id).generation

    async def reported() -> bool:
        rows = await nodes.ask("SELECT node, state, generation FROM plugin_instances ORDER BY node")
        return [tuple(row) for row in rows] == [("one", "active", wanted), ("two", "active", wanted)]

    assert await until(reported, within=LONG)


async def test_change_is_audited_once_by_the_node_that_was_asked(nodes: Nodes) -> None:
    one, _ = await nodes.open("one", "two")
    plugin = await one.manager.register(nodes.write("pricing", QUOTES), ADA)
    await one.manager.enable(plugin.id, ADA)
    await nodes.active(plugin.id)
    await one.manager.disable(plugin.id, ADA)
    await nodes.same(plugin.id, lambda record: record.state is State.DISABLED)
    rows = await nodes.ask("SELECT node, tag FROM audit_entries WHERE tag LIKE 'plugin.%' ORDER BY id")
    tags = (AuditTag.PLUGIN_REGISTERED, AuditTag.PLUGIN_ENABLED, AuditTag.PLUGIN_DISABLED)
    assert [tuple(row) for row in rows] == [("one", tag.value) for tag in tags]


async def test_node_that_joins_late_comes_to_what_is_there(nodes: Nodes) -> None:
    (one,) = await nodes.open("one")
    plugin = await one.manager.register(nodes.write("pricing", QUOTES), ADA)
    await one.manager.enable(plugin.id, ADA)
    (two,) = await nodes.open("two")
    assert (two.directory.get(plugin.id).state, await said(two)) == (State.ACTIVE, 1)


async def test_event_subscription_counts_on_every_node(nodes: Nodes) -> None:
    one, two = await nodes.open("one", "two")
    file = nodes.plugins / "seen.txt"
    body = f"""
    @event("customer_created")
    def see(self, customer):
        with open({str(file)!r}, "a") as out:
            out.write(f"{{customer['id']}}\\n")
    """
    plugin = await one.manager.register(nodes.write("watcher", body), ADA)
    await one.manager.enable(plugin.id, ADA)
    await nodes.active(plugin.id)
    payload = {"name": "Ada", "status": "active"}
    await one.dispatch("customer_created", payload | {"id": 1})
    await two.dispatch("customer_created", payload | {"id": 2})
    assert await until(lambda: file.exists() and set(file.read_text().split()) == {"1", "2"}, within=LONG)


async def test_subscription_deleted_on_another_node_while_its_events_are_in_flight(nodes: Nodes) -> None:
    one, two = await nodes.open("one", "two")
    folder = nodes.plugins / "flight"
    folder.mkdir()
    body = f"""
    def see(self, customer):
        import pathlib, time
        folder = pathlib.Path({str(folder)!r})
        (folder / f"begun {{customer['id']}}").touch()
        while not (folder / "go").exists():
            time.sleep(0.01)
        (folder / f"ended {{customer['id']}}").touch()
    """
    hook = {"hook_name": "customer_created", "hook_type": "event", "callback_method": "see"}
    plugin = await one.manager.register(nodes.write("watcher", body, hooks=[hook]), ADA)
    await one.manager.enable(plugin.id, ADA)
    await nodes.active(plugin.id)
    payload = {"name": "Ada", "status": "active"}
    for number in (1, 1, 2):
        await one.dispatch("customer_created", payload | {"id": number})
    await until(lambda: {path.name for path in folder.iterdir()} == {"begun 1", "begun 2"}, within=LONG)
    (view,) = await two.manager.subscriptions.of(plugin.id)
    await two.manager.subscriptions.delete(plugin.id, view.id, ADA)
    await nodes.same(plugin.id, lambda record: record.generation == 3)
    (folder / "go").touch()
    await until((folder / "ended 2").exists, within=LONG)
    for node in nodes.all:
        await until(lambda node=node: view.id not in node.events.deliverer.feeds, within=LONG)
        assert await node.event_reader.lag() == []
        result = await node.dispatch("customer_created", payload | {"id": 3})
        assert result.to_dict()["subscriptions"] == []
    assert await nodes.ask("SELECT 1 FROM event_deliveries") == []
    assert not (folder / "begun 3").exists()


async def test_wanted_plugin_that_fails_on_one_node_alone_is_tried_again_there(nodes: Nodes) -> None:
    one, two = await nodes.open("one", "two")
    marker = two.settings.data_dir / "ready"
    body = f"""
    def initialize(self):
        import pathlib, threading
        folder = pathlib.Path({str(nodes.plugins)!r}).parent
        return (folder / "one.done").exists() is False or (folder / "two" / "ready").exists()

    def activate(self):
        import pathlib
        (pathlib.Path({str(nodes.plugins)!r}).parent / "one.done").touch()

    @filter("quote")
    def price(self, value):
        return 7
    """
    plugin = await one.manager.register(nodes.write("picky", body), ADA)
    await one.manager.enable(plugin.id, ADA)
    await until(
        lambda: plugin.id in two.directory and two.directory.get(plugin.id).state is State.FAILED, within=LONG
    )
    record = two.directory.get(plugin.id)
    assert (record.desired, one.directory.get(plugin.id).state) == (Desired.ENABLED, State.ACTIVE)
    marker.touch()
    await nodes.active(plugin.id)
    assert await said(two) == 7
