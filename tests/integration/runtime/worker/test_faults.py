"""What a plugin can do to its worker, and that nothing of it reaches the host: each call is answered at once, each cause is named."""

import asyncio
import contextlib
import os
import re
import resource
import signal
from dataclasses import replace
from pathlib import Path

import pytest

from isp_plugins.contracts.worker import DeathReason, ResourceUse
from isp_plugins.runtime.errors import (
    ExecutionTimedOutError,
    InitializeFailedError,
    LoadTimedOutError,
    PluginFailedError,
)
from isp_plugins.runtime.worker import WorkerDiedError, WorkerSettings
from isp_plugins.runtime.worker.process import ending_of
from support.waiting import until

LONG_S = 60
"""A deadline that no test waits for."""


def is_alive(pid):
    with contextlib.suppress(OSError):
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    return False


@pytest.fixture
def quick(workers):
    """Workers that are given up soon."""
    workers.settings = WorkerSettings(
        hang_grace=0.3, stop_grace=1.0, ping_interval=1.0, ping_misses=3, handshake_timeout=60.0
    )
    return workers


ENDINGS = {
    "os._exit": ("__import__('os')._exit(3)", DeathReason.EXITED, "it exited with code 3"),
    "segmentation fault": ("__import__('ctypes').string_at(0)", DeathReason.SIGNALLED, "SIGSEGV"),
    "abort": ("__import__('os').abort()", DeathReason.SIGNALLED, "SIGABRT"),
    "kills itself": ("__import__('os').kill(__import__('os').getpid(), 9)", DeathReason.SIGNALLED, "SIGKILL"),
    "closes every descriptor": (
        "__import__('os').closerange(0, 1000)",
        None,  # whichever is seen first: that the channel is closed, or that the worker ended without it
        "closed its channel|it exited",
    ),
}


@pytest.mark.parametrize("how", ENDINGS)
async def test_death_in_the_middle_of_a_call_answers_it_with_the_cause(quick, how):
    code, reason, words = ENDINGS[how]
    plugin = await quick.started(f"def die(self):\n    {code}\n    import time; time.sleep(60)")
    with pytest.raises(WorkerDiedError, match="sample"):
        await plugin.execute("die", None, LONG_S)
    await until(lambda: quick.deaths)
    (death,) = quick.deaths
    assert death.reason in ({reason} if reason else {DeathReason.PROTOCOL, DeathReason.EXITED})
    assert (death.plugin_name, death.version, death.pid) == ("sample", "1.0", plugin.pid)
    assert re.search(words, death.detail)
    assert plugin.death is death
    assert death.usage.cpu_s > 0
    with pytest.raises(WorkerDiedError, match=words):
        await plugin.execute("die", None, LONG_S)
    assert await plugin.stop() is None


def test_hosts_own_size_is_not_told_as_that_of_a_worker_that_died():
    """The kernel hands the largest size of the parent on to the child, which then is never smaller."""
    told = resource.struct_rusage((0.5, 0.25, 150_000, *(0,) * 13))
    assert ending_of(9, told, inherited=150_000).usage == ResourceUse(cpu_s=0.75)
    assert ending_of(9, told, inherited=20_000).usage.memory_bytes == 150_000 * 1024


async def test_last_words_of_a_crash_are_kept(quick):
    plugin = await quick.started(
        "def die(self):\n    print('so long')\n    __import__('ctypes').string_at(0)"
    )
    with pytest.raises(WorkerDiedError):
        await plugin.execute("die", None, LONG_S)
    await until(lambda: quick.deaths)
    tail = quick.deaths[0].log_tail
    assert "so long" in tail
    assert any("Segmentation fault" in line for line in tail)
    assert any("string_at" in line for line in tail)


async def test_stack_overflow_is_the_calls_error_or_the_workers_death(quick):
    plugin = await quick.started(
        "def die(self):\n    import sys; sys.setrecursionlimit(10**9)\n    def down(_):\n        return sorted([1, 2], key=down)\n    return down(0)"
    )
    with pytest.raises(PluginFailedError):
        await plugin.execute("die", None, LONG_S)
    await plugin.stop()


