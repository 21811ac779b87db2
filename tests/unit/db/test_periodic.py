"""Work in the background."""

import asyncio
import logging

import pytest

from isp_plugins.periodic import Periodic


async def test_work_is_done_again_and_again_until_it_is_stopped() -> None:
    times = 0
    thrice = asyncio.Event()

    async def work() -> None:
        nonlocal times
        times += 1
        if times == 3:
            thrice.set()

    periodic = Periodic(work, 0.001, name="test")
    periodic.start()
    periodic.start()
    async with asyncio.timeout(60):
        await thrice.wait()
    await periodic.stop()
    after = times
    await asyncio.sleep(0.01)
    assert times == after


async def test_work_under_way_is_finished_before_the_end() -> None:
    begun, may_end, done = asyncio.Event(), asyncio.Event(), asyncio.Event()

    async def work() -> None:
        begun.set()
        await may_end.wait()
        done.set()

    periodic = Periodic(work, 0, name="test")
    periodic.start()
    await begun.wait()
    stopping = asyncio.create_task(periodic.stop())
    may_end.set()
    await stopping
    assert done.is_set()


async def test_work_that_fails_goes_on(caplog: pytest.LogCaptureFixture) -> None:
    twice = asyncio.Event()

    async def work() -> None:
        if "failed; it goes on" in caplog.text:
            twice.set()
        raise ZeroDivisionError

    periodic = Periodic(work, 0, name="test")
    with caplog.at_level(logging.ERROR):
        periodic.start()
        async with asyncio.timeout(60):
            await twice.wait()
        await periodic.stop()
    assert caplog.text.count("ZeroDivisionError") >= 2


async def test_stopping_what_never_started_is_fine() -> None:
    worked: list[int] = []

    async def work() -> None:
        worked.append(1)

    await Periodic(work, 0, name="test").stop()
    await asyncio.sleep(0)
    assert worked == []
