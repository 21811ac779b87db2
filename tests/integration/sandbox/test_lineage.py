"""What a worker starts ends with it, and with the host, killed as hard as can be: by the kernel where it has namespaces of processes, else by its brand."""

import asyncio
import json
import os
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from isp_plugin_sdk.sandbox.grants import Grants
from isp_plugin_sdk.sandbox.policy import Enforcement
from isp_plugins.clock import SystemClock
from isp_plugins.contracts.worker import DeathReason
from isp_plugins.runtime.errors import ExecutionFailedError
from isp_plugins.runtime.worker import WorkerRuntime, WorkerSettings
from isp_plugins.runtime.worker.confining import Confiner
from isp_plugins.runtime.worker.errors import WorkerDiedError
from isp_plugins.runtime.worker.leftovers import VARIABLE, Leftovers
from support.forked import AsyncForked
from support.lineage import FIRST_UID, HEAD, SPAWN, alive_with
from support.runtime import WorkerFolder
from support.waiting import until

TESTS = Path(__file__).parents[2]
LONG_S = 60


class Granted(WorkerFolder):
    """Workers that may start processes."""

    def __init__(self, folder, data_dir):
        super().__init__(folder)
        self.settings = WorkerSettings(handshake_timeout=60, stop_grace=5)
        self.data_dir = data_dir
        self.grants = Grants.of({"processes": True})
        self.plugin(SPAWN, head=HEAD)

    def runtime(self):
        confiner = Confiner(self.data_dir, Enforcement.BEST_EFFORT, FIRST_UID, lambda *_: None)
        return WorkerRuntime(self.settings, SystemClock(), self.deaths.append, confiner=confiner)

    def request(self, **changes):
        request = super().request(**changes)
        return replace(request, program=replace(request.program, grants=self.grants))


@pytest.fixture
def folders(tmp_path):
    (tmp_path / "code").mkdir()
    (tmp_path / "data").mkdir(mode=0o700)
    return tmp_path


@pytest.fixture
def granted(folders):
    return Granted(folders / "code", folders / "data")


def needs_lineage(running):
    if "lineage" not in running.sandbox["holds"]:
        pytest.skip("the kernel gives this user no namespace of processes")


async def test_all_that_a_worker_started_ends_with_it(granted, tmp_path):
    running = await granted.start()
    needs_lineage(running)
    started = await running.execute("spawn", {"token": str(tmp_path)}, LONG_S)
    assert "in the group" in started
    await until(lambda: len(alive_with(str(tmp_path))) >= 3, within=LONG_S)
    await running.stop()
    await until(lambda: alive_with(str(tmp_path)) == [], within=LONG_S)


@pytest.mark.parametrize("kind", ["granted", "trusted"])
async def test_nothing_outlives_a_host_that_was_killed(folders, kind):
    """With a namespace by the kernel, at once; without one when the next host starts."""
    host = await AsyncForked.start("support.lineage_host", kind, folders)
    told = json.loads(await host.stdout.readline())
    assert alive_with(str(folders))
    host.kill()
    await host.wait()
    await until(lambda: not Path(f"/proc/{told['worker']}").exists(), within=LONG_S)
    if kind == "granted" and "lineage" in told["sandbox"]["holds"]:
        await until(lambda: alive_with(str(folders)) == [], within=LONG_S)
        return
    emptied = 1
    assert len(alive_with(str(folders))) > emptied
    assert Leftovers.of(folders / "data").end_all() > 0
    await until(lambda: len(alive_with(str(folders))) <= emptied, within=LONG_S)
    for pid in alive_with(
        str(folders)
    ):  # what only a namespace of processes holds, as the documentation says
        os.kill(pid, signal.SIGKILL)


async def test_what_a_trusted_worker_left_in_another_session_ends_with_it(folders):
    plain = WorkerFolder(folders / "code")
    plain.plugin(SPAWN, head=HEAD)
    running = await plain.start()
    started = await running.execute("spawn", {"token": str(folders)}, LONG_S)
    assert "in a session of its own" in started
    await running.stop()
    await until(lambda: alive_with(str(folders)) == [], within=LONG_S)


ENDINGS = {
    "exits": ("os._exit(7)", DeathReason.EXITED, "code 7"),
    "is ended by a signal": (
        "import ctypes; ctypes.string_at(0)",
        DeathReason.SIGNALLED,
        "SIGSEGV",
    ),
    "kills all it sees": (
        "import contextlib\nfor each in (-1, 1, os.getpid()):\n    with contextlib.suppress(OSError): os.kill(each, 9)",
        DeathReason.SIGNALLED,
        "SIGKILL",
    ),
}


@pytest.mark.parametrize("how", ENDINGS)
async def test_death_in_a_namespace_is_told_as_it_was(granted, how):
    code, reason, words = ENDINGS[how]
    running = await granted.start()
    with pytest.raises(WorkerDiedError):
        await running.execute("die", {"how": code}, LONG_S)
    await until(lambda: granted.deaths, within=LONG_S)
    (death,) = granted.deaths
    assert death.reason is reason
    assert words in death.detail
    assert death.pid == running.pid


async def test_worker_in_a_namespace_sees_nobody_else(granted):
    running = await granted.start()
    needs_lineage(running)
    assert await running.execute("quiet", None, LONG_S) == 2
    with pytest.raises(ExecutionFailedError, match="No such process"):
        await running.execute("die", {"how": f"os.kill({os.getpid()}, 0)"}, LONG_S)
    await running.stop()


async def test_worker_in_a_namespace_stops_in_good_order(granted):
    running = await granted.start()
    assert await running.stop() is None
    assert granted.deaths == []


async def test_stranger_without_the_brand_is_never_ended(folders):
    leftovers = Leftovers.of(folders / "data")
    others = Leftovers.of(None)
    strangers = {
        "another brand": {VARIABLE: others.brand()},
        "the brand in another variable": {"X": f"{VARIABLE}={leftovers.brand()}"},
        "the family alone": {VARIABLE: leftovers.family},
        "nothing": {},
    }
    children = [
        subprocess.Popen([sys.executable, "-I", "-c", "import sys; sys.stdin.read()"], stdin=subprocess.PIPE, env=environment)
        for environment in strangers.values()
    ]  # fmt: skip
    ours = subprocess.Popen(
        [sys.executable, "-I", "-c", "import sys; sys.stdin.read()"],
        stdin=subprocess.PIPE,
        env={VARIABLE: leftovers.brand()},
    )
    try:
        assert await asyncio.to_thread(leftovers.end_all) == 1
        assert ours.wait(LONG_S) == -signal.SIGKILL
        assert [child.poll() for child in children] == [None] * len(children)
    finally:
        for child in (*children, ours):
            child.kill()
            child.wait()
            child.stdin.close()


def test_brand_of_a_data_directory_is_the_same_at_the_next_start(folders):
    first = Leftovers.of(folders / "data")
    assert Leftovers.of(folders / "data").family == first.family
    assert (folders / "data" / "workers.brand").stat().st_mode & 0o777 == 0o600
    assert first.brand() != first.brand()
