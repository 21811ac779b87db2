"""The token bucket, and the settings it comes from."""

import dataclasses

from isp_plugins.runtime.worker.limits import REPORT_S, Bucket, Tally, WorkerSettings, cost_of
from isp_plugins.settings import Settings


def test_a_second_s_worth_is_there_at_once_and_then_each_in_its_turn():
    bucket = Bucket(10.0)
    assert [bucket.try_take(0.0) for _ in range(11)] == [True] * 10 + [False]
    assert bucket.try_take(0.1)
    assert not bucket.try_take(0.1)


def test_what_comes_too_fast_is_told_how_long_to_wait():
    bucket = Bucket(2.0)
    assert [bucket.take(5.0) for _ in range(4)] == [0.0, 0.0, 0.5, 1.0]
    assert bucket.take(6.0) == 0.5


def test_bucket_holds_no_more_than_a_second_s_worth():
    bucket = Bucket(3.0)
    bucket.try_take(0.0)
    assert [bucket.try_take(1000.0) for _ in range(4)] == [True, True, True, False]


def test_defaults_are_those_of_the_settings(tmp_path):
    found = WorkerSettings.of(Settings(data_dir=tmp_path))
    assert dataclasses.asdict(found) == dataclasses.asdict(WorkerSettings())


def test_huge_message_costs_as_much_as_many_tiny_ones():
    assert [cost_of(size) for size in (0, 1023, 1024, 4 << 20)] == [1, 1, 2, 4097]


def test_what_costs_more_than_there_ever_is_takes_all():
    bucket = Bucket(5.0)
    assert bucket.try_take(0.0, 100)
    assert not bucket.try_take(0.0)
    assert not bucket.try_take(0.5, 100)
    assert bucket.try_take(10.0, 100)


def test_tally_counts_all_and_says_at_most_once_a_minute_how_many():
    tally = Tally()
    assert [tally.add(0.0), tally.add(1.0), tally.add(REPORT_S - 1)] == [1, 0, 0]
    assert (tally.add(REPORT_S), tally.total) == (3, 4)
