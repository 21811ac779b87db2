"""The task that awaits a coroutine is found through coroutines, generators, asynchronous generators and objects of its own kind."""

import asyncio

import pytest

from isp_plugins.hooks.awaiting import awaiting, awaits, being_cancelled


class Wrapped:
    """An awaitable that tells nothing of what it awaits."""

    def __init__(self, coroutine):
        self._coroutine = coroutine

    def __await__(self):
        return self._coroutine.__await__()


async def wait(event):
    await event.wait()


async def plainly(coroutine):
    await coroutine


async def wrapped(coroutine):
    await Wrapped(coroutine)


async def generating(coroutine):
    async def produce():
        yield await coroutine

    async for _ in produce():
        pass


@pytest.mark.parametrize("way", [plainly, wrapped, generating])
async def test_awaiting_task_is_found(way):
    event = asyncio.Event()
    inner = wait(event)
    task, other = asyncio.create_task(way(inner)), asyncio.create_task(wait(event))
    await asyncio.sleep(0.001)
    assert awaits(task, inner)
    assert not awaits(other, inner)
    assert awaiting(other, inner) is task
    event.set()
    await asyncio.gather(task, other)


async def test_nobody_awaits_a_coroutine_that_ended():
    event = asyncio.Event()
    event.set()
    inner = wait(event)
    await inner
    assert awaiting(asyncio.current_task(), inner) is None


async def test_cancellation_on_its_way_is_seen():
    task = asyncio.create_task(wait(asyncio.Event()))
    await asyncio.sleep(0.001)
    assert not being_cancelled(task)
    task.cancel()
    assert being_cancelled(task)
    await asyncio.wait([task])
