"""Each thing that the host asks a plugin can hang, or end its worker: it is told in time, by name, and no process is left."""

from dataclasses import replace

import pytest

from isp_plugins.contracts.worker import DeathReason
from isp_plugins.runtime.errors import (
    ActivateFailedError,
    ConfigureFailedError,
    ExecutionFailedError,
    ExecutionTimedOutError,
    InfoFailedError,
)
from isp_plugins.runtime.worker import WorkerDiedError, WorkerSettings
from support.hostile import LONG_S, OneRuntime
from support.waiting import until

HANG = "__import__('time').sleep(600)"
HELD = "__import__('re').match('(a+)+$', 'a' * 60 + 'b')"
"""A regular expression that backtracks for ever in C: no other thread of the worker gets the interpreter."""


@pytest.fixture
async def quick(tmp_path):
    """Workers that are given up soon after a deadline, and patiently started."""
    workers = OneRuntime(tmp_path)
    workers.settings = WorkerSettings(handshake_timeout=60.0, hang_grace=0.3, stop_grace=1.0)
    yield workers
    await workers.end()


async def impatient(workers, body):
    """A plugin that may start slowly, and from then on has little time for everything."""
    plugin = await workers.started(body)
    plugin._request = replace(plugin._request, initialize_deadline_s=1.0, load_deadline_s=1.0)
    return plugin


async def killed_for(workers, what):
    """The one death names what still ran."""
    await until(lambda: workers.deaths, within=60)
    (death,) = workers.deaths
    assert death.reason is DeathReason.UNRESPONSIVE
    assert f"{what} still ran 0.3 s after its deadline had passed" in death.detail


@pytest.mark.parametrize("kind", ["def", "async def"])
async def test_activate_that_hangs_is_told_and_its_worker_ended(quick, kind):
    plugin = await impatient(quick, f"{kind} activate(self):\n    {HANG}")
    with pytest.raises(ActivateFailedError, match="did not return within 1 s"):
        await plugin.activate()
    await killed_for(quick, "activate")


async def test_configure_that_hangs_is_told_and_its_worker_ended(quick):
    plugin = await impatient(quick, f"def configure(self, config):\n    {HANG}")
    with pytest.raises(ConfigureFailedError, match="did not return within 1 s"):
        await plugin.configure({"a": 1})
    await killed_for(quick, "configure")


async def test_get_info_that_hangs_is_told_and_its_worker_ended(quick):
    plugin = await impatient(quick, f"def get_info(self):\n    {HANG}")
    with pytest.raises(InfoFailedError, match="did not return within 1 s"):
        await plugin.info()
    await killed_for(quick, "info")


async def test_test_connection_that_hangs_is_told_and_its_worker_ended(quick):
    plugin = await impatient(quick, f"def test_connection(self):\n    {HANG}")
    assert await plugin.test_connection() == {
        "ok": False,
        "message": "it did not return within 1 s and was abandoned",
    }
    await killed_for(quick, "test_connection")


async def test_health_check_that_hangs_is_no_answer_and_its_worker_ended(quick):
    plugin = await quick.started(f"def health_check(self):\n    {HANG}")
    report = await plugin.health(1.0)
    assert (report["answered"], report["status"]) == (False, "unhealthy")
    await killed_for(quick, "health")


async def test_call_that_holds_the_interpreter_is_given_up_and_its_worker_ended(quick):
    plugin = await quick.started(f"def hold(self):\n    {HELD}")
    with pytest.raises(ExecutionTimedOutError):
        await plugin.execute("hold", None, 1.0)
    await killed_for(quick, "hold")


async def test_coroutine_that_never_gives_its_loop_back_is_given_up_and_its_worker_ended(quick):
    plugin = await quick.started("async def spin(self):\n    while True: pass")
    with pytest.raises(ExecutionTimedOutError):
        await plugin.execute("spin", None, 1.0)
    await killed_for(quick, "spin")


async def test_worker_that_holds_the_interpreter_in_the_background_answers_no_ping_and_is_ended(quick):
    quick.settings = WorkerSettings(handshake_timeout=60.0, ping_interval=0.2, ping_misses=3, stop_grace=1.0)
    body = f"def begin(self):\n    import threading\n    threading.Timer(0.1, lambda: {HELD}).start()"
    plugin = await quick.started(body)
    await plugin.execute("begin", None, LONG_S)
    await until(lambda: quick.deaths, within=60)
    assert "it answered none of 3 pings" in quick.deaths[0].detail


ENDS = {
    "os._exit": ("__import__('os')._exit(7)", "it exited with code 7"),
    "segmentation fault": ("__import__('ctypes').string_at(0)", "it was ended by SIGSEGV"),
}


@pytest.mark.parametrize("how", ENDS)
async def test_worker_that_ends_in_initialize_is_told_with_the_cause(quick, how):
    code, words = ENDS[how]
    quick.plugin(f"def initialize(self):\n    {code}")
    with pytest.raises(WorkerDiedError, match=words):
        await quick.start()
    assert quick.runtime().living() == ()


@pytest.mark.parametrize("how", ENDS)
async def test_worker_that_ends_in_cleanup_is_told_with_the_cause(quick, how):
    code, words = ENDS[how]
    plugin = await quick.started(f"def cleanup(self):\n    {code}")
    assert words in await plugin.stop()
    assert quick.runtime().living() == ()


async def test_python_recursion_without_end_is_that_calls_error_and_the_worker_goes_on(quick):
    body = "def down(self):\n    return self.down()\ndef fine(self):\n    return 1"
    plugin = await quick.started(body)
    with pytest.raises(ExecutionFailedError, match="RecursionError"):
        await plugin.execute("down", None, LONG_S)
    assert await plugin.execute("fine", None, LONG_S) == 1
    await plugin.stop()
    assert quick.deaths == []
