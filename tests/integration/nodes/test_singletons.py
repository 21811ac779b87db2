"""Singletons on several whole nodes of one PostgreSQL: one runs them, and only one at a time."""

import tempfile
from collections.abc import Iterator

import pytest

from isp_plugins.actors import SYSTEM
from isp_plugins.clock import SystemClock
from isp_plugins.lifecycle.errors import PluginElsewhereError
from isp_plugins.lifecycle.reconcile import try_start
from isp_plugins.lifecycle.records import PluginChanges
from isp_plugins.storage import PluginStorage, StorageFencedError
from support.members import enabled, kill, runs, state_on, system
from support.proxy import proxy_to
from support.waiting import until

LONG = 90


@pytest.fixture
def folder() -> Iterator[str]:
    """A folder whose name is short enough for a socket."""
    with tempfile.TemporaryDirectory(dir="/tmp", prefix="isp-proxy-") as folder:
        yield folder


@pytest.mark.postgres
async def test_a_singleton_runs_on_one_node_and_the_other_stands_by(postgres_url, tmp_path):
    async with system(postgres_url, tmp_path, "a") as a:
        plugin = await enabled(a)
        async with system(postgres_url, tmp_path, "b") as b:
            assert (state_on(a), state_on(b)) == ("active", "standby")
            assert b.directory.get(plugin.id).cause == "It runs on node a."
            assert b.directory.get(plugin.id).health.status == "unknown"
            assert runs(tmp_path) == [("a", "begin")]
            there, here = [await one.dispatch("customer_created", {"id": 7}) for one in (a, b)]
            assert there.outcomes[0].value == {"greeted_by": "a"}
            assert (here.outcomes[0].status, here.outcomes[0].skip_reason) == ("skipped", "runs_elsewhere")
            with pytest.raises(PluginElsewhereError, match="now on a, not on b"):
                await b.manager.execute(plugin.id, "greet", [{}], SYSTEM)
            with pytest.raises(PluginElsewhereError):
                await b.manager.reload(plugin.id, SYSTEM)
            assert (await b.manager.enable(plugin.id, SYSTEM)).state == "standby"
            by_node = {one.node: one for one in await a.membership.of_plugin(plugin.id)}
            assert [(by_node[name].state, by_node[name].holds) for name in "ab"] == [
                ("active", True), ("standby", False),
            ]  # fmt: skip
            report = await b.doctor.hook("customer_created")
            assert any("runs on another node" in one.found for one in report.findings)


@pytest.mark.postgres
async def test_a_singleton_moves_when_its_node_is_stopped(postgres_url, tmp_path):
    async with system(postgres_url, tmp_path, "a") as a:
        await enabled(a)
        async with system(postgres_url, tmp_path, "b") as b:
            await a.manager.close()
            await a.membership.close()
            await until(lambda: state_on(b) == "active", within=LONG)
    assert runs(tmp_path)[:3] == [("a", "begin"), ("a", "end"), ("b", "begin")]


@pytest.mark.postgres
async def test_a_singleton_moves_when_its_node_is_lost_and_ran_nowhere_twice(postgres_url, tmp_path):
    async with system(postgres_url, tmp_path, "a") as a:
        await enabled(a)
        async with system(postgres_url, tmp_path, "b") as b:
            await kill(a.membership)
            await until(lambda: state_on(b) == "active", within=LONG)
            assert state_on(a) == "standby"
            assert (await b.dispatch("customer_created", {"id": 7})).outcomes[0].value == {"greeted_by": "b"}
            assert runs(tmp_path) == [("a", "begin"), ("a", "end"), ("b", "begin")]


@pytest.mark.postgres
async def test_a_node_that_is_cut_off_stops_its_singletons_before_others_start_them(
    postgres_url, tmp_path, folder
):
    async with (
        system(postgres_url, tmp_path, "a") as a,
        proxy_to(postgres_url, folder) as (proxy, url),
        system(url, tmp_path, "b") as b,
    ):
        plugin = await enabled(b)
        await learned(a, plugin.id)
        assert state_on(a) == "standby"
        proxy.cut()
        await until(lambda: state_on(a) == "active", within=LONG)
        assert state_on(b) == "standby"
        assert "cannot reach the database" in b.directory.get(plugin.id).cause
        skipped = (await b.dispatch("customer_created", {"id": 7})).outcomes[0]
        assert skipped.skip_reason == "runs_elsewhere"
        assert runs(tmp_path) == [("b", "begin"), ("b", "end"), ("a", "begin")]
        proxy.mend()
        await until(lambda: b.directory.get(plugin.id).cause == "It runs on node a.", within=LONG)
        assert runs(tmp_path) == [("b", "begin"), ("b", "end"), ("a", "begin")]


@pytest.mark.postgres
async def test_a_plugin_that_becomes_a_singleton_stops_everywhere_before_it_begins_once(
    postgres_url, tmp_path
):
    async with system(postgres_url, tmp_path, "a") as a:
        plugin = await enabled(a, placement="per-node")
        async with system(postgres_url, tmp_path, "b") as b:
            assert (state_on(a), state_on(b)) == ("active", "active")
            await a.manager.update(plugin.id, PluginChanges.of({"placement": "singleton"}), SYSTEM)
            await until(lambda: len(runs(tmp_path)) > 4, within=LONG)
            assert [word for _, word in runs(tmp_path)] == ["begin", "begin", "end", "end", "begin"]
            await until(lambda: sorted([state_on(a), state_on(b)]) == ["active", "standby"], within=LONG)
            await b.manager.update(plugin.id, PluginChanges.of({"placement": "per-node"}), SYSTEM)
            await until(lambda: (state_on(a), state_on(b)) == ("active", "active"), within=LONG)
            assert [word for _, word in runs(tmp_path)] == [
                "begin", "begin", "end", "end", "begin", "begin",
            ]  # fmt: skip


@pytest.mark.postgres
async def test_an_instance_whose_lease_was_taken_over_writes_nothing(postgres_url, tmp_path):
    async with system(postgres_url, tmp_path, "a") as a:
        plugin = await enabled(a)
        stale = a.manager._stage.instances[plugin.id].token
        async with system(postgres_url, tmp_path, "b") as b:
            storage = PluginStorage(b.database, clock=SystemClock())
            await storage.set(plugin.id, "key", "of a", fence=stale)
            await kill(a.membership)
            await until(lambda: state_on(b) == "active", within=LONG)
            with pytest.raises(StorageFencedError, match="node b runs it now"):
                await storage.set(plugin.id, "key", "stale", fence=stale)
            own = b.manager._stage.instances[plugin.id].token
            await storage.set(plugin.id, "key", "of b", fence=own)
            assert own > stale


async def learned(system, plugin_id):
    """What a node does once it learns of a plugin that was enabled elsewhere."""
    stage = system.manager._stage
    system.directory.load(await stage.ledger.load())
    await try_start(stage, plugin_id)


async def test_on_sqlite_a_singleton_runs_on_the_one_node_there_is(tmp_path):
    async with system(None, tmp_path, "a") as a:
        plugin = await enabled(a)
        assert state_on(a) == "active"
        await a.manager.disable(plugin.id, SYSTEM)
        assert (await a.manager.enable(plugin.id, SYSTEM)).state == "active"
        assert runs(tmp_path) == [("a", "begin"), ("a", "end"), ("a", "begin")]
    async with system(None, tmp_path, "a") as a:
        assert state_on(a) == "active"
