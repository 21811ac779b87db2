"""Events in memory: bounded, in order, delivered on the loop, whatever thread offered them."""

import asyncio
import threading

import pytest

from isp_plugins.contracts.hooks import Event
from isp_plugins.contracts.vocabulary import SkipReason
from isp_plugins.events import MemoryEvents
from support.waiting import until


class Receiver:
    """Takes deliveries; may be held, may fail."""

    def __init__(self):
        self.payloads, self.go, self.fails = [], asyncio.Event(), False
        self.go.set()

    async def deliver(self, event):
        await self.go.wait()
        self.payloads.append(event.payload)
        if self.fails:
            raise RuntimeError("broken")


def numbered(*numbers):
    return [Event(1, "own_hook", number, "r1") for number in numbers]


async def test_events_are_delivered_in_order():
    events, receiver = MemoryEvents(100), Receiver()
    await events.open(receiver)
    assert list(events.offer(numbered(*range(50)))) == [None] * 50
    assert await events.drain(5)
    assert receiver.payloads == list(range(50))
    assert await events.close() == 0


async def test_what_does_not_fit_is_counted_and_told():
    events = MemoryEvents(2)
    assert list(events.offer(numbered(1, 2, 3))) == [None, None, SkipReason.QUEUE_FULL]
    assert (events.dropped, events.waiting) == (1, 2)


async def test_events_offered_before_opening_are_delivered():
    events, receiver = MemoryEvents(10), Receiver()
    events.offer(numbered(1))
    await events.open(receiver)
    assert await events.drain(5)
    assert receiver.payloads == [1]
    await events.close()


async def test_events_offered_by_other_threads_are_delivered():
    events, receiver = MemoryEvents(10_000), Receiver()
    await events.open(receiver)
    threads = [
        threading.Thread(target=lambda: [events.offer(numbered(n)) for n in range(200)]) for _ in range(4)
    ]
    for thread in threads:
        thread.start()
    await until(lambda: len(receiver.payloads) == 800)
    for thread in threads:
        thread.join()
    await events.close()


async def test_failing_delivery_disturbs_no_other(caplog):
    events, receiver = MemoryEvents(10), Receiver()
    receiver.fails = True
    await events.open(receiver)
    events.offer(numbered(1, 2))
    assert await events.drain(5)
    assert receiver.payloads == [1, 2]
    assert "could not be delivered" in caplog.text
    await events.close()


async def test_drain_tells_when_time_is_up():
    events, receiver = MemoryEvents(10), Receiver()
    receiver.go.clear()
    await events.open(receiver)
    events.offer(numbered(1, 2))
    assert not await events.drain(0.01)
    assert await events.close(drain_timeout=0.01) == 1


@pytest.mark.parametrize("rounds", [3])
async def test_idle_queue_takes_up_work_again(rounds):
    events, receiver = MemoryEvents(10), Receiver()
    await events.open(receiver)
    for number in range(rounds):
        events.offer(numbered(number))
        assert await events.drain(5)
    assert (receiver.payloads, events.delivered) == ([0, 1, 2], 3)
    await events.close()
