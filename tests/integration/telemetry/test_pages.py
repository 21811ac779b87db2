"""Pages of logs: newest first, filtered, and read from an index."""

import itertools
from datetime import datetime, timedelta, timezone
from functools import partial

import pytest
from sqlalchemy import insert, text

from isp_plugins.contracts.vocabulary import LogLevel
from isp_plugins.db.tables.logs import PluginLog
from isp_plugins.telemetry import LogFilters, LogPageTooDeepError, PluginLogs
from isp_plugins.telemetry.query import COUNTED, _count, _ids

LEVELS = tuple(LogLevel)


@pytest.fixture
def logs(database, clock):
    return PluginLogs(database, node="n1", clock=clock, queue_size=100, flush_interval=1)


def row(clock, number, **fields):
    return {
        "at": clock.now() + timedelta(seconds=number),
        "node": "n1",
        "plugin_id": number % 3,
        "plugin_name": f"p{number % 3}",
        "level": LEVELS[number % 5].value,
        "message": f"message {number}",
        "hook": f"hook_{number % 2}",
        "method": f"method_{number % 4}",
        "request_id": f"r{number // 10}",
        "duration_ms": float(number % 7) if number % 7 else None,
        "traceback": f"trace {number}" if number % 6 == 0 else None,
    } | fields


async def fill(database, rows):
    async with database.transaction() as session:
        await (await session.connection()).execute(insert(PluginLog), rows)


@pytest.fixture
async def hundred(database, clock):
    rows = [row(clock, number) for number in range(100)]
    await fill(database, rows)
    return rows


async def found(logs, **filters):
    page = await logs.page(LogFilters(**filters), 1, 1000)
    assert page.total == len(page.items)
    return [int(it.message.split()[-1]) for it in page.items]


async def test_pages_are_newest_first_and_do_not_overlap(logs, hundred):
    pages = [await logs.page(LogFilters(), number, 30) for number in (1, 2, 3, 4, 5)]
    seen = [int(it.message.split()[-1]) for page in pages for it in page.items]
    assert seen == list(reversed(range(100)))
    assert {(page.total, page.pages) for page in pages} == {(100, 4)}


async def test_records_of_one_moment_are_in_the_order_they_were_written(logs, database, clock):
    await fill(
        database, [row(clock, number, at=clock.now(), level=LEVELS[number % 5].value) for number in range(20)]
    )
    assert await found(logs) == list(reversed(range(20)))


FILTERS = {
    "level": LogLevel.INFO,
    "plugin_id": 1,
    "hook": "hook_1",
    "method": "method_3",
    "request_id": "r4",
    "min_duration_ms": 2,
    "q": "MESSAGE 4",
}


async def test_filters_narrow_together(logs, hundred):
    rules = {
        "level": lambda it: LEVELS.index(LogLevel(it["level"])) >= 1,
        "plugin_id": lambda it: it["plugin_id"] == 1,
        "hook": lambda it: it["hook"] == "hook_1",
        "method": lambda it: it["method"] == "method_3",
        "request_id": lambda it: it["request_id"] == "r4",
        "min_duration_ms": lambda it: (it["duration_ms"] or 0) >= 2,
        "q": lambda it: "message 4" in it["message"],
    }
    for names in (names for n in range(len(FILTERS) + 1) for names in itertools.combinations(FILTERS, n)):
        expected = [number for number, it in enumerate(hundred) if all(rules[name](it) for name in names)]
        assert await found(logs, **{name: FILTERS[name] for name in names}) == expected[::-1], names


async def test_since_is_included_and_until_is_not(logs, hundred):
    assert await found(logs, since=hundred[10]["at"], until=hundred[13]["at"]) == [12, 11, 10]


@pytest.mark.parametrize(
    "filters",
    [
        LogFilters(plugin_id=2**70),
        LogFilters(plugin_id=-1),
        LogFilters(hook="\x00", request_id="\ud800", q="a\x00\udfff"),
        LogFilters(since=datetime.max.replace(tzinfo=timezone(-timedelta(hours=14)))),
        LogFilters(until=datetime.min.replace(tzinfo=timezone(timedelta(hours=14)))),
        LogFilters(until=datetime(1, 1, 1)),  # noqa: DTZ001  without a zone on purpose
    ],
    ids=str,
)
async def test_no_filter_is_too_strange_to_find_nothing(logs, hundred, filters):
    assert (await logs.page(filters, 1, 50)).items == []


async def test_a_search_looks_into_tracebacks_and_takes_wildcards_literally(logs, database, clock):
    texts = [
        ("100% sure 0", None),
        ("100 percent 1", None),
        ("m 2", "in Send_Mail"),
        ("m 3", "in SendXMail"),
        ("back\\slash 4", None),
    ]
    await fill(
        database,
        [row(clock, n, message=message, traceback=trace) for n, (message, trace) in enumerate(texts)],
    )
    assert await found(logs, q="100%") == [0]
    assert await found(logs, q="send_mail") == [2]
    assert await found(logs, q="BACK\\SLASH") == [4]


async def test_a_total_is_counted_to_its_limit_and_pages_end_there(logs, database, clock):
    moments = [row(clock, number) for number in range(COUNTED + 50)]
    await fill(database, moments)
    assert (await logs.page(LogFilters(), 1, 50)).total == COUNTED
    assert (await logs.page(LogFilters(), COUNTED // 50, 50)).items
    with pytest.raises(LogPageTooDeepError, match="until"):
        await logs.page(LogFilters(), COUNTED // 50 + 1, 50)


@pytest.mark.parametrize("statement", [_count, partial(_ids, offset=0, size=50)], ids=["count", "page"])
@pytest.mark.parametrize(
    "filters",
    [
        LogFilters(),
        LogFilters(level=LogLevel.ERROR),
        LogFilters(plugin_id=1),
        LogFilters(plugin_id=1, level=LogLevel.ERROR),
        LogFilters(hook="hook_1"),
        LogFilters(hook="hook_1", plugin_id=1, level=LogLevel.INFO),
        LogFilters(request_id="r4"),
        LogFilters(method="send"),
        LogFilters(method="send", plugin_id=1, only_level=LogLevel.ERROR),
        LogFilters(method="send", hook="hook_1"),
        LogFilters(node="n1", min_duration_ms=5, has_traceback=True, q="x"),
    ],
    ids=str,
)
async def test_no_page_scans_or_sorts_the_table(sqlite_database, clock, filters, statement):
    await fill(sqlite_database, [row(clock, number) for number in range(100)])
    plugins = None if filters.plugin_id is None else (filters.plugin_id,)
    compiled = str(statement(filters, plugins).compile(compile_kwargs={"literal_binds": True}))
    async with sqlite_database.reading() as session:
        plan = [it.detail for it in await session.execute(text(f"EXPLAIN QUERY PLAN {compiled}"))]
    on_table = [line for line in plan if "plugin_logs" in line]
    assert on_table
    assert all(line.startswith("SEARCH plugin_logs USING") for line in on_table), plan
    if filters.request_id:
        assert all("ix_plugin_logs_request_id" in line for line in on_table), plan
    if filters.method and not filters.hook:
        assert all("ix_plugin_logs_method_level_at" in line for line in on_table), plan
    if filters.hook:
        assert all("ix_plugin_logs_hook_level_at" in line for line in on_table), plan