async def test_every_call_under_way_is_answered_when_the_worker_is_killed(quick):
    plugin = await quick.started("def rest(self):\n    import time; time.sleep(60)")
    calls = [asyncio.create_task(plugin.execute("rest", None, LONG_S)) for _ in range(12)]
    await until(lambda: plugin.worker.channel.owes_any("rest"))
    os.kill(plugin.pid, signal.SIGKILL)
    for call in calls:
        with pytest.raises(WorkerDiedError, match="SIGKILL"):
            await call
    await plugin.stop()


@pytest.mark.parametrize(
    "code", ["while True: pass", "import threading; lock = threading.Lock(); lock.acquire(); lock.acquire()"]
)
async def test_call_that_never_ends_is_given_up_then_its_worker_killed_with_its_name(quick, code):
    plugin = await quick.started(f"def hang(self):\n    {code}\ndef fine(self):\n    return 1")
    with pytest.raises(ExecutionTimedOutError):
        await plugin.execute("hang", None, 1.0)
    await until(lambda: quick.deaths)
    (death,) = quick.deaths
    assert death.reason is DeathReason.UNRESPONSIVE
    assert "hang still ran 0.3 s after its deadline had passed" in death.detail
    await plugin.stop()


async def test_calls_go_on_beside_one_that_hangs(workers):
    plugin = await workers.started(
        "def hang(self):\n    import time; time.sleep(60)\ndef fine(self):\n    return 1"
    )
    calls = [asyncio.create_task(plugin.execute("hang", None, LONG_S)) for _ in range(7)]
    assert await plugin.execute("fine", None, LONG_S) == 1
    for call in calls:
        call.cancel()
    await asyncio.wait(calls)
    assert plugin.abandoned_threads == 7
    workers.settings = replace(workers.settings, stop_grace=0.1)
    await plugin.worker.abandon()


async def test_pings_are_answered_while_every_thread_works(quick):
    plugin = await quick.started("def rest(self):\n    import time; time.sleep(1.5)\n    return 1")
    calls = [plugin.execute("rest", None, LONG_S) for _ in range(9)]
    assert await asyncio.gather(*calls) == [1] * 9
    assert quick.deaths == []
    await plugin.stop()


async def test_worker_that_answers_no_ping_is_killed(quick):
    plugin = await quick.started(
        "def stop_all(self):\n    import os, signal\n    os.kill(os.getpid(), signal.SIGSTOP)\n    __import__('time').sleep(60)"
    )
    with pytest.raises(WorkerDiedError, match="answered none of 3 pings"):
        await plugin.execute("stop_all", None, LONG_S)
    await until(lambda: quick.deaths)
    assert quick.deaths[0].reason is DeathReason.UNRESPONSIVE
    await plugin.stop()


SILENT = "import time\ntime.sleep(60)\n"


async def test_import_that_hangs_is_told_and_leaves_no_process(quick):
    quick.plugin(
        "pass",
        head=f"import os, pathlib\npathlib.Path({str(quick.folder / 'pid')!r}).write_text(str(os.getpid()))\n{SILENT}",
    )
    with pytest.raises(LoadTimedOutError, match="did not finish being imported within 2 s"):
        await quick.start(load_deadline_s=2.0)
    assert not is_alive((quick.folder / "pid").read_text())
    assert quick.deaths == []


@pytest.mark.parametrize("kind", ["def", "async def"])
async def test_initialize_that_hangs_is_told(quick, kind):
    wait = "__import__('time').sleep(60)" if kind == "def" else "await __import__('asyncio').sleep(60)"
    quick.plugin(f"{kind} initialize(self):\n    {wait}")
    with pytest.raises(InitializeFailedError, match=r"did not return within 0\.5 s"):
        await quick.start(initialize_deadline_s=0.5)


