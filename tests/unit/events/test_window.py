"""Which events of a subscription may be delivered now: order per key, keys side by side, nothing forgotten."""

import random

from hypothesis import given
from hypothesis import strategies as st

from isp_plugins.events.window import Item, Window, lane_of


def items(*pairs):
    return [Item(number, lane_of(key, number)) for number, key in pairs]


def ready(window):
    found = []
    while (item := window.next()) is not None:
        found.append(item.id)
    return found


def test_events_of_one_key_come_one_after_the_other():
    window = Window(0)
    window.load(items((1, "a"), (2, "a"), (3, "b")), 3)
    assert ready(window) == [1, 3]
    window.settle(1)
    assert ready(window) == [2]


def test_events_without_a_key_come_side_by_side():
    window = Window(0)
    window.load(items((1, None), (2, None)), 2)
    assert ready(window) == [1, 2]


def test_position_stands_before_the_first_that_is_not_settled():
    window = Window(0)
    window.load(items((2, "a"), (5, "b")), 9)
    assert (window.position, ready(window)) == (1, [2, 5])
    window.settle(5)
    assert (window.position, window.done) == (1, [5])
    window.settle(2)
    assert (window.position, window.done) == (9, [])


def test_failing_event_holds_back_only_its_key():
    window = Window(0)
    window.load(items((1, "a"), (2, "a"), (3, "b")), 3)
    ready(window)
    assert [item.id for item in window.park(1)] == [2]
    window.settle(3)
    assert window.position == 3
    assert [item.id for item in window.load(items((4, "a"), (5, "b")), 5)] == [4]
    assert ready(window) == [5]


def test_parked_key_goes_on_once_everything_of_it_is_settled():
    window = Window(0, parked=[(lane_of("a", 0), 2)])
    assert window.unpark(lane_of("a", 0))
    assert not window.unpark(lane_of("a", 0))
    assert window.load(items((1, "a")), 1) == []
    assert ready(window) == [1]


def test_held_event_waits_for_its_release_and_its_key_with_it():
    window = Window(0)
    window.load(items((1, "a"), (2, "a"), (3, "b")), 3, held=[1])
    assert ready(window) == [3]
    window.release(1)
    assert ready(window) == [1]


def test_held_event_behind_another_is_not_begun_before_its_release():
    window = Window(0)
    window.load(items((1, "a"), (2, "a")), 2, held=[2])
    assert ready(window) == [1]
    window.settle(1)
    assert ready(window) == []
    window.release(2)
    assert ready(window) == [2]


def test_attempt_that_did_not_take_place_comes_first_again():
    window = Window(0)
    window.load(items((1, "a"), (2, "b")), 2)
    window.back(window.next().id)
    assert ready(window) == [1, 2]


def test_what_was_settled_before_is_not_delivered_again():
    window = Window(3, done=[5])
    window.load(items((4, "a"), (5, "b"), (6, "a")), 6)
    assert ready(window) == [4]
    window.settle(4)
    assert (window.position, ready(window)) == (5, [6])


@given(
    keys=st.lists(st.sampled_from(["a", "b", "c", None]), max_size=40),
    seed=st.integers(0, 2**32),
)
def test_every_event_is_settled_once_and_in_order_of_its_key(keys, seed):
    """Random loads, holds, failures and retries against the obvious model: a queue for each key."""
    draw = random.Random(seed)
    events = items(*enumerate(keys, 1))
    window, settled, running, loaded = Window(0), [], [], 0
    held, parked = set(), {}

    def park(item):
        parked.setdefault(item.lane, []).append(item)

    while loaded < len(events) or running or parked or window.unsettled:
        step = draw.random()
        if step < 0.3 and loaded < len(events):
            upto = draw.randint(loaded + 1, len(events))
            fresh = events[loaded:upto]
            holding = {item.id for item in fresh if draw.random() < 0.2}
            held |= holding
            for item in window.load(fresh, upto, holding):
                held.discard(item.id)
                park(item)
            loaded = upto
        elif step < 0.5 and held:
            one = draw.choice(sorted(held))
            held.discard(one)
            window.release(one)
        elif step < 0.7 and (item := window.next()):
            assert item.id not in held
            running.append(item)
        elif step < 0.9 and running:
            item = running.pop(draw.randrange(len(running)))
            fate = draw.random()
            if fate < 0.2:
                window.back(item.id)
            elif fate < 0.5:
                behind = window.park(item.id)
                for one in (item, *behind):
                    held.discard(one.id)
                    park(one)
            else:
                window.settle(item.id)
                settled.append(item)
        elif parked:
            lane = draw.choice(sorted(parked))
            settled.append(parked[lane].pop(0))
            more = window.unpark(lane)
            assert more == bool(parked[lane])
            if not more:
                del parked[lane]
        unsettled = {item.id for item in events[:loaded]} - {item.id for item in settled}
        waiting = unsettled - {item.id for lane in parked.values() for item in lane}
        assert window.position < min(waiting, default=loaded + 1)
    assert sorted(item.id for item in settled) == list(range(1, len(events) + 1))
    for lane in {item.lane for item in events}:
        of_lane = [item.id for item in settled if item.lane == lane]
        assert of_lane == sorted(of_lane)
    assert (window.position, window.done) == (window.end, [])
