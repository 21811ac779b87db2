"""What the observer of dispatches writes down."""

import pytest

from isp_plugins.contracts.hooks import DispatchObserver, Subscription
from isp_plugins.contracts.vocabulary import LogLevel, SubscriptionType
from isp_plugins.telemetry import LogFilters, LoggingObserver, PluginLogs
from isp_plugins.telemetry.observer import TRACEBACKS_A_SECOND

SUBSCRIPTION = Subscription(
    id=1,
    plugin_id=7,
    plugin_name="mailer",
    hook="customer_created",
    type=SubscriptionType.ACTION,
    method="send",
    condition="a > 1",
)


@pytest.fixture
async def logs(sqlite_database, clock):
    logs = PluginLogs(sqlite_database, node="n1", clock=clock, queue_size=1000, flush_interval=60)
    await logs.open()
    yield logs
    await logs.close()


@pytest.fixture
def observer(logs) -> DispatchObserver:
    return LoggingObserver(logs)


async def rows(logs):
    await logs.flush()
    return list(reversed((await logs.page(LogFilters(), 1, 200)).items))


def broken():
    try:
        raise ValueError("no such mailbox")
    except ValueError as error:
        return error


async def test_a_failure_is_an_error_with_the_traceback(logs, observer):
    observer.failed(SUBSCRIPTION, broken(), request_id="r1", duration_ms=2.5)
    (row,) = await rows(logs)
    assert (row.level, row.plugin_id, row.hook, row.method, row.request_id, row.duration_ms) == (
        LogLevel.ERROR,
        7,
        "customer_created",
        "send",
        "r1",
        2.5,
    )
    assert row.message == "customer_created -> send failed: ValueError: no such mailbox"
    assert "in broken" in row.traceback


async def test_a_storm_of_failures_is_logged_in_full_but_not_every_traceback(logs, observer, clock):
    for _ in range(TRACEBACKS_A_SECOND + 5):
        observer.failed(SUBSCRIPTION, broken(), request_id="r1", duration_ms=None)
    clock.advance(1)
    observer.failed(SUBSCRIPTION, broken(), request_id="r2", duration_ms=None)
    with_traceback = [row.traceback is not None for row in await rows(logs)]
    assert with_traceback == [True] * TRACEBACKS_A_SECOND + [False] * 5 + [True]


async def test_an_invocation_of_a_debug_plugin_is_a_debug_record(logs, observer):
    observer.invoked(SUBSCRIPTION, request_id="r1", duration_ms=0.25, outcome="ok")
    (row,) = await rows(logs)
    assert (row.level, row.message, row.duration_ms) == (
        LogLevel.DEBUG,
        "customer_created -> send ended: ok",
        0.25,
    )


async def test_a_condition_that_fails_is_a_warning_with_the_condition(logs, observer):
    observer.condition_failed(SUBSCRIPTION, KeyError("a"), request_id="r1")
    (row,) = await rows(logs)
    assert row.level is LogLevel.WARNING
    assert "KeyError: 'a'" in row.message
    assert row.message.endswith("it is: a > 1")


async def test_an_abandoned_thread_is_a_warning_under_the_plugins_name(logs, observer):
    logs.logger_for(7, "mailer", LogLevel.INFO)
    observer.abandoned(7, 3)
    (row,) = await rows(logs)
    assert (row.plugin_name, row.level) == ("mailer", LogLevel.WARNING)
    assert "3 so far" in row.message


async def test_an_error_that_cannot_be_printed_is_logged_all_the_same(logs, observer):
    class Unprintable(Exception):
        def __str__(self):
            raise SystemExit

    observer.failed(SUBSCRIPTION, Unprintable(), request_id="r1", duration_ms=None)
    assert "cannot be printed" in (await rows(logs))[0].message
