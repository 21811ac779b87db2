"""`once` in the plugin's storage: the mark and what belongs to it, all or nothing, on both databases."""

import asyncio

import pytest

from isp_plugins.storage import StorageFullError, StorageKeyInvalidError, StoragePluginGoneError


async def test_mark_and_writes_are_one(post):
    storage = post.storage
    await storage.set(post.plugin, "old", 1)
    assert not await storage.is_done(post.plugin, "m")
    assert await storage.do_once(post.plugin, "m", [("set", "n", 1), ("delete", "old", None)])
    assert await storage.is_done(post.plugin, "m")
    assert await storage.list(post.plugin) == ["n"]


async def test_second_time_writes_nothing(post):
    assert await post.storage.do_once(post.plugin, "m", [("set", "n", 1)])
    assert not await post.storage.do_once(post.plugin, "m", [("set", "n", 2)])
    assert await post.storage.get(post.plugin, "n") == 1


async def test_many_at_once_have_one_winner(post):
    won = await asyncio.gather(
        *(post.storage.do_once(post.plugin, "m", [("set", "n", number)]) for number in range(8))
    )
    assert sum(won) == 1
    assert await post.storage.get(post.plugin, "n") == won.index(True)


async def test_what_cannot_be_written_leaves_no_mark(post):
    post.storage._quota = 1000
    with pytest.raises(StorageFullError):
        await post.storage.do_once(post.plugin, "m", [("set", "a", 1), ("set", "n", "x" * 2000)])
    with pytest.raises(StorageKeyInvalidError):
        await post.storage.do_once(post.plugin, "m", [("set", "", 1)])
    assert not await post.storage.is_done(post.plugin, "m")
    assert await post.storage.list(post.plugin) == []


async def test_plugin_that_is_gone_is_told(post):
    with pytest.raises(StoragePluginGoneError):
        await post.storage.do_once(4711, "m", [])
