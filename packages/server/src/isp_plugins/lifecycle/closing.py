"""Stops every plugin of this node, dependants before what they need, each within its deadlines; nothing is written."""

import asyncio
from collections.abc import Collection
from typing import Any

from isp_plugins.lifecycle.dependencies import order
from isp_plugins.lifecycle.stage import Stage
from isp_plugins.lifecycle.starting import take_down

AT_ONCE = 16
"""How many plugins are stopped at a time."""


async def stop_all(stage: Stage, working: Collection[asyncio.Task[Any]]) -> None:
    """Let operations under way end (they are given up after the drain limit), then stop what runs."""
    await _settle(working, stage.settings.drain_timeout)
    await stage.announcer.close(stage.settings.drain_timeout)
    running = {instance.record.name: instance.record for instance in stage.instances.values()}
    turns = asyncio.Semaphore(AT_ONCE)
    tasks: dict[str, asyncio.Task[None]] = {}

    async def stop(plugin_id: int, before: Collection[asyncio.Task[None]]) -> None:
        if before:
            await asyncio.wait(before)
        async with turns:
            await take_down(stage, plugin_id)

    for name in reversed(order({name: record.required for name, record in running.items()}).names):
        needing = [tasks[other] for other in tasks if name in running[other].required]
        tasks[name] = asyncio.get_running_loop().create_task(
            stop(running[name].id, needing), name=f"stop plugin {name}"
        )
    await asyncio.gather(*tasks.values(), return_exceptions=True)


async def _settle(working: Collection[asyncio.Task[Any]], limit_s: float) -> None:
    if not working:
        return
    _, late = await asyncio.wait(tuple(working), timeout=limit_s)
    for task in late:
        task.cancel()
    if late:
        await asyncio.wait(late)
