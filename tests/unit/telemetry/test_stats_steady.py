"""Steady time: minutes go forward whatever the wall clock does, and are named as it goes now."""

from datetime import timedelta

import pytest

from isp_plugins.telemetry.stats.steady import SteadyTime
from isp_plugins.testing import FakeClock


@pytest.mark.parametrize("jump", [timedelta(days=100), timedelta(hours=-5), timedelta(minutes=3)])
def test_a_jump_moves_no_minute_but_its_name(clock: FakeClock, jump):
    time = SteadyTime(clock)
    before = time.minute
    clock.set_wall(clock.now() + jump)
    assert time.minute == before
    assert time.moment_of(before) == clock.now()
    assert time.minute_of(time.label_of(before)) == before


def test_a_minute_lasts_sixty_seconds(clock: FakeClock):
    time = SteadyTime(clock)
    before = time.minute
    clock.advance(59.9)
    assert time.minute == before
    clock.advance(0.1)
    assert time.minute == before + 1
