"""The queue in front of the database is bounded and shared fairly, and what it drops is counted."""

import threading

from hypothesis import given
from hypothesis import strategies as st

from isp_plugins.telemetry.buffer import LogBuffer


def row(message="m", plugin_id=1, level="INFO"):
    return {
        "plugin_id": plugin_id,
        "plugin_name": f"p{plugin_id}",
        "level": level,
        "message": message,
        "traceback": None,
    }


def messages(rows):
    return [it["message"] for it in rows]


def test_rows_come_out_in_order():
    buffer = LogBuffer(10)
    for number in range(5):
        buffer.put(row(str(number)))
    assert messages(buffer.take(3)) == ["0", "1", "2"]
    assert len(buffer) == 2


def test_rows_of_several_plugins_come_out_in_the_order_they_were_put():
    buffer = LogBuffer(10)
    for number in range(6):
        buffer.put(row(str(number), plugin_id=number % 3))
    assert messages(buffer.take(6)) == list("012345")


def test_what_does_not_fit_is_dropped_and_counted_per_plugin():
    buffer = LogBuffer(1)
    assert buffer.put(row())
    assert not buffer.put(row(plugin_id=2))
    assert not buffer.put(row(plugin_id=2))
    assert buffer.dropped == 2
    assert buffer.take_lost() == {(2, "p2"): 2}
    assert buffer.take_lost() == {}


def test_text_is_bounded_too():
    buffer = LogBuffer(1000, max_bytes=10_000)
    kept = sum(buffer.put(row("x" * 1000)) for _ in range(100))
    assert kept < 10
    buffer.take(1)
    assert buffer.put(row("x" * 1000))


def test_lost_rows_can_be_counted_again():
    buffer = LogBuffer(0)
    buffer.put(row())
    buffer.give_back_lost(buffer.take_lost())
    assert buffer.take_lost() == {(1, "p1"): 1}


def test_a_flood_leaves_the_others_their_share():
    buffer = LogBuffer(100)
    for number in range(1000):
        buffer.put(row(str(number), plugin_id=1))
    assert all(buffer.put(row(plugin_id=2)) for _ in range(50))
    assert not buffer.put(row(plugin_id=2))
    assert len(buffer) == 100
    assert buffer.take_lost() == {(1, "p1"): 950, (2, "p2"): 1}


def test_a_flood_loses_its_newest_rows():
    buffer = LogBuffer(4)
    for number in range(4):
        buffer.put(row(str(number), plugin_id=1))
    buffer.put(row("other", plugin_id=2))
    assert messages(buffer.take(4)) == ["0", "1", "2", "other"]


def test_a_flood_of_details_leaves_room_for_the_plugins_own_errors():
    buffer = LogBuffer(10)
    for _ in range(100):
        buffer.put(row(level="DEBUG"))
    assert buffer.put(row("error", level="ERROR"))
    assert "error" in messages(buffer.take(10))


def test_large_texts_of_one_plugin_leave_the_others_their_share():
    buffer = LogBuffer(1000, max_bytes=100_000)
    for _ in range(200):
        buffer.put(row("x" * 1000, plugin_id=1))
    assert all(buffer.put(row("y", plugin_id=2)) for _ in range(20))


def test_a_quiet_plugin_is_in_the_next_batch():
    buffer = LogBuffer(1000)
    for number in range(1000):
        buffer.put(row(str(number), plugin_id=1))
    buffer.put(row("quiet", plugin_id=2))
    batch = messages(buffer.take(100))
    assert "quiet" in batch
    assert len(batch) == 100


def test_a_gate_is_shut_while_rows_are_refused_and_counts_what_was_not_made():
    buffer = LogBuffer(1)
    gate = buffer.gate(1, "p1")
    buffer.put(row())
    assert gate.admits(serious=False)
    buffer.put(row())
    assert not gate.admits(serious=False)
    assert gate.admits(serious=True)
    assert buffer.take_lost() == {(1, "p1"): 2}
    buffer.take(1)
    assert gate.admits(serious=False)


def test_numbers_tell_whether_what_was_put_before_still_waits():
    buffer = LogBuffer(10)
    buffer.put(row())
    until = buffer.last
    buffer.put(row())
    assert buffer.holds_before(until)
    buffer.take(1)
    assert not buffer.holds_before(until)


def test_many_threads_lose_nothing_uncounted():
    buffer = LogBuffer(500)
    kept = []

    def write(plugin_id):
        kept.append(sum(buffer.put(row(plugin_id=plugin_id)) for _ in range(300)))

    threads = [threading.Thread(target=write, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(buffer) == 500
    assert buffer.dropped == 700


def test_a_finalizer_that_logs_while_a_row_is_put_does_not_deadlock():
    buffer = LogBuffer(10)

    class Nested(dict):
        def __getitem__(self, key):
            if key == "message":
                buffer.put(row("from the finalizer"))
            return super().__getitem__(key)

    buffer.put(Nested(row()))
    assert len(buffer) >= 2


PUTS = st.lists(
    st.tuples(st.integers(1, 4), st.sampled_from(["INFO", "ERROR"]), st.integers(0, 600)), max_size=80
)


@given(PUTS, st.integers(0, 12), st.integers(1, 9))
def test_whatever_is_put_is_taken_or_counted_and_never_too_much(puts, capacity, most):
    buffer = LogBuffer(capacity, max_bytes=6_000)
    taken = []
    for number, (plugin_id, level, size) in enumerate(puts):
        buffer.put(row("x" * size, plugin_id, level))
        assert len(buffer) <= capacity
        if number % 7 == 6:
            taken += buffer.take(most)
    taken += buffer.take(1000)
    assert len(buffer) == 0
    assert len(taken) + sum(buffer.take_lost().values()) == len(puts)
