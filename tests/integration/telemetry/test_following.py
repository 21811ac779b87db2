"""Readers of the log get every record once, in order, whatever happens around them; what they miss is told."""

import asyncio
from contextlib import aclosing

import pytest

from isp_plugins.contracts.vocabulary import LogLevel
from isp_plugins.telemetry import LogFilters, PluginLogs
from isp_plugins.telemetry.errors import TooManyFollowersError
from isp_plugins.telemetry.following import FOLLOWERS, KEPT, LAG, LogFollower, MissedReason, skips_to
from isp_plugins.telemetry.retention import LogLimits, LogRetention


@pytest.fixture
async def logs(database, clock):
    logs = PluginLogs(database, node="n1", clock=clock, queue_size=50_000, flush_interval=0.01)
    await logs.open()
    yield logs
    await logs.close()


@pytest.fixture
def write(logs):
    async def write(count, plugin_id=1, start=0):
        logger = logs.logger_for(plugin_id, f"p{plugin_id}", LogLevel.INFO)
        for number in range(start, start + count):
            logger.info("%d", number)
        await logs.flush()

    return write


async def drained(follower):
    """Everything that the follower reads until nothing more is stored."""
    found, missed = [], []
    while True:
        reading = await follower.read()
        found += [view.message for view in reading.items]
        missed += reading.missed
        if reading.is_all:
            return found, missed


async def follower_of(database, after=None, tail=0, **filters):
    follower = LogFollower(database, LogFilters(**filters))
    reading = await follower.begin(after=after, tail=tail)
    return follower, reading


async def test_a_reader_begins_now(database, write):
    await write(3)
    follower, reading = await follower_of(database)
    await write(2, start=3)
    assert reading.items == ()
    assert await drained(follower) == (["3", "4"], [])


async def test_a_reader_can_begin_with_the_last_records(database, write):
    await write(5)
    follower, reading = await follower_of(database, tail=2, plugin_id=1)
    assert [view.message for view in reading.items] == ["3", "4"]
    assert await drained(follower) == ([], [])


async def test_a_reader_goes_on_after_an_id(database, logs, write):
    await write(250)
    ids = [view.id for view in (await logs.page(LogFilters(), 1, 250)).items]
    follower, _ = await follower_of(database, after=ids[-11])
    assert await drained(follower) == ([str(number) for number in range(11, 250)], [])


async def test_filters_hold_while_following(database, write):
    follower, _ = await follower_of(database, plugin_id=2)
    await write(5, plugin_id=1)
    await write(3, plugin_id=2)
    assert await drained(follower) == (["0", "1", "2"], [])


async def test_a_reader_of_a_deleted_plugins_name_gets_its_records(database, write):
    await write(2, plugin_id=7)
    follower, _ = await follower_of(database, after=0, plugin_name="p7")
    assert (await drained(follower))[0] == ["0", "1"]


async def test_a_slow_reader_is_taken_to_the_newest_and_told_how_many_it_missed(database, write):
    follower, _ = await follower_of(database)
    await write(LAG + 500)
    found, missed = await drained(follower)
    assert [(it.reason, it.count) for it in missed] == [(MissedReason.SLOW, LAG + 500 - KEPT)]
    assert len(found) == KEPT
    assert found[-1] == str(LAG + 499)


def test_a_reader_that_comes_back_from_afar_is_not_hurried():
    assert skips_to(0, 1_000_000, least_lag=1_000_000) == 0
    assert skips_to(0, 1_000_000 + LAG, least_lag=1_000_000) == 0
    assert skips_to(0, 1_000_001 + LAG, least_lag=1_000_000) == 1_000_001 + LAG - KEPT


async def test_retention_while_following_is_told(database, clock, write):
    follower, _ = await follower_of(database)
    await write(30)
    retention = LogRetention(database, clock=clock, limits=LogLimits(days=0, records=10, bytes=0))
    await retention.begin()
    await retention.run()
    found, missed = await drained(follower)
    assert [(it.reason, it.count) for it in missed] == [(MissedReason.DELETED, None)]
    assert found == [str(number) for number in range(20, 30)]


async def test_retention_of_what_was_read_is_not_told(database, clock, write):
    follower, _ = await follower_of(database)
    await write(30)
    await drained(follower)
    retention = LogRetention(database, clock=clock, limits=LogLimits(days=0, records=10, bytes=0))
    await retention.begin()
    await retention.run()
    await write(1, start=30)
    assert await drained(follower) == (["30"], [])


async def test_retention_of_another_plugins_log_is_not_told(database, clock, write):
    follower, _ = await follower_of(database, plugin_id=2)
    await write(30, plugin_id=1)
    await write(5, plugin_id=2)
    retention = LogRetention(database, clock=clock, limits=LogLimits(days=0, records=10, bytes=0))
    await retention.begin()
    await retention.run()
    assert await drained(follower) == (["0", "1", "2", "3", "4"], [])


async def test_nothing_is_missed_or_doubled_while_two_nodes_write_and_retention_deletes(
    database, clock, logs
):
    other = PluginLogs(database, node="n2", clock=clock, queue_size=50_000, flush_interval=0.01)
    await other.open()
    retention = LogRetention(database, clock=clock, limits=LogLimits(days=0, records=300, bytes=0))
    await retention.begin()

    async def write(node, plugin_id):
        logger = node.logger_for(plugin_id, f"p{plugin_id}", LogLevel.INFO)
        for number in range(0, 1000, 50):
            for one in range(number, number + 50):
                logger.info("%d", one)
            await node.flush()
            await retention.run() if plugin_id == 1 else None

    found = {1: [], 2: []}

    async def read():
        async with aclosing(logs.following.readings(LogFilters(), after=0)) as readings:
            async for reading in readings:
                for view in reading.items:
                    found[view.plugin_id].append(int(view.message))
                if all(numbers and numbers[-1] == 999 for numbers in found.values()):
                    return

    async with asyncio.timeout(60):
        await asyncio.gather(write(logs, 1), write(other, 2), read())
    await other.close()
    assert all(numbers == sorted(set(numbers)) for numbers in found.values())


async def test_a_waiting_reader_is_woken_by_news_and_by_the_end(logs):
    async with aclosing(logs.following.readings(LogFilters())) as readings:
        await anext(readings)
        logs.logger_for(1, "p", LogLevel.INFO).info("news")
        async with asyncio.timeout(60):
            while not (reading := await anext(readings)).items:
                pass
            assert [view.message for view in reading.items] == ["news"]
            logs.following.end()
            assert [reading async for reading in readings] == []
    assert logs.following.count == 0


async def test_readers_are_limited(logs):
    readers = [logs.following.readings(LogFilters()) for _ in range(FOLLOWERS)]
    for reader in readers:
        await anext(reader)
    with pytest.raises(TooManyFollowersError):
        await anext(logs.following.readings(LogFilters()))
    for reader in readers:
        await reader.aclose()
    assert logs.following.count == 0
