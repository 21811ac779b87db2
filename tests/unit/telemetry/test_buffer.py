"""The queue in front of the database is bounded, and what it drops is counted."""

import threading

from isp_plugins.telemetry.buffer import LogBuffer


def row(message="m", plugin_id=1):
    return {"plugin_id": plugin_id, "plugin_name": f"p{plugin_id}", "message": message, "traceback": None}


def test_rows_come_out_in_order():
    buffer = LogBuffer(10)
    for number in range(5):
        buffer.put(row(str(number)))
    assert [it["message"] for it in buffer.take(3)] == ["0", "1", "2"]
    assert len(buffer) == 2


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


def test_many_threads_lose_nothing_uncounted():
    buffer = LogBuffer(500)
    kept = []

    def write():
        kept.append(sum(buffer.put(row()) for _ in range(300)))

    threads = [threading.Thread(target=write) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sum(kept) == len(buffer) == 500
    assert buffer.dropped == 700


def test_a_finalizer_that_logs_while_a_row_is_put_does_not_deadlock():
    buffer = LogBuffer(10)

    class Nested(dict):
        def __getitem__(self, key):
            if key == "plugin_id":
                buffer.put(row("from the finalizer"))
            return super().__getitem__(key)

    buffer.lose([Nested(row())])
    assert len(buffer) == 1
