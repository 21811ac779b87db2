"""A host that is killed at random moments loses nothing: every effect at least once, with `once` exactly once, in order for each key."""

import asyncio
import os
import random
import signal
from collections import defaultdict
from pathlib import Path

import pytest

from isp_plugins.db.tables import PluginStorageItem
from support.events import Post
from support.forked import AsyncForked
from support.rows import add_plugin

TESTS = Path(__file__).parents[2]


async def prepared(database, keyring):
    plugin_id = await add_plugin(database)
    assert plugin_id == 1
    post = Post(database, keyring)
    await post.subscribe(plugin_id, None)
    await post.close()


async def start(url, node, first, count, effects):
    return await AsyncForked.start("support.events_child", url, node, first, count, effects)


async def run_and_kill(url, folder, *, count, kills, seed, patience_s=240):
    """Run the host, kill it `kills` times at random moments, then let it end; the numbers that it said are kept.

    Each life has `patience_s` seconds; the last one has to deliver all that the others left.
    """
    draw, kept, effects = random.Random(seed), set(), folder / "effects"
    effects.touch()
    for life in range(kills + 1):
        missing = [number for number in range(count) if number not in kept]
        # Kept out of order, up to the number of keys: the next life begins with the first that is missing.
        child = await start(url, "one", min(missing, default=count), count, effects)
        lines = draw.randint(1, max(2, 2 * count // (kills + 1))) if life < kills else None
        try:
            async with asyncio.timeout(patience_s):
                await follow(child, kept, lines, draw)
        finally:
            if child.returncode is None:
                child.send_signal(signal.SIGKILL)
            await child.wait()
    return kept, [line.split() for line in effects.read_text().splitlines()]


async def follow(child, kept, lines, draw):
    """Read what the child says; after so many lines, kill it a moment later."""
    while line := (await child.stdout.readline()).decode():
        word, *rest = line.split()
        if word == "settled":
            assert lines is None
            return
        kept.add(int(rest[0]))
        if lines is not None:
            lines -= 1
            if lines <= 0:
                await asyncio.sleep(draw.random() * 0.05)
                return
    assert lines is not None, "the last life ended before all was delivered"


async def assert_nothing_lost(database, kept, effects, count):
    assert kept == set(range(count))
    assert {int(number) for _, _, number, _ in effects} == set(range(count))
    firsts = defaultdict(list)
    for key, event, _, _ in effects:
        if event not in firsts[key]:
            firsts[key].append(event)
    for events in firsts.values():
        assert [int(event) for event in events] == sorted(int(event) for event in events)
    async with database.reading() as session:
        from sqlalchemy import select

        counts = (await session.scalars(select(PluginStorageItem.value))).all()
    assert set(counts) == {1}
    assert len(counts) == len({event for _, event, _, _ in effects})


async def test_nothing_is_lost_by_kill_9(database_url, database, keyring, tmp_path):
    await prepared(database, keyring)
    if database.dialect == "sqlite":
        await database.close()  # one data directory has one host
    kept, effects = await run_and_kill(database_url, tmp_path, count=60, kills=5, seed=7)
    await assert_nothing_lost(database, kept, effects, 60)


@pytest.mark.soak
@pytest.mark.timeout(7200)
async def test_nothing_is_lost_by_many_kills(database_url, database, keyring, tmp_path):
    await prepared(database, keyring)
    count = int(os.environ.get("SOAK_EVENTS", "50000"))
    kept, effects = await run_and_kill(
        database_url, tmp_path, count=count, kills=250, seed=11, patience_s=3600
    )
    await assert_nothing_lost(database, kept, effects, count)
