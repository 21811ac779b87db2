"""One turn at a time, for tasks and threads."""

import asyncio
import threading

from isp_plugins.db.turns import Turns
from support.waiting import until


async def test_tasks_and_threads_take_turns():
    turns, inside, most = Turns(), 0, 0

    def enter():
        nonlocal inside, most
        inside += 1
        most = max(most, inside)

    async def task():
        nonlocal inside
        for _ in range(50):
            await turns.acquire()
            enter()
            await asyncio.sleep(0)
            inside -= 1
            turns.release()

    def thread():
        nonlocal inside
        for _ in range(50):
            assert turns.acquire_blocking(30)
            enter()
            inside -= 1
            turns.release()

    threads = [threading.Thread(target=thread) for _ in range(2)]
    for one in threads:
        one.start()
    await asyncio.gather(*(task() for _ in range(4)))
    for one in threads:
        await asyncio.to_thread(one.join)
    assert most == 1


async def test_cancelled_task_leaves_its_turn_to_the_next():
    turns = Turns()
    await turns.acquire()
    given_up = asyncio.create_task(turns.acquire())
    await asyncio.sleep(0)
    given_up.cancel()
    following = asyncio.create_task(turns.acquire())
    await asyncio.sleep(0)
    turns.release()
    await following
    assert given_up.cancelled()


async def test_task_that_is_cancelled_as_its_turn_comes_passes_it_on():
    turns = Turns()
    await turns.acquire()
    waiting = asyncio.create_task(turns.acquire())
    await asyncio.sleep(0)
    turns.release()
    waiting.cancel()
    await asyncio.wait([waiting])
    async with asyncio.timeout(60):
        await turns.acquire()
    assert not turns.acquire_blocking(0.01)


async def test_thread_that_waits_in_vain_leaves_the_queue():
    turns = Turns()
    await turns.acquire()
    assert not turns.acquire_blocking(0.01)
    turns.release()
    assert turns.acquire_blocking(0.01)


async def test_thread_comes_before_tasks():
    turns, order = Turns(), []
    await turns.acquire()

    async def task():
        await turns.acquire()
        order.append("task")
        turns.release()

    def thread():
        turns.acquire_blocking(30)
        order.append("thread")
        turns.release()

    waiting = asyncio.create_task(task())
    await asyncio.sleep(0)
    one = threading.Thread(target=thread)
    one.start()
    await until(lambda: len(turns._waiting) == 2)
    turns.release()
    await waiting
    await asyncio.to_thread(one.join)
    assert order == ["thread", "task"]
