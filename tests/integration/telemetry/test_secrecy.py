"""No secret value ever reaches a log row, however a plugin writes it."""

import asyncio
import json

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from isp_plugins.contracts.hooks import Subscription
from isp_plugins.contracts.vocabulary import LogLevel, SubscriptionType
from isp_plugins.db.engine import Database
from isp_plugins.telemetry import LogFilters, LoggingObserver, PluginLogs
from isp_plugins.testing import FakeClock

secrets = st.text(
    st.characters(exclude_categories=("Cs", "Cc"), exclude_characters="*"), min_size=6, max_size=20
).filter(lambda text: len(text.strip()) >= 6)
SUBSCRIPTION = Subscription(
    id=1,
    plugin_id=7,
    plugin_name="p",
    hook="customer_created",
    type=SubscriptionType.ACTION,
    method="send",
    condition="a > 1",
)


@pytest.fixture
def in_database(sqlite_url):
    def run(example):
        async def work():
            database = await Database.open(sqlite_url)
            try:
                await example(database)
            finally:
                await database.close()

        asyncio.run(work())

    return run


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(secret=secrets, nested=secrets, around=st.text(st.characters(exclude_characters="*"), max_size=10))
def test_no_secret_reaches_a_row(in_database, secret, nested, around):
    async def example(database):
        logs = PluginLogs(database, node="n1", clock=FakeClock(), queue_size=1000, flush_interval=60)
        await logs.open()
        logs.set_masks(7, frozenset({secret, nested}))
        logger = logs.logger_for(7, "p", LogLevel.DEBUG)
        logger.info(f"{around}{secret}{around}")  # noqa: G004  as careless plugins write
        logger.info("%s %r %s", secret, {"password": nested}, json.dumps([secret, nested]))
        logger.getChild("child").warning(secret, stack_info=True)
        observer = LoggingObserver(logs)
        try:
            raise ValueError(nested) from RuntimeError(secret)
        except ValueError as error:
            logger.exception(secret)
            observer.failed(SUBSCRIPTION, error, request_id=secret, duration_ms=None)
            observer.condition_failed(SUBSCRIPTION, error, request_id="r")
        observer.invoked(SUBSCRIPTION, request_id="r", duration_ms=1.0, outcome=secret)
        await logs.close()
        assert logs.dropped == 0
        page = await logs.page(LogFilters(plugin_id=7), 1, 200)
        for row in page.items:
            for field in (row.message, row.traceback or "", row.request_id or "", row.hook or ""):
                assert not any(it in part for it in (secret, nested) for part in field.split("********"))

    in_database(example)
