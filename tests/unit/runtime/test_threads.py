"""Daemon threads: reused, bounded, under the caller's context, abandoned when overdue and then counted against their plugin."""

import asyncio
import contextlib
import threading
from contextvars import ContextVar

import pytest

from isp_plugins.runtime.threads import DaemonThreads
from support.waiting import until

COLOUR: ContextVar[str] = ContextVar("colour", default="none")


async def overdue(threads, event, owner):
    """Start work that waits for the event, and give it up once it runs."""
    started = threading.Event()

    def work():
        started.set()
        event.wait(60)

    task = asyncio.create_task(threads.run(work, owner=owner))
    await until(started.is_set)
    task.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await task


async def test_work_runs_in_a_daemon_thread_and_returns():
    thread = await DaemonThreads(2).run(threading.current_thread, owner=1)
    assert thread.daemon
    assert thread is not threading.current_thread()


async def test_thread_is_reused():
    threads = DaemonThreads(4)
    assert len({await threads.run(threading.get_ident, owner=1) for _ in range(10)}) == 1


async def test_context_variables_come_along():
    COLOUR.set("red")
    assert await DaemonThreads(1).run(COLOUR.get, owner=1) == "red"


@pytest.mark.parametrize("error", [ValueError("no"), SystemExit(2), KeyboardInterrupt()])
async def test_any_exception_reaches_the_caller(error):
    def fail():
        raise error

    threads = DaemonThreads(1)
    task = asyncio.ensure_future(_caught(threads, fail))
    assert await task is error
    assert await threads.run(lambda: 1, owner=1) == 1


async def _caught(threads, work):
    try:
        await threads.run(work, owner=1)
    except BaseException as error:
        return error


async def test_stop_iteration_reaches_the_caller_as_a_runtime_error():
    with pytest.raises(RuntimeError):
        await DaemonThreads(1).run(lambda: next(iter(())), owner=1)


async def test_no_more_threads_than_allowed_run_at_once():
    threads, go = DaemonThreads(3), threading.Event()
    tasks = [asyncio.create_task(threads.run(lambda: go.wait(60), owner=1)) for _ in range(9)]
    await until(lambda: threads.busy == 3)
    go.set()
    assert await asyncio.gather(*tasks) == [True] * 9
    await until(lambda: threads.busy == 0)


async def test_abandoned_thread_makes_room_and_is_counted_until_it_ends():
    threads, go = DaemonThreads(1), threading.Event()
    await overdue(threads, go, owner=7)
    assert threads.abandon(7) == 1
    assert await threads.run(lambda: "room", owner=8) == "room"
    go.set()
    await until(lambda: threads.abandoned(7) == 0)
    assert threads.busy == 0


async def test_every_abandoned_thread_of_a_plugin_counts():
    threads, go = DaemonThreads(1), threading.Event()
    for expected in range(1, 9):
        await overdue(threads, go, owner=7)
        assert threads.abandon(7) == expected
    go.set()
    await until(lambda: threads.abandoned(7) == 0)


async def test_abandoning_before_the_caller_is_cancelled_counts_that_work():
    threads, go, other = DaemonThreads(2), threading.Event(), threading.Event()
    healthy = asyncio.create_task(threads.run(lambda: other.wait(60), owner=7))
    task = asyncio.create_task(threads.run(lambda: go.wait(60), owner=7))
    await until(lambda: threads.busy == 2)
    threads.abandon(7)
    task.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await task
    other.set()
    await healthy
    assert threads.abandoned(7) == 1
    go.set()
    await until(lambda: threads.abandoned(7) == 0)


async def test_work_given_up_while_it_waits_never_runs():
    threads, go, seen = DaemonThreads(1), threading.Event(), []
    first = asyncio.create_task(threads.run(lambda: go.wait(60), owner=1))
    await until(lambda: threads.busy == 1)
    second = asyncio.create_task(threads.run(lambda: seen.append(1), owner=2))
    await asyncio.sleep(0)
    second.cancel()
    await asyncio.wait([second])
    go.set()
    await first
    await threads.run(lambda: None, owner=3)
    assert (seen, threads.abandon(2)) == ([], 0)


async def test_work_of_several_plugins_is_counted_against_the_one_it_names():
    class Work:
        owner = 1

        def __init__(self):
            self.started, self.go = threading.Event(), threading.Event()

        def __call__(self):
            self.started.set()
            self.go.wait(60)

    threads, work = DaemonThreads(1), Work()
    task = asyncio.create_task(threads.run(work, owner=1))
    await until(work.started.is_set)
    task.cancel()
    await asyncio.wait([task])
    work.owner = 2
    assert (threads.abandon(2), threads.abandoned(1)) == (1, 0)
    work.go.set()
    await until(lambda: threads.abandoned(2) == 0)


async def test_plugin_without_overdue_work_has_no_abandoned_thread():
    threads = DaemonThreads(1)
    await threads.run(lambda: None, owner=1)
    assert threads.abandon(1) == 0
