"""Histograms of durations: percentiles within the stated error, adding and taking away exactly."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from isp_plugins.telemetry.stats.histogram import MAX_ERROR, Histogram

SECONDS = st.floats(min_value=1e-9, max_value=1000.0)
MANY = st.lists(SECONDS, min_size=1, max_size=300)


def histogram(durations):
    made = Histogram()
    made.observe(durations)
    return made


def exact(durations, fraction):
    return sorted(durations)[max(1, math.ceil(fraction * len(durations))) - 1]


def test_the_stated_error_is_below_five_percent():
    assert MAX_ERROR < 0.05


@given(MANY, st.sampled_from([0.0, 0.5, 0.95, 0.99, 1.0]))
def test_a_percentile_is_within_the_stated_error_of_the_exact_one(durations, fraction):
    wanted = exact(durations, fraction)
    assert histogram(durations).percentile(fraction) == pytest.approx(wanted, rel=MAX_ERROR + 1e-9)


@given(MANY, MANY)
def test_histograms_added_up_are_the_histogram_of_all(some, others):
    both = histogram(some)
    both.add(histogram(others))
    assert both == histogram([*some, *others])


@given(MANY, MANY)
def test_what_was_added_can_be_taken_away(some, others):
    both = histogram([*some, *others])
    both.add(histogram(others), -1)
    assert both == histogram(some)


@given(MANY, st.integers(1, 50))
def test_weighing_every_duration_alike_moves_no_percentile(durations, times):
    heavy = Histogram()
    heavy.add(histogram(durations), times)
    assert heavy.percentile(0.5) == histogram(durations).percentile(0.5)
    assert heavy.total == times * len(durations)


@given(MANY)
def test_counts_below_a_power_of_two_are_exact(durations):
    powers = [10, 20, 30]
    nanoseconds = [seconds * 1e9 for seconds in durations]
    assert histogram(durations).up_to(powers) == [
        sum(math.log2(max(1, one)) * 8 < power * 8 for one in nanoseconds) for power in powers
    ]


def test_nothing_has_no_percentile():
    assert Histogram().percentile(0.5) is None


@pytest.mark.parametrize("seconds", [-1.0, 0.0, 1e-12, 1e9])
def test_what_no_bucket_fits_counts_in_the_outermost(seconds):
    assert histogram([seconds]).total == 1
