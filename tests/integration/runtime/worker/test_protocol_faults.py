"""A real worker process that breaks the protocol: each fault has its own outcome, and nobody else notices."""

import asyncio
import re

import pytest

from isp_plugins.contracts.worker import DeathReason
from isp_plugins.runtime.errors import ExecutionTimedOutError, InitializeFailedError, PluginFailedError
from isp_plugins.runtime.worker import WorkerDiedError, WorkerSettings
from support.hostile import LONG_S, OneRuntime, hostile, neighbour
from support.waiting import until


@pytest.fixture
async def patient(tmp_path):
    """Workers that may start slowly and are not killed for a call that runs on."""
    workers = OneRuntime(tmp_path)
    workers.settings = WorkerSettings(handshake_timeout=60.0, max_message_bytes=100_000, stop_grace=1.0)
    yield workers
    await workers.end()


async def test_late_answer_is_dropped_and_the_next_call_gets_its_own(patient):
    plugin = await hostile(patient)
    with pytest.raises(ExecutionTimedOutError):
        await plugin.execute("late_answer", None, 0.2)
    await until(lambda: plugin.worker.channel.dropped == 1, within=60)
    assert await plugin.execute("echo", ["mine"], LONG_S) == ["mine"]
    assert plugin.abandoned_threads == 0
    await plugin.stop()
    assert patient.deaths == []


async def test_second_answer_is_dropped(patient):
    plugin = await hostile(patient)
    assert await plugin.execute("two_answers", None, LONG_S) == "first"
    assert await plugin.execute("echo", ["mine"], LONG_S) == ["mine"]
    assert plugin.worker.channel.dropped == 1
    await plugin.stop()


async def test_answers_out_of_order_go_to_who_asked(patient):
    plugin = await hostile(patient)
    numbers = await asyncio.gather(*(plugin.execute("out_of_order", 5, LONG_S) for _ in range(5)))
    assert numbers == sorted(numbers)
    assert len({*numbers}) == 5
    await plugin.stop()


async def test_answers_for_nobody_are_dropped(patient):
    plugin = await hostile(patient)
    assert await plugin.execute("foreign_ids", None, LONG_S) == "mine"
    assert plugin.worker.channel.dropped == 3
    await plugin.stop()
    assert patient.deaths == []


async def test_odd_error_is_the_calls_error(patient):
    plugin = await hostile(patient)
    with pytest.raises(PluginFailedError, match="odd_error"):
        await plugin.execute("odd_error", None, LONG_S)
    await plugin.stop()


async def test_odd_notifications_and_requests_are_survived(patient):
    plugin = await hostile(patient)
    assert await plugin.execute("odd_notifications", None, LONG_S) == "still here"
    assert await plugin.execute("echo", ["mine"], LONG_S) == ["mine"]
    await plugin.stop()
    assert patient.deaths == []


BROKEN = {
    "no JSON": ("write_raw", b"nonsense\n".hex(), "a line is not JSON .*: 'nonsense'"),
    "no UTF-8": ("write_raw", b'{"id": 1, "result": "\xff"}\n'.hex(), "a line is not JSON"),
    "too deep": ("write_raw", (b"[" * 5000 + b"]" * 5000 + b"\n").hex(), r"a line is not JSON .*\.\.\."),
    "a batch": ("write_raw", b"[]\n".hex(), r"a line is no message \(expected an object, got list\): '\[\]'"),
    "a text as id": ("write_raw", b'{"id": "1", "result": 1}\n'.hex(), "no positive integer"),
    "both result and error": ("write_raw", b'{"id": 1, "result": 1, "error": 1}\n'.hex(), "expected either"),
    "an endless line": ("long_line", 10_000_000, "a message is longer than 100000 bytes"),
    "a huge answer": ("long_answer", 10_000_000, "a message is longer than 100000 bytes"),
}


@pytest.mark.parametrize("fault", BROKEN)
async def test_what_is_not_the_protocol_ends_the_worker_with_that_cause(patient, fault):
    method, given, words = BROKEN[fault]
    async with neighbour(patient):
        plugin = await hostile(patient)
        also = asyncio.create_task(plugin.execute("late_answer", None, LONG_S))
        await until(lambda: plugin.worker.channel.owes_any("late_answer"), within=60)
        with pytest.raises(WorkerDiedError, match=words):
            await plugin.execute(method, given, LONG_S)
        with pytest.raises(WorkerDiedError, match=words):
            await also
        await until(lambda: patient.deaths, within=60)
        (death,) = patient.deaths
        assert (death.plugin_name, death.reason, death.signal) == ("hostile", DeathReason.PROTOCOL, "SIGKILL")
        assert re.search(f"it sent what is not the protocol: .*{words}", death.detail)
        await plugin.stop()


async def test_worker_that_hangs_up_is_ended_with_that_cause(patient):
    async with neighbour(patient):
        plugin = await hostile(patient)
        with pytest.raises(WorkerDiedError, match="it closed its channel and went on running"):
            await plugin.execute("hang_up", None, LONG_S)
        await until(lambda: patient.deaths, within=60)
        assert patient.deaths[0].reason is DeathReason.PROTOCOL
        await plugin.stop()


@pytest.mark.parametrize("steps", [["initialize"], ["import", "initialize"], ["a", "b", "c"]])
async def test_steps_without_end_do_not_put_off_the_deadline_of_initialize(patient, steps):
    with pytest.raises(InitializeFailedError, match=r"did not return within 0\.5 s"):
        await hostile(patient, config={"steps": steps}, initialize_deadline_s=0.5)
    assert patient.deaths == []
