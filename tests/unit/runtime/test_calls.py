"""Calls under a deadline: what they end with, and what becomes of the overdue."""

import asyncio
import threading

import pytest

from isp_plugins.runtime.in_process.calls import Calls, Overdue, Raised, Returned
from support.runtime import PlainThreads

OWNER = 7


class BusyThreads:
    """No thread is free until the test says so."""

    def __init__(self):
        self.waiting = []
        self.abandoned = 0

    async def run(self, work, *, owner):
        self.waiting.append(work)
        await asyncio.Event().wait()

    def abandon(self, owner):
        self.abandoned += 1
        return self.abandoned


class BrokenThreads(BusyThreads):
    """Threads that cannot be had."""

    async def run(self, work, *, owner):
        raise RuntimeError("no threads any more")


@pytest.fixture
def calls():
    return Calls(PlainThreads(), OWNER)


async def test_value_of_a_plain_function_is_returned(calls):
    assert await calls.call(lambda word: word * 2, "x", deadline_s=5) == Returned("xx")


async def test_value_of_a_coroutine_function_is_returned(calls):
    assert await calls.call(asyncio.sleep, 0, "x", deadline_s=5) == Returned("x")


async def test_awaitable_that_a_plain_function_returns_is_awaited(calls):
    assert await calls.call(lambda: asyncio.sleep(0, "x"), deadline_s=5) == Returned("x")


@pytest.mark.parametrize(
    "kind", [ValueError, SystemExit, KeyboardInterrupt, GeneratorExit, asyncio.CancelledError]
)
async def test_whatever_is_raised_becomes_a_value(calls, kind):
    async def coroutine():
        raise kind

    def plain():
        raise kind

    for function in (coroutine, plain):
        ending = await calls.call(function, deadline_s=5)
        assert isinstance(ending, Raised)
        assert type(ending.error) is kind


async def test_call_that_waits_for_a_free_thread_is_called_off_and_not_counted():
    threads = BusyThreads()
    calls, ran = Calls(threads, OWNER), []
    assert await calls.call(lambda: ran.append(1), deadline_s=0.01) == Overdue(0.01)
    assert (threads.abandoned, calls.abandoned) == (0, 0)
    threads.waiting[0]()
    assert ran == []


async def test_running_call_is_abandoned_once(calls):
    release = threading.Event()
    assert await calls.call(release.wait, deadline_s=0.3) == Overdue(0.3)
    assert calls.abandoned == 1
    release.set()
    while calls.abandoned:
        await asyncio.sleep(0.001)


async def test_time_that_a_plain_function_took_is_taken_from_its_awaitable(calls):
    never = asyncio.Event()

    def plain():
        return never.wait()

    assert await calls.call(plain, deadline_s=0.02) == Overdue(0.02)


async def test_lack_of_threads_is_the_hosts_error_not_the_plugins():
    with pytest.raises(RuntimeError, match="no threads"):
        await Calls(BrokenThreads(), OWNER).call(lambda: None, deadline_s=5)


async def test_cancelled_caller_cancels_the_coroutine(calls):
    cancelled = asyncio.Event()

    async def coroutine():
        try:
            await asyncio.Event().wait()
        finally:
            cancelled.set()

    task = asyncio.create_task(calls.call(coroutine, deadline_s=60))
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    await asyncio.wait_for(cancelled.wait(), 60)
