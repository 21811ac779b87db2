"""A plugin's key-value store on real databases."""

import asyncio

import pytest
from sqlalchemy import text

from isp_plugins.db.engine import Database
from isp_plugins.storage import (
    MAX_VALUE_BYTES,
    PluginStorage,
    StorageFencedError,
    StorageFullError,
    StorageKeyInvalidError,
    StoragePluginGoneError,
    StorageValueInvalidError,
    StorageValueTooLargeError,
)
from support.rows import add_plugin
from support.waiting import until


@pytest.fixture
def storage(database, clock):
    return PluginStorage(database, clock=clock)


@pytest.fixture
async def plugin_id(database):
    return await add_plugin(database)


@pytest.mark.parametrize("value", [1, "ünïcode", None, [1, [2.5]], {"a": {"b": None}}, True, 2**63 - 1, ""])
async def test_a_value_comes_back_as_it_was(storage, plugin_id, value):
    await storage.set(plugin_id, "key", value)
    assert await storage.get(plugin_id, "key") == value


async def test_a_missing_value_is_none(storage, plugin_id):
    assert await storage.get(plugin_id, "nothing") is None


async def test_a_value_is_replaced(storage, plugin_id):
    await storage.set(plugin_id, "key", {"old": True})
    await storage.set(plugin_id, "key", "new")
    assert await storage.get(plugin_id, "key") == "new"


async def test_values_survive_a_restart(database_url, clock):
    first = await Database.open(database_url)
    plugin_id = await add_plugin(first)
    await PluginStorage(first, clock=clock).set(plugin_id, "key", "kept")
    await first.close()
    second = await Database.open(database_url)
    assert await PluginStorage(second, clock=clock).get(plugin_id, "key") == "kept"
    await second.close()


async def test_plugins_do_not_see_each_others_values(storage, database, plugin_id):
    other = await add_plugin(database, "other")
    await storage.set(plugin_id, "key", "mine")
    assert await storage.get(other, "key") is None
    assert await storage.list(other) == []
    assert not await storage.delete(other, "key")


async def test_delete_tells_whether_there_was_a_value(storage, plugin_id):
    await storage.set(plugin_id, "key", None)
    assert await storage.delete(plugin_id, "key")
    assert not await storage.delete(plugin_id, "key")


async def test_keys_are_listed_by_prefix_in_code_point_order(storage, plugin_id):
    for key in ("b", "a1", "A1", "a%", "a_x", "a2"):
        await storage.set(plugin_id, key, 1)
    assert await storage.list(plugin_id) == ["A1", "a%", "a1", "a2", "a_x", "b"]
    assert await storage.list(plugin_id, "a") == ["a%", "a1", "a2", "a_x"]
    assert await storage.list(plugin_id, "a%") == ["a%"]


@pytest.mark.parametrize("key", ["", "k" * 201, "nul\x00", "new\nline", "\ud800", 7])
async def test_a_bad_key_is_refused(storage, plugin_id, key):
    with pytest.raises(StorageKeyInvalidError, match="1 to 200"):
        await storage.set(plugin_id, key, 1)
    with pytest.raises(StorageKeyInvalidError):
        await storage.get(plugin_id, key)


@pytest.mark.parametrize("value", [{"a": [float("nan")]}, {"a": [b""]}, {"a": ["\x00"]}])
async def test_a_value_that_is_not_json_is_refused_by_path(storage, plugin_id, value):
    with pytest.raises(StorageValueInvalidError, match=r"at a\.0"):
        await storage.set(plugin_id, "key", value)


async def test_a_value_that_is_too_large_is_refused_and_the_old_one_stays(storage, plugin_id):
    await storage.set(plugin_id, "key", "old")
    with pytest.raises(StorageValueTooLargeError, match="262144"):
        await storage.set(plugin_id, "key", "x" * MAX_VALUE_BYTES)
    assert await storage.get(plugin_id, "key") == "old"


async def test_a_full_storage_refuses_what_makes_it_larger(database, clock, plugin_id):
    storage = PluginStorage(database, clock=clock, quota_bytes=1000)
    await storage.set(plugin_id, "key", "x" * 800)
    with pytest.raises(StorageFullError, match="of 1000 bytes"):
        await storage.set(plugin_id, "other", "x" * 200)
    assert await storage.list(plugin_id) == ["key"]
    await storage.set(plugin_id, "key", "x" * 100)
    await storage.set(plugin_id, "other", "x" * 200)


