"""What a node did not hear it finds, what it cannot follow it tries again, and what it serves meanwhile is whole."""

import asyncio

from isp_plugins.contracts.vocabulary import HealthStatus, State
from isp_plugins.nodes import listening
from support.converging import ADA, LONG, Nodes, said
from support.waiting import until

QUOTES = """
@filter("quote")
def price(self, value):
    return 1
"""
CUT = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'isp-plugins nodes listener' AND datname = current_database()"


async def test_lost_connection_comes_back_and_nothing_is_missed(nodes: Nodes) -> None:
    one, two = await nodes.open("one", "two")
    plugin = await one.manager.register(nodes.write("pricing", QUOTES), ADA)
    await one.manager.enable(plugin.id, ADA)
    await nodes.active(plugin.id)
    assert len(await nodes.ask(CUT)) == 2
    await one.manager.disable(plugin.id, ADA)
    await nodes.same(plugin.id, lambda record: record.state is State.DISABLED)
    await until(lambda: two.manager.convergence.is_listening, within=LONG)
    await one.manager.enable(plugin.id, ADA)
    await nodes.active(plugin.id)


async def test_poll_brings_what_no_notice_told(nodes: Nodes, monkeypatch) -> None:
    monkeypatch.setattr(listening, "CHANNEL", "another_channel")
    one, two = await nodes.open("one", "two", node_poll=0.1)
    plugin = await one.manager.register(nodes.write("pricing", QUOTES), ADA)
    await one.manager.enable(plugin.id, ADA)
    await nodes.active(plugin.id)
    await one.manager.delete(plugin.id, ADA)
    await nodes.gone(plugin.id)
    assert plugin.id not in two.directory


async def test_operator_need_not_wait_for_a_node_that_has_not_heard_yet(nodes: Nodes, monkeypatch) -> None:
    monkeypatch.setattr(listening, "CHANNEL", "another_channel")
    one, two = await nodes.open("one", "two")
    plugin = await one.manager.register(nodes.write("pricing", QUOTES), ADA)
    assert (await two.manager.enable(plugin.id, ADA)).state is State.ACTIVE
    assert (await one.manager.disable(plugin.id, ADA)).state is State.DISABLED
    await two.manager.delete(plugin.id, ADA)
    await one.manager.convergence.look()
    await nodes.gone(plugin.id)


async def test_reload_that_fails_on_one_node_leaves_it_with_the_old_version(nodes: Nodes) -> None:
    one, two = await nodes.open("one", "two", node_poll=0.2)
    marker = nodes.plugins / "mended"
    body = f"""
    def initialize(self):
        import pathlib
        made = pathlib.Path({str(nodes.plugins)!r}) / "made"
        made.write_text(made.read_text() + "x" if made.exists() else "x")
        return len(made.read_text()) < 4 or pathlib.Path({str(marker)!r}).exists()

    @filter("quote")
    def price(self, value):
        return 1
    """
    plugin = await one.manager.register(nodes.write("pricing", body, exclusive=False), ADA)
    await one.manager.enable(plugin.id, ADA)
    await nodes.active(plugin.id)
    nodes.write("pricing", body.replace("return 1", "return 2"))
    await one.manager.reload(plugin.id, ADA)
    await until(lambda: two.directory.get(plugin.id).behind is not None, within=LONG)
    record = two.directory.get(plugin.id)
    assert (await said(one), await said(two), record.health.status) == (2, 1, HealthStatus.DEGRADED)
    rows = await nodes.ask("SELECT generation FROM plugin_instances WHERE node = 'two'")
    assert [row["generation"] for row in rows] == [record.generation - 1]
    marker.touch()
    await nodes.same(plugin.id, lambda record: record.behind is None)
    assert (await said(two), two.directory.get(plugin.id).health.status) == (2, HealthStatus.HEALTHY)


async def test_calls_meanwhile_are_answered_by_a_whole_old_or_a_whole_new_version(nodes: Nodes) -> None:
    one, two = await nodes.open("one", "two")
    body = """
    number = 0

    async def price(self, value):
        import asyncio
        before = self.number
        await asyncio.sleep(0)
        return [before, self.number]

    price = filter("quote")(price)
    """
    plugin = await one.manager.register(nodes.write("pricing", body, exclusive=False), ADA)
    await one.manager.enable(plugin.id, ADA)
    await nodes.active(plugin.id)
    seen: list[list[int]] = []
    done = asyncio.Event()

    async def call() -> None:
        while not done.is_set():
            seen.append(await said(two))
            await asyncio.sleep(0)

    calls = [asyncio.create_task(call()) for _ in range(4)]
    for number in range(1, 6):
        nodes.write("pricing", body.replace("number = 0", f"number = {number}"))
        await one.manager.reload(plugin.id, ADA)
        wanted = one.directory.get(plugin.id).generation
        await nodes.same(plugin.id, lambda record, wanted=wanted: record.generation == wanted)
    await until(lambda: seen[-1] == [5, 5], within=LONG)
    done.set()
    await asyncio.gather(*calls)
    assert all(one == other for one, other in seen)
    assert {first for first, _ in seen} == set(range(6))
