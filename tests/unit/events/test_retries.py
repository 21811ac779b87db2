"""What follows from a failed attempt."""

import pytest

from isp_plugin_sdk import RetryLater
from isp_plugins.contracts.hooks import Retry
from isp_plugins.events.retries import LONGEST_LATER_S, PATIENCE, Tried, due_in, later_of, pause

RETRY = Retry(min_s=1, max_s=60, attempts=5)


@pytest.mark.parametrize(("failures", "seconds"), [(1, 1), (2, 2), (3, 4), (4, 8)])
def test_pauses_double(failures, seconds):
    assert pause(RETRY, Tried(failures, failures), None, 0.0) == seconds


def test_pause_has_a_longest():
    assert pause(Retry(1, 5, 100), Tried(50, 50), None, 0.0) == 5


def test_jitter_takes_at_most_a_fifth():
    assert pause(RETRY, Tried(1, 1), None, 1.0) == pytest.approx(0.8)


def test_last_attempt_that_fails_makes_a_dead_letter():
    assert pause(RETRY, Tried(5, 5), None, 0.0) is None


def test_retry_later_is_the_plugins_own_pause_and_does_not_count():
    tried = Tried(4, 4).after(later_of(RetryLater(90)))
    assert (tried, pause(RETRY, tried, 90.0, 0.5)) == (Tried(5, 4), 90.0)


def test_retry_later_has_bounds():
    assert pause(RETRY, Tried(1, 0), 1e12, 0.0) == LONGEST_LATER_S
    assert pause(RETRY, Tried(1, 0), -5.0, 0.0) == 0.0
    assert pause(RETRY, Tried(PATIENCE, 0), 1.0, 0.0) is None


def test_other_errors_ask_for_nothing():
    assert later_of(ValueError()) is None
    assert later_of(None) is None


@pytest.mark.parametrize(
    ("now", "seconds"), [(100.0, 10.0), (105.0, 5.0), (200.0, 0.0), (-1e9, 10.0), (1e12, 0.0)]
)
def test_clock_that_jumps_makes_no_retry_later_than_it_was_meant(now, seconds):
    assert due_in(110.0, 10.0, now) == seconds
