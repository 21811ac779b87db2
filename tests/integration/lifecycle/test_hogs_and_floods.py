"""Plugins that take too much while they are called, and plugins that flood: ended or slowed down, named in the API, the good one served."""

import asyncio
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from typing import Any

import httpx
import pytest

from isp_plugins.actors import HOST
from isp_plugins.contracts.vocabulary import RuntimeKind, State
from isp_plugins.contracts.worker import DeathReason
from isp_plugins.lifecycle.records import PluginDraft
from isp_plugins.settings import Settings
from isp_plugins.system import PluginSystem
from support.waiting import until

Write = Callable[..., PluginDraft]
GOOD = "@action('customer_created')\ndef work(self, payload):\n    return payload['id']"
HOG = """
def take(self):
    import time
    kept = []
    while True:
        kept.append(bytearray(b'x' * (8 << 20)))
        time.sleep(0.01)

def rest(self):
    import time
    time.sleep(600)

def fine(self):
    return 1
"""
FLOOD = """
def activate(self):
    import threading
    for _ in range({threads}):
        threading.Thread(target=self.flood, daemon=True).start()

def flood(self):
    import os
    while True:
        {work}

def fine(self):
    return 1
"""
FLOODS = {
    "log": FLOOD.format(threads=2, work="os.write(1, b'x' * 65_536); os.write(2, b'x' * 65_536)"),
    "channel": FLOOD.format(threads=4, work="self.context.list('k')"),
    "storage": FLOOD.format(threads=4, work="self.context.set('k', 1)"),
}


@pytest.fixture
async def system(quick: Settings) -> AsyncIterator[PluginSystem]:
    """The system, patient with a busy machine, with small rates so that a slow one floods, too."""
    settings = replace(
        quick,
        load_timeout=60.0,
        worker_handshake_timeout=60.0,
        worker_sample_interval=0.2,
        worker_memory_mb=160,
        worker_log_lines_per_second=50.0,
        worker_host_calls_per_second=50.0,
        worker_storage_writes_per_second=10.0,
        recovery_backoff_max=0.1,
    )
    async with PluginSystem.open(settings) as system:
        yield system


async def enabled(system: PluginSystem, write: Write, name: str, body: str) -> int:
    draft = write(name, body, runtime=RuntimeKind.PROCESS)
    plugin = await system.manager.register(draft, HOST)
    return (await system.manager.enable(plugin.id, HOST)).id


async def call(system: PluginSystem, plugin_id: int, method: str) -> Any:
    return (await system.manager.execute(plugin_id, method, None, HOST)).value


async def test_hog_is_ended_with_its_limit_named_and_every_call_under_way_is_answered(
    system: PluginSystem, write: Write
) -> None:
    good = await enabled(system, write, "good", GOOD)
    hog = await enabled(system, write, "hog", HOG)
    pid = system.manager.workers.of(good).pid
    calls = [asyncio.create_task(call(system, hog, method)) for method in ("rest", "take")]
    await asyncio.wait(calls, timeout=60)
    for one in calls:
        assert "160 MiB of memory are allowed" in str(one.exception())

    async def died() -> bool:
        return (await system.manager.workers.deaths(hog)).total == 1

    await until(died, within=60)
    (death,) = (await system.manager.workers.deaths(hog)).items
    assert (death.reason, death.signal) == (DeathReason.LIMIT, "SIGKILL")
    await until(lambda: system.directory.get(hog).state is State.ACTIVE, within=60)
    assert await call(system, hog, "fine") == 1
    assert system.manager.workers.of(good).pid == pid
    assert [one.value for one in (await system.dispatch("customer_created", {"id": 5})).outcomes] == [5]


async def test_floods_are_named_in_the_api_by_plugin_and_cause_while_everybody_is_served(
    system: PluginSystem, api: httpx.AsyncClient, write: Write
) -> None:
    good = await enabled(system, write, "good", GOOD)
    flooding = [await enabled(system, write, f"floods_{what}", body) for what, body in FLOODS.items()]
    pids = {plugin: system.manager.workers.of(plugin).pid for plugin in [good, *flooding]}
    missing = {f"floods_{what}": f"its worker floods its {what}," for what in FLOODS}

    async def all_named() -> bool:
        for one in (await api.get("/plugins/workers")).raise_for_status().json()["items"]:
            if missing.get(one["name"], "-") in "; ".join(one["warnings"]):
                assert one["throttled"][one["name"].removeprefix("floods_")] > 0
                del missing[one["name"]]
            assert one["name"] != "good" or not any("floods" in warning for warning in one["warnings"])
        outcomes = (await system.dispatch("customer_created", {"id": 5})).outcomes
        assert [outcome.value for outcome in outcomes] == [5]
        return not missing

    await until(all_named, within=60)
    for plugin in flooding:
        assert await call(system, plugin, "fine") == 1
    assert {plugin: system.manager.workers.of(plugin).pid for plugin in pids} == pids