async def test_worker_that_dies_at_import_is_told(quick):
    quick.plugin("pass", head="import os\nos.write(2, b'no licence\\n')\nos._exit(7)\n")
    with pytest.raises(
        WorkerDiedError, match=r"died while it was being imported: it exited with code 7; .*no licence"
    ):
        await quick.start()


async def test_cleanup_that_hangs_is_told_and_the_worker_ended(quick):
    plugin = await quick.started(
        "def cleanup(self):\n    __import__('time').sleep(60)", cleanup_deadline_s=0.2
    )
    assert "did not return within 0.2 s" in await plugin.stop()
    assert not is_alive(plugin.pid)
    assert quick.deaths == []


async def test_children_of_a_worker_end_with_it(quick):
    plugin = await quick.started(
        "def begin(self):\n    import subprocess\n    return subprocess.Popen(['sleep', '60']).pid"
    )
    child = await plugin.execute("begin", None, LONG_S)
    assert is_alive(child)
    await plugin.stop()
    await until(lambda: not is_alive(child))


async def test_worker_that_ignores_sigterm_is_killed(workers):
    workers.settings = replace(workers.settings, stop_grace=0.1)
    body = "def initialize(self):\n    import os, signal\n    signal.signal(signal.SIGTERM, signal.SIG_IGN)\n    os._exit = lambda code: None\n    return True"
    head = "import signal\nsignal.signal = lambda *_: None\n"
    plugin = await workers.started(body, head=head)
    await plugin.stop()
    assert not is_alive(plugin.pid)


async def test_huge_result_is_that_calls_error(workers):
    workers.settings = replace(workers.settings, max_message_bytes=100_000)
    plugin = await workers.started("def much(self):\n    return 'x' * 200_000\ndef fine(self):\n    return 1")
    with pytest.raises(
        PluginFailedError, match=r"much returned what is not a JSON value: it is 2000\d\d bytes"
    ):
        await plugin.execute("much", None, LONG_S)
    with pytest.raises(PluginFailedError, match="may have 100000"):
        await plugin.execute("fine", ["x" * 200_000], LONG_S)
    assert await plugin.execute("fine", None, LONG_S) == 1
    await plugin.stop()


async def test_result_of_megabytes_arrives_whole(workers):
    plugin = await workers.started("def much(self, text):\n    return text * 2")
    assert await plugin.execute("much", ["é" * 500_000], LONG_S) == "é" * 1_000_000
    await plugin.stop()


async def test_nothing_of_the_hosts_environment_reaches_a_worker(workers, monkeypatch):
    monkeypatch.setenv("ISP_PLUGINS_SECRET_KEYS", "hidden")
    plugin = await workers.started(
        "def ask(self):\n    import os\n    return [dict(os.environ), sorted(os.listdir('/proc/self/fd'))]"
    )
    environment, descriptors = await plugin.execute("ask", None, LONG_S)
    assert sorted(environment) == ["HOME", "ISP_PLUGIN_BRAND", "LANG", "PATH", "TMPDIR"]
    assert len(descriptors) <= 7  # three standard ones, the channel, what it waits in, and the listing itself
    await plugin.stop()


async def test_what_is_missing_to_start_it_is_told(workers):
    from isp_plugins.contracts.worker import WorkerProgram

    workers.plugin("pass")
    program = WorkerProgram(("/nonexistent/python",), folder=workers.folder)
    with pytest.raises(PluginFailedError, match=r"does not start: /nonexistent/python cannot be run"):
        await workers.start(program=program)


async def test_program_that_does_not_speak_is_told(workers):
    from isp_plugins.contracts.worker import WorkerProgram

    workers.plugin("pass")
    workers.settings = WorkerSettings(handshake_timeout=0.2)
    program = WorkerProgram(("/bin/sleep", "60"), folder=workers.folder)
    with pytest.raises(PluginFailedError, match=r"did not answer the handshake within 0\.2 s"):
        await workers.start(program=program)
