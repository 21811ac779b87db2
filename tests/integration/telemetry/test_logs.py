"""Plugin logs on real databases: from any thread into rows, masked, bounded, through outages."""

import asyncio
import logging
import threading
from types import SimpleNamespace

import pytest

from isp_plugin_sdk.context import current_call
from isp_plugins.contracts.vocabulary import LogLevel
from isp_plugins.telemetry import LogFilters, LogRecord, PluginLogs
from support.unreliable import SwitchedDatabase
from support.waiting import until

CALL = SimpleNamespace(request_id="req-1", hook="customer_created", deadline=0.0, chain=(), context={})


def make_logs(database, clock, **options):
    return PluginLogs(
        database, **({"node": "n1", "clock": clock, "queue_size": 50_000, "flush_interval": 0.02} | options)
    )


@pytest.fixture
async def logs(database, clock):
    logs = make_logs(database, clock)
    await logs.open()
    yield logs
    await logs.close()


@pytest.fixture
def logger(logs):
    return logs.logger_for(7, "mailer", LogLevel.INFO)


async def rows(logs, **filters):
    await logs.flush()
    return list(reversed((await logs.page(LogFilters(**filters), 1, 200)).items))


async def messages(logs, **filters):
    return [row.message for row in await rows(logs, **filters)]


async def test_a_record_tells_where_and_when_and_whose(logs, logger, clock):
    logger.warning("low on %s", "ink")
    (row,) = await rows(logs)
    assert (row.message, row.level, row.node, row.plugin_id, row.plugin_name) == (
        "low on ink",
        LogLevel.WARNING,
        "n1",
        7,
        "mailer",
    )
    assert row.at == clock.now()
    assert row.method == "test_a_record_tells_where_and_when_and_whose"


async def test_a_record_is_stored_without_being_flushed(logs, logger):
    logger.info("soon")

    async def stored():
        return (await logs.page(LogFilters(), 1, 1)).total == 1

    await until(stored)
    assert [row.message for row in (await logs.page(LogFilters(), 1, 1)).items] == ["soon"]


async def test_a_record_knows_the_call_it_was_written_in(logs, logger):
    token = current_call.set(CALL)
    logger.info("inside")
    logs.write(LogRecord(plugin_id=7, plugin_name="mailer", level=LogLevel.INFO, message="too"))
    current_call.reset(token)
    logger.info("outside")
    assert [(row.hook, row.request_id) for row in await rows(logs)] == [("customer_created", "req-1")] * 2 + [
        (None, None)
    ]


async def test_what_a_record_says_itself_counts_more_than_the_call(logs):
    token = current_call.set(CALL)
    logs.write(
        LogRecord(
            plugin_id=7,
            plugin_name="mailer",
            level=LogLevel.INFO,
            message="m",
            hook="other",
            request_id="r",
            method="f",
            duration_ms=1.5,
        )
    )
    current_call.reset(token)
    (row,) = await rows(logs)
    assert (row.hook, row.request_id, row.method, row.duration_ms) == ("other", "r", "f", 1.5)


async def test_a_plugin_has_one_logger_whose_level_changes_at_once(logs, logger):
    logger.debug("unseen")
    assert logs.logger_for(7, "mailer2", LogLevel.DEBUG) is logger
    logger.debug("seen")
    assert [(row.message, row.plugin_name) for row in await rows(logs)] == [("seen", "mailer2")]


