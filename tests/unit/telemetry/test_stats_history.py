"""One node's last day in memory: the windows hold what they must, for any run of minutes."""

from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from isp_plugins.telemetry.stats.history import History
from isp_plugins.telemetry.stats.tally import Key, Tally, pack, unpack
from isp_plugins.telemetry.stats.windows import Window

KEY = Key(1, "customer_created", "action", "listen")
START = 30_000_000


def minute_of(calls):
    return pack({KEY: Tally(calls=calls)})


def calls(history, window):
    return sum(tally.calls for _, tally in history.items(window))


def test_a_packed_frame_is_what_was_packed():
    tally = Tally(3, 1, 1, 1, 2, {"own_echo": 4})
    tally.durations.observe([0.001, 0.002, 0.001])
    assert dict(unpack(pack({KEY: tally}))) == {KEY: tally}


def test_a_minute_leaves_each_window_when_it_is_too_old():
    history = History()
    history.add_minute(START, minute_of(7))
    for minutes, wanted in (
        (5, [7, 7, 7]),
        (6, [0, 7, 7]),
        (60, [0, 7, 7]),
        (61, [0, 0, 7]),
        (25 * 60 + 60, [0, 0, 0]),
    ):
        history.advance(START + minutes)
        assert [calls(history, window) for window in Window] == wanted


def test_an_hour_of_the_store_counts_in_the_day_alone():
    history = History()
    history.add_hour(START // 60, minute_of(9))
    assert [calls(history, window) for window in Window] == [0, 0, 9]


def test_a_deleted_plugin_is_forgotten():
    history = History()
    history.add_minute(START, minute_of(7))
    history.advance(START + 70)
    history.add_minute(START + 70, minute_of(2))
    history.forget([1])
    history.advance(START + 3000)
    assert [dict(history.items(window)) for window in Window] == [{}, {}, {}]


@given(st.lists(st.tuples(st.integers(0, 200), st.integers(1, 5)), max_size=60))
def test_windows_hold_exactly_the_minutes_that_are_young_enough(steps):
    history, minute, seen = History(), START, Counter()
    for pause, count in steps:
        minute += pause
        history.advance(minute)
        history.add_minute(minute, minute_of(count))
        seen[minute] += count
        oldest = {
            Window.FIVE_MINUTES: minute - 5,
            Window.HOUR: minute - 60,
            Window.DAY: (minute // 60 - 24) * 60,
        }
        for window, first in oldest.items():
            assert calls(history, window) == sum(n for when, n in seen.items() if when >= first)
