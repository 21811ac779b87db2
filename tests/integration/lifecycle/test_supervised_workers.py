"""Plugins in real workers under supervision: a limit that is breached, a crash loop, a flood; each named, the good one untouched."""

import os
import signal
from collections.abc import AsyncIterator, Callable
from dataclasses import replace

import pytest

from isp_plugins.actors import HOST
from isp_plugins.contracts.vocabulary import HealthStatus, RuntimeKind, State
from isp_plugins.contracts.worker import DeathReason
from isp_plugins.lifecycle.records import PluginDraft
from isp_plugins.settings import Settings
from isp_plugins.system import PluginSystem
from support.pids import stranger_with
from support.waiting import until

Write = Callable[..., PluginDraft]
GOOD = "@action('customer_created')\ndef work(self, payload):\n    return payload['id']"
CRASH = """
def activate(self):
    import os, threading
    print('about to crash', flush=True)
    threading.Timer(0.05, os._exit, (7,)).start()

@action('customer_created')
def work(self, payload):
    return payload['id']
"""
HOG = """
def activate(self):
    import threading
    threading.Thread(target=self.grow, daemon=True).start()

def grow(self):
    import time
    kept = []
    while True:
        kept.append(bytearray(b'x' * (8 << 20)))
        time.sleep(0.01)
"""
FLOOD = """
def activate(self):
    import threading
    threading.Thread(target=self.talk, daemon=True).start()

def talk(self):
    while True:
        self.logger.info('again')
"""


@pytest.fixture
async def system(quick: Settings) -> AsyncIterator[PluginSystem]:
    """The system with short pauses, patient with a busy machine."""
    settings = replace(
        quick,
        load_timeout=60.0,
        worker_handshake_timeout=60.0,
        worker_sample_interval=0.2,
        worker_memory_mb=160,
        worker_log_lines_per_second=100.0,
        restart_limit=1,
        recovery_backoff_max=0.1,
    )
    async with PluginSystem.open(settings) as system:
        yield system


async def enabled(system: PluginSystem, draft: PluginDraft) -> int:
    plugin = await system.manager.register(draft, HOST)
    return (await system.manager.enable(plugin.id, HOST)).id


def in_worker(write: Write, name: str, body: str) -> PluginDraft:
    return write(name, body, runtime=RuntimeKind.PROCESS)


async def test_memory_hog_is_ended_with_its_limit_named_and_the_good_one_is_not_touched(
    system: PluginSystem, write: Write
) -> None:
    good = await enabled(system, in_worker(write, "good", GOOD))
    pid = system.manager.workers.of(good).pid
    hog = await enabled(system, in_worker(write, "hog", HOG))

    async def died() -> bool:
        return (await system.manager.workers.deaths(hog)).total > 0

    await until(died, within=60)
    (*_, first) = (await system.manager.workers.deaths(hog)).items
    assert (first.reason, first.signal) == (DeathReason.LIMIT, "SIGKILL")
    assert "160 MiB of memory are allowed (ISP_PLUGINS_WORKER_MEMORY_MB)" in first.detail
    assert None not in (first.usage.memory_bytes, first.usage.threads, first.usage.open_files)
    assert system.manager.workers.of(good).pid == pid
    assert (await system.dispatch("customer_created", {"id": 5})).outcomes[0].value == 5


async def test_crash_loop_is_quarantined_and_its_last_words_are_kept(
    system: PluginSystem, write: Write
) -> None:
    plugin_id = await enabled(system, in_worker(write, "crashing", CRASH))
    await until(lambda: system.directory.get(plugin_id).state is State.QUARANTINED, within=60)
    assert "exited with code 7" in str(system.directory.get(plugin_id).cause)
    deaths = (await system.manager.workers.deaths(plugin_id)).items
    assert [death.exit_code for death in deaths] == [7, 7]
    assert any("about to crash" in line for line in deaths[0].log_tail)
    (outcome,) = (await system.dispatch("customer_created", {"id": 5})).outcomes
    assert outcome.skip_reason == "worker_down"


async def test_flood_of_the_log_is_named_in_the_health(system: PluginSystem, write: Write) -> None:
    plugin_id = await enabled(system, in_worker(write, "flooding", FLOOD))

    def named() -> bool:
        health = system.directory.get(plugin_id).health
        return health.status is HealthStatus.DEGRADED and "floods its log" in "; ".join(health.reasons)

    await until(named, within=60)
    assert system.manager.workers.of(plugin_id).throttled["log"] > 0


async def test_stranger_with_a_dead_workers_number_is_never_signalled(
    system: PluginSystem, write: Write
) -> None:
    plugin_id = await enabled(system, in_worker(write, "good", GOOD))
    worker = system.manager._stage.instances[plugin_id].running.worker
    async with system.manager._stage.locks.of(plugin_id):  # it cannot come back yet
        os.kill(worker.pid, signal.SIGKILL)
        await until(lambda: system.manager._stage.supervisor.of(plugin_id) is None, within=60)
        stranger = stranger_with(worker.pid)
    try:
        worker.kill(DeathReason.LIMIT, "too late")
        await until(lambda: system.directory.get(plugin_id).state is State.ACTIVE, within=60)
        await system.manager.disable(plugin_id, HOST)
        assert stranger.poll() is None
    finally:
        stranger.kill()
        stranger.wait()