async def test_threads_write_at_once_and_nothing_is_lost(logs):
    def write(number):
        logger = logs.logger_for(number, f"p{number}", LogLevel.INFO)
        for count in range(600):
            logger.info("%d", count)

    threads = [threading.Thread(target=write, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    await until(lambda: not any(thread.is_alive() for thread in threads))
    await logs.flush()
    for number in range(4):
        page = await logs.page(LogFilters(plugin_id=number), 1, 600)
        assert [row.message for row in page.items] == [str(count) for count in reversed(range(600))]


async def test_an_exception_is_stored_with_the_plugins_traceback(logs, logger):
    try:
        {}["missing"]
    except KeyError:
        logger.exception("could not")
    (row,) = await rows(logs)
    assert row.level is LogLevel.ERROR
    assert row.traceback.endswith("KeyError: 'missing'\n")


class Hostile:
    def __str__(self):
        raise SystemExit("from __str__")


@pytest.mark.parametrize(
    ("message", "args"), [("%d", ("x",)), ("%s %s", ("x",)), ("%s", (Hostile(),)), (Hostile(), ())]
)
async def test_a_message_that_cannot_be_formatted_is_stored_all_the_same(logs, logger, message, args):
    logger.info(message, *args)
    assert len(await messages(logs)) == 1
    assert logs.dropped == 0


async def test_any_text_can_be_stored(logs, logger):
    logger.info("a\x00b\udc80c😀")
    logs.write(
        LogRecord(
            plugin_id=7,
            plugin_name="m",
            level=LogLevel.INFO,
            message="x" * 1_000_000,
            request_id="\x00" * 500,
            traceback="\x00",
        )
    )
    first, second = await rows(logs)
    assert first.message == "a␀b\\udc80c😀"
    assert len(second.message) < 17_000
    assert logs.dropped == 0


async def test_secrets_are_masked_in_messages_arguments_and_tracebacks(logs, logger):
    logs.set_masks(7, frozenset({"hunter2-secret"}))
    logger.info("hunter2-secret and %s and %r", "hunter2-secret", {"k": "hunter2-secret"})
    try:
        raise ValueError("hunter2-secret")
    except ValueError:
        logger.exception("it was %s", "hunter2-secret")
    assert "hunter2" not in str(await rows(logs))


async def test_masks_are_replaced_and_forgotten(logs, logger):
    logs.set_masks(7, frozenset({"first-secret"}))
    logs.set_masks(7, frozenset({"second-secret"}))
    logger.info("first-secret second-secret")
    logs.forget(7)
    logs.logger_for(7, "mailer", LogLevel.INFO).info("second-secret")
    assert await messages(logs) == ["first-secret ********", "second-secret"]


async def test_any_text_of_a_plugins_can_be_masked(logs):
    logs.set_masks(7, frozenset({"hunter2-secret"}))
    assert logs.masked(7, "it said hunter2-secret") == "it said ********"
    assert logs.masked(8, "it said hunter2-secret") == "it said hunter2-secret"


async def test_close_stores_what_waits(database, clock):
    logs = make_logs(database, clock, flush_interval=3600)
    await logs.open()
    logs.logger_for(1, "p", LogLevel.INFO).info("last words")
    await logs.close()
    assert (await logs.page(LogFilters(), 1, 1)).total == 1


async def test_what_is_written_before_open_is_stored_then(database, clock):
    logs = make_logs(database, clock)
    logs.logger_for(1, "p", LogLevel.INFO).info("early")
    await logs.open()
    await logs.close()
    assert (await logs.page(LogFilters(), 1, 1)).total == 1


async def test_logging_after_close_harms_nobody(database, clock):
    logs = make_logs(database, clock)
    await logs.open()
    await logs.close()
    await logs.close()
    logs.logger_for(1, "p", LogLevel.INFO).info("late")
    assert (await logs.page(LogFilters(), 1, 1)).total == 0


async def test_what_does_not_fit_is_dropped_counted_and_reported(sqlite_database, clock):
    logs = make_logs(sqlite_database, clock, queue_size=100, flush_interval=3600)
    await logs.open()
    logger = logs.logger_for(7, "mailer", LogLevel.INFO)
    for number in range(130):
        logger.info("%d", number)
    assert logs.dropped == 30
    found = await rows(logs)
    assert len(found) == 101
    assert (found[-1].level, found[-1].plugin_id) == (LogLevel.WARNING, 7)
    assert found[-1].message.startswith("30 log records of this plugin were dropped")
    await logs.close()


async def test_a_batch_is_kept_through_an_outage(sqlite_database, clock, caplog):
    database = SwitchedDatabase(sqlite_database)
    logs = make_logs(database, clock)
    await logs.open()
    database.is_on = False
    logs.logger_for(1, "p", LogLevel.INFO).info("during")
    await until(lambda: database.tries >= 2)
    database.is_on = True
    assert await messages(logs) == ["during"]
    assert [
        record.getMessage() for record in caplog.records if "cannot be stored now" in record.getMessage()
    ].__len__() == 1
    await logs.close()


async def test_an_outage_is_bounded_in_memory_and_ends_by_itself(sqlite_database, clock):
    database = SwitchedDatabase(sqlite_database)
    logs = make_logs(database, clock, queue_size=100)
    await logs.open()
    database.is_on = False
    logger = logs.logger_for(1, "p", LogLevel.INFO)
    for number in range(300):
        logger.info("%d", number)
    assert logs.dropped >= 100
    database.is_on = True

    async def reported():
        return (await logs.page(LogFilters(level=LogLevel.WARNING), 1, 1)).total == 1

    await until(reported)
    stored = (await logs.page(LogFilters(), 1, 1)).total - 1
    assert stored + logs.dropped == 300
    await logs.close()


async def test_close_gives_up_on_a_database_that_is_gone(sqlite_database, clock, caplog, monkeypatch):
    monkeypatch.setattr("isp_plugins.telemetry.writer.CLOSE_WITHIN_S", 0.1)
    database = SwitchedDatabase(sqlite_database)
    logs = make_logs(database, clock)
    await logs.open()
    database.is_on = False
    logs.logger_for(1, "p", LogLevel.INFO).info("lost")
    await logs.close()
    assert logs.dropped == 1
    assert "1 plugin log records could not be stored" in caplog.text


async def test_a_row_that_the_database_refuses_does_not_keep_the_others_out(database, clock):
    logs = make_logs(database, clock, flush_interval=3600)
    await logs.open()
    for message in ("before", "bad", "after"):
        at = "not a moment" if message == "bad" else None
        logs.write(LogRecord(plugin_id=1, plugin_name="p", level=LogLevel.INFO, message=message, at=at))
    assert (await messages(logs))[:2] == ["before", "after"]
    assert logs.dropped == 1
    await logs.close()


async def test_a_cancelled_flush_stores_nothing_twice(database, clock):
    logs = make_logs(database, clock, flush_interval=3600)
    await logs.open()
    logger = logs.logger_for(1, "p", LogLevel.INFO)
    for number in range(50):
        logger.info("%d", number)
        flushing = asyncio.ensure_future(logs.flush())
        await asyncio.sleep(0)
        flushing.cancel()
    assert len(await messages(logs)) == 50
    await logs.close()


async def test_warnings_are_repeated_in_the_servers_own_log(logs, logger, caplog):
    logs.set_masks(7, frozenset({"hunter2-secret"}))
    logger.info("not this")
    logger.warning("this hunter2-secret")
    await logs.flush()
    assert [(it.name, it.levelno, it.getMessage()) for it in caplog.records] == [
        ("isp_plugins.plugin", logging.WARNING, "mailer: this ********")
    ]


async def test_a_flood_of_errors_does_not_flood_the_servers_own_log(logs, logger, caplog):
    for _ in range(150):
        logger.error("again")
    await logs.flush()
    assert len(caplog.records) == 101
    assert "more than 100 warnings and errors of plugins within 10 s" in caplog.text
