"""Old logs go, by age and by size, in small batches, counted; a clock that jumps deletes nothing."""

from datetime import timedelta

import pytest
from sqlalchemy import func, select

from isp_plugins.contracts.vocabulary import LogLevel
from isp_plugins.db.tables.logs import PluginLog
from isp_plugins.telemetry import LogFilters, PluginLogs
from isp_plugins.telemetry.retention import BATCH, LogLimits, LogRetention
from isp_plugins.telemetry.usage import read_usage

NO_LIMITS = {"days": 0, "records": 0, "bytes": 0}
DAY = 86_400
HOUR = 3_600


@pytest.fixture
async def logs(database, clock):
    logs = PluginLogs(database, node="n1", clock=clock, queue_size=50_000, flush_interval=60)
    await logs.open()
    yield logs
    await logs.close()


@pytest.fixture
def write(logs):
    async def write(count, plugin_id=1, message="m"):
        logger = logs.logger_for(plugin_id, f"p{plugin_id}", LogLevel.INFO)
        for number in range(count):
            logger.log(20 + 10 * (number % 3), "%s %d", message, number)
        await logs.flush()

    return write


async def retention(database, clock, **limits):
    made = LogRetention(database, clock=clock, limits=LogLimits(**(NO_LIMITS | limits)))
    await made.begin()
    return made


async def kept(logs, **filters):
    return [row.message for row in (await logs.page(LogFilters(**filters), 1, 10_000)).items]


async def usage_of(database, plugin_id):
    return next(usage for usage in await read_usage(database) if usage.plugin_id == plugin_id)


async def test_what_is_older_than_the_limit_goes(database, clock, logs, write):
    await write(3, message="old")
    clock.advance(2 * DAY)
    await write(2, message="new")
    assert await (await retention(database, clock, days=1)).run() == 3
    assert await kept(logs) == ["new 1", "new 0"]


async def test_a_plugin_keeps_its_newest_records_and_others_are_left_alone(database, clock, logs, write):
    await write(50, plugin_id=1)
    await write(5, plugin_id=2)
    assert await (await retention(database, clock, records=10)).run() == 40
    assert await kept(logs, plugin_id=1) == [f"m {number}" for number in reversed(range(40, 50))]
    assert len(await kept(logs, plugin_id=2)) == 5


async def test_too_much_in_all_takes_from_whoever_holds_most(database, clock, logs, write):
    await write(20, plugin_id=1)
    await write(600, plugin_id=2, message="x" * 1000)
    bound = 700_000
    await (await retention(database, clock, bytes=bound)).run()
    usages = await read_usage(database)
    assert sum(usage.bytes for usage in usages) <= bound
    assert [usage.records for usage in usages] == [20, (await usage_of(database, 2)).records]
    assert (await usage_of(database, 2)).records < 600


async def test_what_is_deleted_is_counted_and_sizes_stay_exact(database, clock, write):
    await write(30)
    clock.advance(2 * DAY)
    await write(30)
    await (await retention(database, clock, days=1)).run()
    await (await retention(database, clock, records=10)).run()
    usage = await usage_of(database, 1)
    assert (usage.records, usage.written, usage.deleted_by_age, usage.deleted_by_size) == (10, 60, 30, 20)
    async with database.reading() as session:
        texts = func.length(PluginLog.message) + 256
        assert usage.bytes == await session.scalar(select(func.sum(texts)))


async def test_many_records_go_in_batches(database, clock, logs, write):
    await write(2 * BATCH + 100)
    assert await (await retention(database, clock, records=50)).run() == 2 * BATCH + 50
    assert len(await kept(logs)) == 50


async def test_logs_of_a_deleted_plugin_go_too(database, clock, logs, write):
    await write(5)
    logs.forget(1)
    clock.advance(2 * DAY)
    await write(1, plugin_id=2)
    assert await (await retention(database, clock, days=1)).run() == 5


async def test_the_record_with_the_highest_id_stays(database, clock, logs, write):
    await write(5)
    clock.advance(HOUR)
    assert await (await retention(database, clock, days=0.01)).run() == 4
    assert await kept(logs) == ["m 4"]


async def test_no_limit_deletes_nothing(database, clock, logs, write):
    await write(5)
    clock.advance(10_000 * DAY)
    assert await (await retention(database, clock)).run() == 0


async def test_a_clock_that_jumps_ahead_deletes_nothing_until_it_is_steady(sqlite_database, clock):
    logs = PluginLogs(sqlite_database, node="n1", clock=clock, queue_size=100, flush_interval=60)
    await logs.open()
    logs.logger_for(1, "p", LogLevel.INFO).info("precious")
    logs.logger_for(1, "p", LogLevel.INFO).info("newest")
    await logs.flush()
    kept_a_day = await retention(sqlite_database, clock, days=1)
    clock.set_wall(clock.now() + timedelta(days=3650))
    assert await kept_a_day.run() == 0
    clock.advance(HOUR / 2)
    assert await kept_a_day.run() == 0
    clock.set_wall(clock.now() - timedelta(days=3650))
    clock.advance(HOUR)
    assert await kept_a_day.run() == 0
    clock.advance(HOUR)
    assert await kept_a_day.run() == 0
    assert await kept(logs) == ["newest", "precious"]
    await logs.close()


async def test_a_clock_that_was_wrong_at_the_start_is_not_believed_for_an_hour(sqlite_database, clock):
    logs = PluginLogs(sqlite_database, node="n1", clock=clock, queue_size=100, flush_interval=60)
    await logs.open()
    for message in ("old", "newest"):
        logs.logger_for(1, "p", LogLevel.INFO).info(message)
    await logs.close()
    clock.advance(30 * DAY)
    kept_a_day = await retention(sqlite_database, clock, days=1)
    assert await kept_a_day.run() == 0
    clock.advance(HOUR)
    assert await kept_a_day.run() == 1


async def test_the_size_limit_holds_whatever_the_clock_does(database, clock, logs, write):
    await write(20)
    kept_ten = await retention(database, clock, records=10)
    clock.set_wall(clock.now() - timedelta(days=3650))
    await write(5)
    assert await kept_ten.run() == 15
    assert (await usage_of(database, 1)).records == 10
