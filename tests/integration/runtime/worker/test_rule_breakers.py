"""Workers that break the protocol's rules, and what the host does with each: docs/protocol.md has the table."""

import os
import sys

import pytest

from isp_plugins.contracts.worker import DeathReason, WorkerProgram
from isp_plugins.runtime.errors import ExecutionTimedOutError, PluginFailedError
from isp_plugins.runtime.worker import WorkerDiedError, WorkerSettings
from support.commands import ROOT
from support.waiting import until

LONG_S = 60
HEAD = f"""
import json, os, sys, threading
sys.path.insert(0, {str(ROOT / "tests" / "support")!r})
from protocol_worker import Worker, Plugin, streams
"""


@pytest.fixture
def speaking(workers):
    """Starts the small worker of the tests, with this class body in place of the plugin's or the worker's methods."""
    workers.plugin("pass")
    workers.settings = WorkerSettings(handshake_timeout=60.0, hang_grace=60.0)

    async def start(*, plugin="pass", worker="pass", settings=None):
        if settings is not None:
            workers.settings = settings
        code = f"{HEAD}\nclass P(Plugin):\n    {plugin}\nclass W(Worker):\n    {worker}\nw = W(*streams())\nw.plugin = P(w)\nw.run()\n"
        argv = (sys.executable, "-c", code)
        program = WorkerProgram(argv, folder=workers.folder, speaks_over_stdio=True, version="1.0")
        return await workers.start(program=program)

    return start


async def test_worker_of_another_version_is_not_started(speaking, workers):
    with pytest.raises(PluginFailedError, match="9"):
        await speaking(worker="choose = lambda self, versions: 9")
    assert workers.deaths == []


LINES = {
    "no JSON": (b"Hello, I am a log line\\n", "Hello, I am a log line"),
    "no message": (b'{"jsonrpc": "2.0"}\\n', '{"jsonrpc": "2.0"}'),
    "too long": (b"x" * 70_000, "'xxxxxxxx"),
}


@pytest.mark.parametrize("what", LINES)
async def test_line_that_is_not_the_protocol_ends_the_worker_with_its_beginning(speaking, workers, what):
    line, told = LINES[what]
    text = 'b"x" * 70_000' if what == "too long" else f"b'''{line.decode()}'''"
    plugin = await speaking(
        plugin=f"echo = lambda self, payload, call: self.worker.write({text})",
        settings=WorkerSettings(handshake_timeout=60.0, max_message_bytes=65536),
    )
    with pytest.raises(WorkerDiedError):
        await plugin.execute("echo", [1], LONG_S)
    await until(lambda: workers.deaths, within=60)
    (death,) = workers.deaths
    assert (death.reason, told in death.detail) == (DeathReason.PROTOCOL, True), death.detail


async def test_answers_that_nobody_asked_for_are_dropped_and_counted(speaking, workers):
    twice = "answer = lambda self, number, result: [Worker.answer(self, n, result) for n in (number, number, number + 500)] and None"
    plugin = await speaking(worker=twice)
    before = plugin.worker.channel.dropped
    assert await plugin.execute("echo", [5], LONG_S) == 5
    assert await plugin.execute("echo", [6], LONG_S) == 6
    await until(lambda: plugin.worker.channel.dropped >= before + 4, within=60)
    assert workers.deaths == []
    await plugin.stop()


async def test_request_that_the_protocol_does_not_have_is_refused_by_its_code(speaking, workers):
    ask = """def ask(self, method, params, call):
        self.asked[77] = (threading.Event(), [])
        self.send({"id": 77, "method": "storage.rename", "params": {"call": call}})
        self.asked[77][0].wait()
        return self.asked_error
    def take_answer(self, message):
        self.asked_error = message["error"]["code"]
        self.asked[77][0].set()"""
    plugin = await speaking(worker=ask)
    assert await plugin.execute("fetch", [{"key": "a"}], LONG_S) == -32601
    assert workers.deaths == []
    await plugin.stop()


async def test_call_past_its_deadline_is_cancelled_and_the_next_ones_go_on(speaking, workers):
    hear = """cancelled = ()
    def take_notification(self, message):
        if message["method"] == "cancel":
            self.cancelled = (*self.cancelled, message["params"]["id"])
        Worker.take_notification(self, message)"""
    plugin = await speaking(
        worker=hear, plugin="fetch = lambda self, payload, call: list(self.worker.cancelled)"
    )
    with pytest.raises(ExecutionTimedOutError):
        await plugin.execute("slow", [{"ms": 3_600_000}], 0.1)
    (cancelled,) = await plugin.execute("fetch", [{"key": "a"}], LONG_S)
    assert cancelled > 0
    assert workers.deaths == []
    os.kill(plugin.pid, 9)
    await until(lambda: workers.deaths, within=60)
    await plugin.stop()
