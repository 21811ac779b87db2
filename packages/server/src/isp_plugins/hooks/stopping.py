"""Makes sure that nothing calls a plugin's instance any more, and says what still runs inside it.

1. Stop: the plugin's callables are replaced in every chain that runs, so that it is not called again; then calls inside it are awaited.
2. Drain: what began on a former chain may still call the old instance; once nothing does (or time is up) those chains are pointed to
   the new one.
3. A call that surrounds the one who waits is not waited for.
"""

import asyncio
import time
from collections.abc import Callable, Iterator
from typing import Any

from isp_plugin_sdk.context import current_call
from isp_plugins.hooks.calls import Call, position
from isp_plugins.hooks.chain import HookChain, Link, stopped
from isp_plugins.hooks.snapshot import Snapshot
from isp_plugins.hooks.ticker import TICKER

SHORTEST_PAUSE_S, LONGEST_PAUSE_S = 0.0005, 0.01


async def stop(plugin_id: int, timeout: float) -> int:  # noqa: ASYNC109  the wait is bounded, not cancelled
    """Replace the plugin's callables, then wait for the calls inside it; how many still run."""
    for chain in _chains(plugin_id):
        chain.replace_callables(plugin_id, lambda _: stopped)
    return await _until_none(lambda: [call for call in _others() if inside(call, plugin_id)], timeout)


async def drain(plugin_id: int, timeout: float, snapshot: Snapshot) -> int:  # noqa: ASYNC109  the same
    """Wait for the dispatches that may still call the old instance; how many calls are still inside it."""
    gate = snapshot.gates.get(plugin_id)

    def may_call() -> list[Call]:
        return [
            call
            for call in _others()
            if (gate is not None or call.hook_chain.retired)
            and position(call) <= call.hook_chain.last_of(plugin_id)
        ]

    await _until_none(may_call, timeout)
    if gate is not None:
        gate.closed = True
    left = [call for call in may_call() if inside(call, plugin_id)]
    present = {one.id: one.callee for one in snapshot.subscriptions(plugin_id) if one.callee}

    def successor(link: Link) -> Callable[[Any], Any]:
        callee = None if gate is not None else present.get(link.subscription.id)
        return callee.call if callee is not None and callee.mode is link.mode else stopped

    for chain in _chains(plugin_id):
        if chain.retired or gate is not None:
            chain.replace_callables(plugin_id, successor)
    return len(left)


def inside(call: Call, plugin_id: int) -> bool:
    """Whether it is this plugin's turn."""
    at = position(call)
    links = call.hook_chain.links
    return 0 <= at < len(links) and links[at].subscription.plugin_id == plugin_id


def _chains(plugin_id: int) -> list[HookChain]:
    """The chains that run now and have this plugin in them."""
    running = {id(call.hook_chain): call.hook_chain for call in TICKER.running()}
    return [chain for chain in running.values() if chain.last_of(plugin_id) >= 0]


def _others() -> Iterator[Call]:
    """The calls that run now, without those that surround the present one."""
    surrounding: set[int] = set()
    call = current_call.get()
    while isinstance(call, Call):
        surrounding.add(id(call))
        call = call.more.parent
    return (running for running in TICKER.running() if id(running) not in surrounding)


async def _until_none(calls: Callable[[], list[Call]], timeout: float) -> int:  # noqa: ASYNC109  the same
    """Wait until there are none; how many there are when time is up."""
    deadline, pause = time.monotonic() + timeout, SHORTEST_PAUSE_S
    while left := calls():
        if time.monotonic() >= deadline:
            return len(left)
        await asyncio.sleep(pause)
        pause = min(pause * 2, LONGEST_PAUSE_S)
    return 0
