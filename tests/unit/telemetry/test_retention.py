"""Whose log records go next, and when the clock is believed."""

from datetime import timedelta

import pytest

from isp_plugins.telemetry.retention import BATCH, LARGE_BATCH, LogLimits, SteadyClock, batch_of, excess
from isp_plugins.telemetry.usage import PluginUsage

HOUR = 3600


def usage(plugin_id, records, size):
    return PluginUsage(
        plugin_id=plugin_id,
        plugin_name=f"p{plugin_id}",
        records=records,
        bytes=size,
        written=records,
        dropped=0,
        deleted_by_age=0,
        deleted_by_size=0,
    )


@pytest.mark.parametrize(
    ("records", "size", "expected"),
    [(0, 0, None), (100, 0, None), (50, 0, 2), (0, 1000, None), (0, 999, 1), (50, 10, 2)],
)
def test_too_many_records_go_first_then_those_of_whoever_holds_most(records, size, expected):
    usages = [usage(1, 10, 900), usage(2, 60, 100)]
    found = excess(usages, LogLimits(days=0, records=records, bytes=size))
    assert (found.plugin_id if found else None) == expected


@pytest.mark.parametrize(
    ("records", "limit", "expected"),
    [(1001, 1000, 1), (1101, 1000, 101), (3000, 1000, LARGE_BATCH), (100_500, 100_000, BATCH)],
)
def test_few_go_at_once_unless_a_flood_outruns_it(records, limit, expected):
    limits = LogLimits(days=0, records=limit, bytes=0)
    assert batch_of(usage(1, records, 0), [usage(1, records, 0)], limits) == expected


@pytest.mark.parametrize(("size", "expected"), [(1001, BATCH), (1101, LARGE_BATCH)])
def test_the_same_holds_for_the_size_over_all(size, expected):
    limits = LogLimits(days=0, records=0, bytes=1000)
    assert batch_of(usage(1, 10, size), [usage(1, 10, size)], limits) == expected


def steady(clock, newest=None):
    made = SteadyClock(clock)
    made.begin(newest)
    return made


def test_a_clock_is_believed_at_the_start_of_an_empty_log(clock):
    assert steady(clock).is_steady()


@pytest.mark.parametrize(
    ("hours", "believed"), [(1, True), (-1, True), (23, True), (25, False), (-25, False)]
)
def test_at_the_start_the_newest_record_tells_whether_the_clock_is_believed(clock, hours, believed):
    assert steady(clock, clock.now() - timedelta(hours=hours)).is_steady() is believed


@pytest.mark.parametrize("jump_s", [3600 * 24 * 365, -3600, 61])
def test_a_jump_is_not_believed_until_an_hour_has_gone_evenly(clock, jump_s):
    watched = steady(clock)
    clock.set_wall(clock.now() + timedelta(seconds=jump_s))
    assert not watched.is_steady()
    clock.advance(HOUR - 1)
    assert not watched.is_steady()
    clock.advance(1)
    assert watched.is_steady()


def test_a_clock_that_is_corrected_little_by_little_is_believed(clock):
    watched = steady(clock)
    for _ in range(100):
        clock.advance(10)
        clock.set_wall(clock.now() + timedelta(seconds=5))
        assert watched.is_steady()
