"""A worker that floods its output, its channel or its storage: slowed down and named, while the host stays small and serves everybody."""

import asyncio
import json

import pytest

from isp_plugins.contracts.worker import DeathReason
from isp_plugins.runtime.worker import WorkerDiedError, WorkerSettings
from support.hostile import LONG_S, MIB, OneRuntime, Watch, hostile, neighbour, serves_during, silent_logger
from support.waiting import until

FLOOD_S = 1.0
"""How long everybody is served during a flood that has no end."""
MOST_GROWTH = 64 * MIB
"""Far more than a flood may cost, far less than it would cost if it were kept."""


@pytest.fixture
async def patient(tmp_path):
    """Workers that may start slowly, with small buffers: what a flood may fill is small, too."""
    workers = OneRuntime(tmp_path)
    workers.settings = WorkerSettings(handshake_timeout=60.0, stop_grace=1.0, max_pending_bytes=4 * MIB)
    yield workers
    await workers.end()


def request(method, **params):
    return '{"id": %d, "method": "' + method + '", "params": ' + json.dumps(params) + "}"


LOG = json.dumps({"method": "log", "params": {"message": "again"}})
FLOODS = {
    "tiny notifications": ('{"method":"x"}', "channel"),
    "steps": ('{"method":"step","params":{"name":"import"}}', "channel"),
    "log records": (LOG, "log"),
    "log records below the level": (LOG.replace("{", '{"level": "DEBUG", ', 1), "channel"),
    "answers that nobody waits for": ('{"id":99999,"result":1}', "channel"),
    "host calls": (request("storage.get", key="k"), "channel"),
    "requests that are not there": (request("x" * 100), "channel"),
    "sets of the storage": (request("storage.set", key="k%d", value="x" * 100), "storage"),
    "large sets of the storage": (request("storage.set", key="k", value="x" * MIB), "channel"),
    "large dispatches": (request("dispatch", hook="h", payload="x" * MIB), "channel"),
}


@pytest.mark.parametrize("flood", FLOODS)
async def test_flood_of_the_channel_is_slowed_down_and_everybody_is_served(patient, flood):
    line, flooded = FLOODS[flood]
    async with neighbour(patient) as other:
        plugin = await hostile(patient)
        await plugin.execute("flood", line, LONG_S)
        assert await serves_during(FLOOD_S, plugin, other) < MOST_GROWTH
        await until(lambda: flooded in plugin.worker.throttled, within=60)
        await plugin.worker.abandon()
    assert patient.deaths == []


async def test_huge_log_records_are_cut_and_slowed_down(patient):
    async with neighbour(patient) as other:
        plugin = await hostile(patient)
        await plugin.execute("flood_huge", 3 * MIB, LONG_S)
        assert await serves_during(FLOOD_S, plugin, other) < MOST_GROWTH
        await until(lambda: "channel" in plugin.worker.throttled, within=60)
        assert max(map(len, plugin.worker.log.tail)) <= 2000
        await plugin.worker.abandon()


UNREAD = {
    "values": (request("storage.get", key="large"), 300_000),
    "refusals": (request("x" * 100_000), 100),
}


@pytest.mark.parametrize("what", UNREAD)
async def test_worker_that_never_reads_its_answers_is_ended_before_they_fill_the_host(patient, what):
    line, size = UNREAD[what]
    patient.host.stored["large"] = "x" * size
    watch = Watch()
    async with neighbour(patient):
        plugin = await hostile(patient)
        call = asyncio.create_task(plugin.execute("flood_unread", line, LONG_S))

        def ended():
            watch.look()
            return call.done() or (what == "refusals" and "channel" in plugin.worker.throttled)

        await until(ended, within=60)
        if what == "values":
            with pytest.raises(WorkerDiedError, match="answers to its own host calls wait to be read"):
                await call
            assert patient.deaths[0].reason is DeathReason.LIMIT
            assert f"at most {4 * MIB} may" in patient.deaths[0].detail
        else:
            await plugin.worker.abandon()
            await asyncio.wait([call])
            assert call.exception() is not None
    assert watch.most < MOST_GROWTH


LONG = [pytest.mark.soak, pytest.mark.timeout(3600)]
PRINTED = [
    ("print_without_newline", 16, 8),
    ("print_blank_lines", 2, 65_536),
    pytest.param("print_without_newline", 1024, 8, marks=LONG),
    pytest.param("print_blank_lines", 64, 65_536, marks=LONG),
]
"""What is printed, how many MiB of it, and how many lines a piece of 64 KiB of it is."""


@pytest.mark.parametrize(("how", "mib", "lines"), PRINTED)
async def test_printing_without_end_becomes_bounded_counted_lines(patient, how, mib, lines):
    async with neighbour(patient) as other:
        plugin = await hostile(patient)
        await plugin.execute(how, mib * 16, LONG_S)
        assert await serves_during(FLOOD_S, plugin, other) < MOST_GROWTH
        watch = Watch()

        def left_out_most():
            watch.look()
            return plugin.worker.log.left_out >= mib * 16 * lines // 2

        await until(left_out_most, within=3000)
        assert watch.most < MOST_GROWTH
        assert max(map(len, plugin.worker.log.tail), default=0) <= 2000
        assert "log" in plugin.worker.throttled
        await plugin.stop()
    assert patient.deaths == []


async def test_printing_of_a_python_plugin_on_both_streams_disturbs_nobody(patient):
    body = """
    def talk(self, stream):
        import os, threading
        def work():
            for _ in range(128):
                os.write(stream, b"x" * 65_536)
        threading.Thread(target=work, daemon=True).start()
    def echo(self, value):
        return value
    """
    plugin = await patient.started(body, logger=silent_logger())
    for stream in (1, 2):
        await plugin.execute("talk", [stream], LONG_S)
    watch = Watch()
    while plugin.worker.log.left_out < 1000:
        assert await plugin.execute("echo", ["here"], LONG_S) == "here"
        watch.look()
    assert watch.most < MOST_GROWTH
    assert "log" in plugin.worker.throttled
    await plugin.stop()
