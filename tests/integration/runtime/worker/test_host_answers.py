"""What the host answers a worker's own calls with, where it cannot be sent as it is: the plugin is told, and its worker lives on."""

import asyncio

import pytest

from isp_plugins.runtime.errors import ExecutionFailedError
from isp_plugins.runtime.worker import WorkerDiedError, WorkerSettings
from support.hostile import LONG_S, OneRuntime, hostile
from support.waiting import until

BODY = """
def keys(self):
    return len(self.context.list(""))

def ask(self):
    return self.context.dispatch("h", 1)["value"]

def fine(self):
    return 1
"""


@pytest.fixture
async def small(tmp_path):
    """Workers with short messages."""
    workers = OneRuntime(tmp_path)
    workers.settings = WorkerSettings(handshake_timeout=60.0, max_message_bytes=100_000, stop_grace=1.0)
    yield workers
    await workers.end()


async def test_answer_that_is_too_long_is_refused_in_words_and_the_worker_lives(small):
    small.host.stored = {f"{'k' * 100}{number}": 1 for number in range(1500)}
    plugin = await small.started(BODY)
    with pytest.raises(ExecutionFailedError, match=r"may have 100000 .*Ask for less at a time"):
        await plugin.execute("keys", None, LONG_S)
    assert await plugin.execute("fine", None, LONG_S) == 1
    await plugin.stop()
    assert small.deaths == []


async def test_answer_that_cannot_be_written_is_refused_at_once(small):
    async def dispatch(hook, payload, context):
        return {"value": 10**30}

    small.host.dispatch = dispatch
    plugin = await small.started(BODY)
    with pytest.raises(ExecutionFailedError, match="64-bit"):
        await plugin.execute("ask", None, LONG_S)
    await plugin.stop()


async def test_worker_that_does_not_read_is_stopped_all_the_same_and_what_went_wrong_is_told(small):
    small.settings = WorkerSettings(
        handshake_timeout=60.0, stop_grace=0.1, max_pending_bytes=65_536, messages_per_second=10.0
    )
    plugin = await hostile(small, cleanup_deadline_s=0.3)
    calls = [asyncio.create_task(plugin.execute("flood_unread", '{"method":"x"}', LONG_S))]
    large = ["x" * 60_000]
    while plugin.worker.channel.writable:
        calls.append(asyncio.create_task(plugin.execute("echo", large, LONG_S)))
        await asyncio.sleep(0)
    calls.append(asyncio.create_task(plugin.execute("echo", large, LONG_S)))
    await asyncio.sleep(0)
    assert await plugin.stop() is not None
    await asyncio.wait(calls)
    assert all(call.exception() is not None for call in calls)


async def test_call_is_answered_at_once_when_its_worker_dies_in_the_middle_of_a_flood(small):
    small.settings = WorkerSettings(handshake_timeout=60.0, messages_per_second=1.0, stop_grace=1.0)
    plugin = await hostile(small)
    waiting = asyncio.create_task(plugin.execute("late_answer", None, LONG_S))
    await plugin.execute("flood", '{"method":"x"}', LONG_S)
    await until(lambda: not plugin.worker.channel.reading, within=60)
    plugin.worker.process.signal(9)
    with pytest.raises(WorkerDiedError, match="SIGKILL"):
        await waiting
    assert plugin.worker.channel.reading
