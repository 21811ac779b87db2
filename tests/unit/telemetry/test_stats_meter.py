"""Differences of running counts are exact, never negative, and survive counters that begin anew."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from isp_plugins.contracts.statistics import Measured
from isp_plugins.telemetry.stats.meter import Meter
from isp_plugins.telemetry.stats.tally import Tally, of_dispatches
from support.counting import FakeEngine


@pytest.fixture
def engine():
    return FakeEngine()


def read(meter, engine):
    return {added.key: added.tally for added in meter.read(engine.measure())}


def listen(found):
    return next(tally for key, tally in found.items() if key.plugin_id)


def test_what_stood_still_is_not_told(engine):
    meter = Meter()
    engine.called()
    read(meter, engine)
    assert read(meter, engine) == {}


@given(
    st.lists(
        st.fixed_dictionaries(
            {"calls": st.integers(0, 9), "errors": st.integers(0, 9), "rejects": st.integers(0, 9)}
        )
    )
)
def test_differences_add_up_to_what_was_counted(steps):
    engine, meter, total = FakeEngine(), Meter(), Tally()
    for step in steps:
        engine.called(**step)
        for key, tally in read(meter, engine).items():
            if key.plugin_id:
                total.add(tally)
    for name in ("calls", "errors", "rejects"):
        assert getattr(total, name) == sum(step[name] for step in steps)


def test_counters_that_begin_anew_are_counted_from_zero(engine):
    meter = Meter()
    engine.called(calls=100)
    read(meter, engine)
    engine.begin_anew()
    engine.called(calls=3)
    assert listen(read(meter, engine)).calls == 3


def test_a_call_that_turned_out_to_be_skipped_is_taken_off_what_follows(engine):
    meter = Meter()
    engine.called(calls=5)
    seen = engine.measure()
    list(meter.read(seen))
    one_less = [one._replace(calls=4) for one in seen.subscriptions]
    assert list(meter.read(Measured(one_less, seen.dispatches))) == []
    two_more = [one._replace(calls=6) for one in seen.subscriptions]
    added = list(meter.read(Measured(two_more, seen.dispatches)))
    assert [one.tally.calls for one in added] == [1]


def test_skips_are_told_by_reason(engine):
    meter = Meter()
    engine.called(calls=0, skips={"condition_false": 2, "own_echo": 1})
    assert listen(read(meter, engine)).skips == {"condition_false": 2, "own_echo": 1}


def test_dispatches_of_a_hook_are_counted_apart(engine):
    meter = Meter()
    engine.called(calls=4)
    assert read(meter, engine)[of_dispatches("customer_created")].calls == 4


def test_an_error_is_told_once(engine):
    meter = Meter()
    engine.called(errors=1, error="ValueError: no", failed_at=7.0)
    first = next(added for added in meter.read(engine.measure()) if added.key.plugin_id)
    engine.called()
    second = next(added for added in meter.read(engine.measure()) if added.key.plugin_id)
    assert first.last.error == "ValueError: no"
    assert second.last.error is None