async def test_deleting_makes_room(database, clock, plugin_id):
    storage = PluginStorage(database, clock=clock, quota_bytes=1000)
    await storage.set(plugin_id, "key", "x" * 800)
    await storage.delete(plugin_id, "key")
    await storage.set(plugin_id, "other", "x" * 800)
    assert await storage.get(plugin_id, "other") == "x" * 800


async def test_a_quota_is_a_plugins_own(database, clock, plugin_id):
    storage = PluginStorage(database, clock=clock, quota_bytes=1000)
    await storage.set(plugin_id, "key", "x" * 800)
    other = await add_plugin(database, "other")
    await storage.set(other, "key", "y" * 800)
    assert [(await storage.get(one, "key"))[0] for one in (plugin_id, other)] == ["x", "y"]


async def test_what_another_node_stored_counts_after_a_minute(database, clock, plugin_id):
    here, there = (PluginStorage(database, clock=clock, quota_bytes=1000) for _ in range(2))
    await here.set(plugin_id, "a", "x" * 100)
    await there.set(plugin_id, "b", "x" * 600)
    clock.advance(61)
    with pytest.raises(StorageFullError):
        await here.set(plugin_id, "c", "x" * 200)


async def test_a_deleted_plugin_stores_nothing(storage, database, plugin_id):
    async with database.transaction() as session:
        await session.execute(text("DELETE FROM plugins"))
    with pytest.raises(StoragePluginGoneError):
        await storage.set(plugin_id, "key", 1)


async def leased(database, plugin_id, *, node, token):
    async with database.transaction() as session:
        await session.execute(text("DELETE FROM singletons"))
        row = "INSERT INTO singletons VALUES (:plugin, :node, 'x', :token, 0)"
        await session.execute(text(row), {"plugin": plugin_id, "node": node, "token": token})


async def test_who_holds_the_lease_writes(storage, database, plugin_id):
    await leased(database, plugin_id, node="a", token=3)
    await storage.set(plugin_id, "key", 1, fence=3)
    assert await storage.do_once(plugin_id, "mark", [("set", "other", 2)], fence=3)
    assert await storage.delete(plugin_id, "key", fence=3)


async def test_nothing_is_written_after_the_lease(storage, database, plugin_id):
    await storage.set(plugin_id, "key", "kept")
    await leased(database, plugin_id, node="b", token=4)
    with pytest.raises(StorageFencedError, match="node b runs it now"):
        await storage.set(plugin_id, "key", "stale", fence=3)
    with pytest.raises(StorageFencedError):
        await storage.delete(plugin_id, "key", fence=3)
    with pytest.raises(StorageFencedError):
        await storage.do_once(plugin_id, "mark", [("set", "key", "stale")], fence=3)
    with pytest.raises(StorageFencedError):
        async with database.transaction() as session:
            await storage.write_within(session, plugin_id, ["mark"], [("set", "key", "stale")], fence=3)
    assert await storage.get(plugin_id, "key") == "kept"
    assert not await storage.is_done(plugin_id, "mark")


async def test_a_lease_that_nobody_holds_lets_nobody_write(storage, database, plugin_id):
    await leased(database, plugin_id, node=None, token=4)
    with pytest.raises(StorageFencedError, match="no node runs it now"):
        await storage.set(plugin_id, "key", "stale", fence=3)


@pytest.mark.postgres
async def test_a_takeover_waits_for_a_write_that_is_under_way(postgres_url, clock):
    database = await Database.open(postgres_url)
    try:
        storage, plugin_id = PluginStorage(database, clock=clock), await add_plugin(database)
        await leased(database, plugin_id, node="a", token=3)
        async with database.transaction() as session:
            await storage.write_within(session, plugin_id, [], [("set", "key", 1)], fence=3)
            taking = asyncio.ensure_future(leased(database, plugin_id, node="b", token=4))
            await until(lambda: waiting_for_locks(database))
            assert not taking.done()
        await taking
        assert await storage.get(plugin_id, "key") == 1
    finally:
        await database.close()


async def waiting_for_locks(database):
    async with database.reading() as session:
        return await session.scalar(text("SELECT count(*) FROM pg_locks WHERE NOT granted"))
