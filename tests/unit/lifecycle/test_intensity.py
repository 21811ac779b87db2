"""Restart intensity: in no window more than so many restarts, and quarantine only where one more would be."""

from hypothesis import given
from hypothesis import strategies as st

from isp_plugins.lifecycle.intensity import Intensity, Restarts

LIMITS = Intensity(most=5, window_s=300.0)


def test_five_restarts_are_allowed_and_the_sixth_is_not() -> None:
    restarts = Restarts()
    for moment in range(5):
        assert restarts.allows(moment, 0.0, LIMITS)
        restarts = restarts.restarted(moment, LIMITS)
    assert not restarts.allows(5, 0.0, LIMITS)
    assert restarts.allows(5, 295.0, LIMITS)


def test_restarts_before_the_window_do_not_count() -> None:
    restarts = Restarts()
    for moment in range(5):
        restarts = restarts.restarted(moment, LIMITS)
    assert restarts.count(299.0, LIMITS) == 5
    assert restarts.count(304.0, LIMITS) == 0
    assert restarts.total == 5


def test_on_trial_nothing_is_allowed_until_the_window_is_over() -> None:
    restarts = Restarts().on_trial(100.0, LIMITS)
    assert not restarts.allows(399.9, 60.0, LIMITS)
    assert restarts.allows(400.0, 0.0, LIMITS)


failing = st.lists(st.tuples(st.floats(0.0, 120.0), st.floats(0.5, 60.0)), min_size=1, max_size=60)
"""When something goes wrong after the last restart, and the pause that would follow."""


@given(failing, st.integers(0, 6))
def test_no_window_has_more_restarts_than_allowed(steps: list[tuple[float, float]], most: int) -> None:
    limits = Intensity(most, 300.0)
    now, restarts, done = 0.0, Restarts(), list[float]()
    for works_s, pause_s in steps:
        now += works_s
        allowed = restarts.allows(now, pause_s, limits)
        inside = [moment for moment in done if moment > now + pause_s - limits.window_s]
        assert allowed == (len(inside) < most)
        if not allowed:
            break
        now += pause_s
        restarts = restarts.restarted(now, limits)
        done.append(now)
    for last in done:
        assert sum(last - limits.window_s < moment <= last for moment in done) <= most
