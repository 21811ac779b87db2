"""When the host pauses reading a worker, and that nothing of what came is lost or changes its order meanwhile."""

import asyncio

import pytest

from isp_plugins.runtime.worker.intake import Hold, Intake
from support.waiting import until


class Bench:
    """An intake of ten tokens a second."""

    def __init__(self, per_second=10.0):
        self.worked, self.turns, self.told = [], [], []
        self.on_line = lambda _line: None
        self.intake = Intake(
            self.work, per_second=per_second, turned=self.turns.append, flooded=self.told.append
        )

    def work(self, line):
        self.worked.append(line)
        self.on_line(line)


@pytest.fixture
async def bench():
    return Bench()


async def test_lines_are_worked_off_at_once_in_their_order(bench):
    bench.intake.feed([b"a", b"b"])
    assert (bench.worked, bench.turns) == ([b"a", b"b"], [])


async def test_held_lines_wait_and_come_before_those_that_come_later(bench):
    bench.intake.hold(Hold.CALLS, on=True)
    bench.intake.feed([b"a"])
    bench.intake.feed([b"b"])
    assert (bench.worked, bench.turns, bench.intake.open) == ([], [False], False)
    bench.intake.hold(Hold.CALLS, on=False)
    assert (bench.worked, bench.turns, bench.intake.open) == ([b"a", b"b"], [False, True], True)


async def test_line_that_holds_keeps_back_those_behind_it(bench):
    bench.on_line = lambda line: line == b"a" and bench.intake.hold(Hold.CALLS, on=True)
    bench.intake.feed([b"a", b"b"])
    assert bench.worked == [b"a"]


async def test_reading_goes_on_only_when_nothing_holds_any_more(bench):
    bench.intake.hold(Hold.CALLS, on=True)
    bench.intake.hold(Hold.PAUSE, on=True)
    bench.intake.hold(Hold.CALLS, on=False)
    assert bench.turns == [False]
    bench.intake.hold(Hold.PAUSE, on=False)
    assert bench.turns == [False, True]


async def test_flood_pauses_the_intake_is_counted_and_told_once_a_minute(bench):
    bench.on_line = lambda line: bench.intake.charge(len(line))
    bench.intake.feed([b"x"] * 30)
    assert len(bench.worked) == 11
    assert (bench.turns, bench.intake.pauses.total, bench.told) == ([False], 1, [1])
    await until(lambda: len(bench.worked) == 30, within=60)
    assert bench.intake.pauses.total > 1
    assert bench.told == [1]


async def test_large_message_costs_as_much_as_many_small_ones(bench):
    bench.intake.charge(9 * 1024)
    assert bench.intake.open
    bench.intake.charge(1)
    assert not bench.intake.open


async def test_at_the_end_nothing_holds_any_more(bench):
    bench.on_line = lambda line: bench.intake.charge(len(line))
    bench.intake.feed([b"x"] * 30)
    bench.intake.hold(Hold.CALLS, on=True)
    bench.intake.end()
    assert len(bench.worked) == 30
    bench.intake.hold(Hold.CALLS, on=True)
    assert bench.intake.open


async def test_what_is_dropped_is_never_worked_off(bench):
    bench.intake.hold(Hold.CALLS, on=True)
    bench.intake.feed([b"a"])
    bench.intake.drop()
    bench.intake.hold(Hold.CALLS, on=False)
    await asyncio.sleep(0)
    assert bench.worked == []
