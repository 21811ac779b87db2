"""When a watched version is to go back, decided over counts and records."""

import pytest

from isp_plugins.lifecycle.trials import Budget, since

BUDGET = Budget(error_percent=5.0, min_calls=20)


@pytest.mark.parametrize(
    ("calls", "errors"), [(0, 0), (19, 19), (20, 0), (20, 1), (100, 5), (1_000_000, 50_000)]
)
def test_within_the_budget(calls, errors):
    assert BUDGET.breach(calls, errors) is None


@pytest.mark.parametrize(("calls", "errors"), [(20, 2), (100, 6), (1_000_000, 50_001)])
def test_beyond_the_budget_is_told_with_its_numbers(calls, errors):
    told = BUDGET.breach(calls, errors)
    assert told is not None
    assert f"{errors} of its first {calls} calls" in told
    assert "at most 5 %" in told


def test_counts_before_the_watch_do_not_count():
    assert since({1: (110, 3)}, {1: (100, 3)}) == (10, 0)


def test_counters_that_began_anew_count_in_full():
    assert since({2: (7, 1)}, {1: (100, 3)}) == (7, 1)
