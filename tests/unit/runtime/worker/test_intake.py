"""When the host pauses reading a worker, and that nothing of what came is lost or changes its order meanwhile."""

import asyncio
import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from isp_plugin_sdk.wire.framing import MessageTooLongError
from isp_plugins.runtime.worker.intake import Hold, Intake
from support.waiting import until


class Bench:
    """An intake of ten tokens a second."""

    def __init__(self, per_second=10.0):
        self.worked, self.turns, self.told = [], [], []
        self.on_line = lambda _line: None
        self.intake = Intake(
            self.work,
            max_bytes=100,
            per_second=per_second,
            turned=self.turns.append,
            flooded=self.told.append,
        )

    def work(self, line):
        self.worked.append(line)
        self.on_line(line)


@pytest.fixture
async def bench():
    return Bench()


async def test_lines_are_worked_off_at_once_in_their_order(bench):
    bench.intake.take(b"a\nb\n")
    assert (bench.worked, bench.turns) == ([b"a", b"b"], [])


async def test_held_lines_wait_and_come_before_those_that_come_later(bench):
    bench.intake.hold(Hold.CALLS, on=True)
    bench.intake.take(b"a\n")
    bench.intake.take(b"b\n")
    assert (bench.worked, bench.turns, bench.intake.open) == ([], [False], False)
    bench.intake.hold(Hold.CALLS, on=False)
    assert (bench.worked, bench.turns, bench.intake.open) == ([b"a", b"b"], [False, True], True)


async def test_line_that_holds_keeps_back_those_behind_it(bench):
    bench.on_line = lambda line: line == b"a" and bench.intake.hold(Hold.CALLS, on=True)
    bench.intake.take(b"a\nb\n")
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
    bench.intake.take(b"x\n" * 30)
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
    bench.intake.take(b"x\n" * 30)
    bench.intake.hold(Hold.CALLS, on=True)
    bench.intake.end()
    assert len(bench.worked) == 30
    bench.intake.hold(Hold.CALLS, on=True)
    assert bench.intake.open


async def test_what_is_dropped_is_never_worked_off(bench):
    bench.intake.hold(Hold.CALLS, on=True)
    bench.intake.take(b"a\n")
    bench.intake.drop()
    bench.intake.hold(Hold.CALLS, on=False)
    await asyncio.sleep(0)
    assert bench.worked == []


@given(
    st.lists(st.binary(min_size=1, max_size=40).map(lambda line: line.replace(b"\n", b".")), max_size=8),
    st.data(),
)
def test_however_the_bytes_come_the_lines_are_the_same(lines, data):
    """Also where a line comes in while another is worked off."""
    text = b"".join(line + b"\n" for line in lines)
    cuts = sorted(data.draw(st.lists(st.integers(0, len(text)), max_size=5)))
    chunks = [text[begin:end] for begin, end in itertools.pairwise([0, *cuts, len(text)])]

    async def feed():
        bench = Bench()
        for chunk in chunks:
            if chunk:
                bench.intake.take(chunk)
        return bench.worked

    assert asyncio.run(feed()) == lines


async def test_line_that_is_too_long_is_refused_however_it_comes(bench):
    with pytest.raises(MessageTooLongError):
        bench.intake.take(b"x" * 101 + b"\n")
    with pytest.raises(MessageTooLongError):
        Bench().intake.take(b"x" * 101)
    bench.intake.take(b"y" * 100 + b"\n")
    assert bench.worked == [b"y" * 100]
