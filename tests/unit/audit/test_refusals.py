"""Summing up refused authentications."""

from isp_plugins.audit.refusals import MAX_PLACES, OTHERS, RefusalCounter
from isp_plugins.testing import FakeClock


def test_one_source_in_one_minute_is_one_sum(clock: FakeClock) -> None:
    counter = RefusalCounter()
    for _ in range(59):
        counter.add("a", clock.now())
        clock.advance(1)
    assert [(source, count) for source, _, count in counter.take(None)] == [("a", 59)]


def test_sources_and_minutes_are_counted_apart(clock: FakeClock) -> None:
    counter = RefusalCounter()
    counter.add("a", clock.now())
    counter.add("b", clock.now())
    clock.advance(60)
    counter.add("a", clock.now())
    assert [source for source, _, _ in counter.take(None)] == ["a", "a", "b"]


def test_the_present_minute_is_left_to_grow(clock: FakeClock) -> None:
    counter = RefusalCounter()
    counter.add("a", clock.now())
    assert list(counter.take(clock.now())) == []
    clock.advance(60)
    assert [source for source, _, _ in counter.take(clock.now())] == ["a"]
    assert list(counter.take(None)) == []


def test_a_flood_of_sources_does_not_fill_the_memory(clock: FakeClock) -> None:
    counter = RefusalCounter()
    for number in range(2 * MAX_PLACES):
        counter.add(f"source {number}", clock.now())
    sums = {source: count for source, _, count in counter.take(None)}
    assert len(sums) == MAX_PLACES + 1
    assert sums[OTHERS] == MAX_PLACES
