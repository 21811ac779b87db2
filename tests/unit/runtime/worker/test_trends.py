"""Trends: what is worth a warning although no limit is breached."""

from hypothesis import given
from hypothesis import strategies as st

from isp_plugins.contracts.worker import ResourceUse
from isp_plugins.runtime.worker.resources import MIB, Limit, LimitSource, Resource
from isp_plugins.runtime.worker.trends import (
    CRASHES_TOLD_S,
    FLOODS_TOLD_S,
    INTERVALS,
    Floods,
    Sample,
    Thresholds,
    crashes,
    crowded,
    sampled,
    warnings_of,
)

ALL = Thresholds()
FILES = Limit(Resource.OPEN_FILES, 1000, LimitSource.OPERATOR)


def samples(
    count: int, *, cpu: float = 0.0, memory: float = 0.0, files: int = 10, every: float = 2.0
) -> list[Sample]:
    """Samples of a worker that uses so much of a core, and so many more bytes, in a second."""
    found: list[Sample] = []
    for number in range(count):
        at = number * every
        use = ResourceUse(at * cpu, 50 * MIB + int(at * memory), files, 5)
        found.append(sampled(at, use, found[-1] if found else None))
    return found


def test_one_that_burns_a_core_is_named_after_eight_seconds_at_most() -> None:
    assert warnings_of(samples(INTERVALS, cpu=0.98), (), ALL) == ()
    found = samples(INTERVALS + 1, cpu=0.98)
    assert warnings_of(found, (), ALL) == ("its worker uses 98 % of a core",)
    assert found[-1].at + 2.0 <= 8.0


def test_on_a_crowded_machine_a_good_part_of_a_core_is_named() -> None:
    alone, among_many = samples(INTERVALS + 1, cpu=0.3), list[Sample]()
    for one in alone:
        among_many.append(sampled(one.at, one.use, among_many[-1] if among_many else None, is_crowded=True))
    assert warnings_of(alone, (), ALL) == ()
    (warning,) = warnings_of(among_many, (), ALL)
    assert warning == "its worker uses 30 % of a core, and the machine has none to spare"


def test_machine_is_crowded_where_next_to_nothing_was_idle() -> None:
    assert crowded((1000, 500), (1400, 510))
    assert not crowded((1000, 500), (1400, 550))
    assert not crowded(None, (1400, 510))
    assert not crowded((1400, 510), (1400, 510))


def test_one_that_leaks_is_named_with_its_rate() -> None:
    found = warnings_of(samples(INTERVALS + 1, memory=10 * MIB), (), ALL)
    assert found == ("its worker's memory grows by 10 MiB/s",)


def test_one_that_loads_its_data_and_stops_is_not_named() -> None:
    growing = samples(3, memory=30 * MIB)
    assert warnings_of([*growing, sampled(6.0, growing[-1].use, growing[-1])], (), ALL) == ()


def test_one_that_is_near_a_limit_is_named() -> None:
    found = warnings_of(samples(INTERVALS + 1, files=950), (FILES,), ALL)
    assert found == ("its worker uses 950 open files of the 1,000 allowed",)


def test_idle_one_is_not_named() -> None:
    assert warnings_of(samples(10), (FILES,), ALL) == ()


def test_what_the_system_does_not_tell_warns_of_nothing() -> None:
    unknown = [Sample(float(at), ResourceUse()) for at in range(5)]
    assert warnings_of(unknown, (FILES,), ALL) == ()


@given(st.lists(st.floats(0, 4), min_size=INTERVALS + 1, max_size=20))
def test_warning_of_a_busy_one_needs_every_interval_to_be_busy(steps: list[float]) -> None:
    found: list[Sample] = []
    used = 0.0
    for number, step in enumerate(steps):
        used += step
        found.append(sampled(number * 2.0, ResourceUse(cpu_s=used), found[-1] if found else None))
    busy = all(step / 2.0 * 100 >= ALL.busy_percent for step in steps[-INTERVALS:])
    near = any(abs(step / 2.0 * 100 - ALL.busy_percent) < 1e-6 for step in steps[-INTERVALS:])
    assert near or bool(warnings_of(found, (), ALL)) is busy


def test_processor_time_is_never_negative_and_needs_two_samples() -> None:
    first = sampled(1.0, ResourceUse(cpu_s=5.0), None)
    assert first.cpu_percent is None
    assert sampled(2.0, ResourceUse(cpu_s=4.0), first).cpu_percent == 0.0
    assert sampled(1.0, ResourceUse(cpu_s=6.0), first).cpu_percent is None


def test_flood_is_named_while_the_worker_is_slowed_down_and_a_moment_longer() -> None:
    floods = Floods().after({"log": 0}, 0.0)
    assert floods.warnings(0.0) == ()
    floods = floods.after({"log": 7}, 2.0)
    assert floods.warnings(2.0) == ("its worker floods its log, and was slowed down 7 times",)
    floods = floods.after({"log": 7}, 4.0)
    assert floods.warnings(11.9) != ()
    assert floods.warnings(2.0 + FLOODS_TOLD_S) == ()


def test_crashes_are_counted_with_the_time_that_they_took() -> None:
    assert crashes([1.0, 3.0, 6.0], 7.0) == "its worker crashed 3 times in 5 s"
    assert crashes([6.0], 7.0) == "its worker crashed once in the last minute"


@given(st.lists(st.floats(0, 1000), max_size=20).map(sorted), st.floats(0, 200))
def test_crashes_are_told_for_a_minute_and_no_longer(moments: list[float], later: float) -> None:
    now = (moments[-1] if moments else 0.0) + later
    recent = [moment for moment in moments if now - moment < CRASHES_TOLD_S]
    assert (crashes(moments, now) is not None) is bool(recent)
