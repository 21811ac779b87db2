"""The supervisor over real child processes: what they use is found, a breach ends that one only, and no stranger is touched."""

import asyncio
import os
import signal

import pytest

from isp_plugins.clock import SystemClock
from isp_plugins.contracts.worker import DeathReason, WorkerLimits
from isp_plugins.runtime.worker.resources import MIB
from isp_plugins.runtime.worker.sampling import read_workers
from isp_plugins.runtime.worker.supervisor import NOTHING, Supervisor
from isp_plugins.runtime.worker.trends import Thresholds
from support.pids import stranger_with
from support.workers import BURN, FILES, IDLE, LEAK, THREADS, WITH_CHILD, ChildWorker, child, looked

CAPS = WorkerLimits(512, 0, 1024, 256)


def supervisor(*workers: ChildWorker, **options: object) -> Supervisor:
    def living() -> list[ChildWorker]:
        return [worker for worker in workers if not worker.is_reaped]

    fields = {"clock": SystemClock(), "caps": CAPS, "interval": 60.0, **options}
    return Supervisor(living, **fields)


async def test_what_children_of_a_worker_use_is_the_workers() -> None:
    async with child(WITH_CHILD) as worker:
        watching = supervisor(worker)
        await watching.look()
        use = watching.of(1).use
        assert use.memory_bytes > 45 * MIB
        assert use.threads >= 2


@pytest.mark.parametrize(
    ("code", "limits", "words"),
    [
        (LEAK, WorkerLimits(memory_mb=40), "MiB of memory, and 40"),
        (BURN, WorkerLimits(cpu_percent=5), "% of a core, and 5"),
        (FILES, WorkerLimits(open_files=100), "open files, and 100"),
        (THREADS, WorkerLimits(threads=20), "threads, and 20"),
    ],
    ids=["memory", "cpu", "open files", "threads"],
)
async def test_one_above_its_limit_is_ended_with_the_limit_named_and_no_other_is(
    code: str, limits: WorkerLimits, words: str
) -> None:
    async with child(code, limits=limits) as culprit, child(IDLE, plugin_id=2, limits=limits) as other:
        watching = supervisor(culprit, other)
        await looked(watching, lambda: bool(culprit.killed))
        reason, detail = culprit.killed[0]
        assert reason is DeathReason.LIMIT
        assert words in detail
        assert not other.killed
        assert other.is_alive


async def test_culprits_are_named_although_no_limit_is_breached() -> None:
    async with child(BURN) as burning, child(LEAK, plugin_id=2) as leaking, child(IDLE, plugin_id=3) as idle:
        watching = supervisor(burning, leaking, idle, thresholds=Thresholds(busy_percent=10.0))
        await looked(watching, lambda: any("of a core" in words for words in watching.warnings(1)))
        await looked(watching, lambda: any("memory grows" in words for words in watching.warnings(2)))
        assert watching.warnings(3) == ()
        assert not burning.killed


async def test_what_a_worker_used_last_is_known_after_its_end() -> None:
    async with child(IDLE) as worker:
        watching = supervisor(worker)
        await watching.look()
        worker.reap()
        await watching.look()
        assert watching.of(1) is None
        assert watching.last_use(worker.pid, worker.started_at).memory_bytes > MIB


async def test_look_at_a_worker_that_has_ended_and_is_not_reaped_changes_nothing() -> None:
    async with child(IDLE) as worker:
        watching = supervisor(worker)
        await watching.look()
        used = watching.last_use(worker.pid, worker.started_at)
        os.kill(worker.pid, signal.SIGKILL)
        os.waitid(os.P_PIDFD, worker.pidfd, os.WEXITED | os.WNOWAIT)
        await watching.look()
        assert watching.last_use(worker.pid, worker.started_at) == used
        assert used.memory_bytes > MIB


async def test_reading_that_comes_after_a_workers_end_judges_nobody() -> None:
    reading, going = asyncio.Event(), asyncio.Event()
    loop = asyncio.get_running_loop()

    def slow(begun: object) -> object:
        found = read_workers(begun)
        loop.call_soon_threadsafe(reading.set)
        asyncio.run_coroutine_threadsafe(going.wait(), loop).result()
        return found

    async with child(IDLE, limits=WorkerLimits(memory_mb=1)) as worker:  # far above it: a breach at once
        watching = supervisor(worker, read=slow)
        looking = asyncio.create_task(watching.look())
        await reading.wait()
        worker.reap()
        going.set()
        await looking
        assert not worker.killed


async def test_stranger_that_got_a_workers_number_is_not_taken_for_it_nor_signalled() -> None:
    async with child(IDLE) as worker:
        living: list[ChildWorker] = [worker]
        watching = Supervisor(lambda: living, clock=SystemClock(), caps=WorkerLimits(), interval=60.0)
        await watching.look()
        samples = len(watching.of(1).samples)
        worker.reap()
        stranger = stranger_with(worker.pid)
        try:
            await watching.look()  # the worst: it is still believed to live
            assert len(watching.of(1).samples) == samples
            worker.kill(DeathReason.LIMIT, "too late")
            assert stranger.poll() is None
        finally:
            stranger.kill()
            stranger.wait()


async def test_new_worker_with_the_number_of_an_old_one_begins_anew() -> None:
    async with child(IDLE) as worker:
        living = [worker]
        watching = Supervisor(lambda: living, clock=SystemClock(), caps=CAPS, interval=60.0)
        await watching.look()
        assert watching.last_use(worker.pid, worker.started_at) != NOTHING
        living[0] = successor = ChildWorker(worker.pid, 1, WorkerLimits())
        os.close(successor.pidfd)
        assert not watching.of(1).samples
        assert watching.last_use(worker.pid, worker.started_at) == NOTHING


async def test_task_looks_by_itself_and_ends() -> None:
    async with child(IDLE) as worker:
        watching = supervisor(worker, interval=0.05)
        seen = asyncio.Event()
        watching.on_look = seen.set
        watching.start()
        await asyncio.wait_for(seen.wait(), 60)
        await watching.close()
        assert watching.of(1).samples
