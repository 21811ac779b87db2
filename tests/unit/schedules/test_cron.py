"""Which slot is due."""

from datetime import UTC, datetime, timedelta

import pytest

from isp_plugin_sdk import PluginInterface, schedule
from isp_plugin_sdk.errors import DeclarationInvalidError
from isp_plugin_sdk.schedules import schedules
from isp_plugins.schedules.cron import due, next_after, problem_of

NOON = datetime(2030, 1, 1, 12, tzinfo=UTC)


def test_nothing_is_due_before_the_next_slot():
    assert due("0 * * * *", NOON, NOON + timedelta(minutes=59)) is None


def test_newest_slot_is_due_and_the_missed_ones_are_counted():
    assert due("0 * * * *", NOON, NOON + timedelta(hours=5, minutes=3)) == (NOON + timedelta(hours=5), 4)


def test_long_outage_costs_no_time():
    slot, missed = due("* * * * *", NOON, NOON + timedelta(days=365))
    assert (slot, missed) == (NOON + timedelta(days=365), 10_000)


def test_clock_that_jumped_back_makes_nothing_due():
    assert due("0 * * * *", NOON, NOON - timedelta(days=1)) is None


def test_next_is_after():
    assert next_after("0 0 * * *", NOON) == datetime(2030, 1, 2, tzinfo=UTC)


@pytest.mark.parametrize("cron", ["", "* * *", "61 * * * *", "0 0 30 2 *", "often"])
def test_what_cannot_be_read_is_told(cron):
    assert problem_of(cron)


class Plugin(PluginInterface):
    def initialize(self):
        return True

    @schedule("0 3 * * *")
    @schedule("*/5 * * * *")
    def tidy(self, slot):
        return slot


def test_class_declares_schedules():
    assert [(one.method, one.cron) for one in schedules(Plugin)] == [
        ("tidy", "0 3 * * *"),
        ("tidy", "*/5 * * * *"),
    ]


@pytest.mark.parametrize("cron", ["hourly", "* * *", 5, "* * * * !"])
def test_decorator_refuses_what_is_no_expression(cron):
    with pytest.raises(DeclarationInvalidError, match="five fields"):
        schedule(cron)
