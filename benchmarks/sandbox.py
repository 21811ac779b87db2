"""What the sandbox costs: on a call into a worker, on a worker's start, and on a connect by way of the host.

    python -m benchmarks.sandbox [--quick]

1. Workers of the same plugin and interpreter, with grants and so in the sandbox, and trusted; rounds alternate between them, and the
   median of the ratios of each round counts.
2. A worker with the grant `processes` is measured too: it lives in a namespace of processes, with two more beside it; what those take is printed, as the system counts
   it and as their share of what they have in common with others.
3. A call is an `invoke` of a hook's method that returns at once. A start is everything up to `initialize`, with the SDK's bytecode compiled before, as an
   installation compiles it: a worker in the sandbox may not write any, and would compile some modules at each start.
4. A connect is `socket.create_connection` to a listener of this process, direct and by way of the broker; printed without a bar.
"""

import argparse
import asyncio
import compileall
import itertools
import logging
import operator
import socket
import statistics
import sys
import tempfile
import time
from pathlib import Path

import isp_plugin_sdk
from benchmarks.harness import Row, Table
from isp_plugin_sdk.sandbox.grants import Grants
from isp_plugin_sdk.sandbox.policy import Enforcement
from isp_plugins.clock import SystemClock
from isp_plugins.contracts.runtime import StartRequest
from isp_plugins.contracts.worker import WorkerProgram
from isp_plugins.runtime.worker import WorkerRuntime, WorkerSettings
from isp_plugins.runtime.worker.confining import Confiner

CALLS, CALL_ROUNDS, STARTS, CONNECTS = 300, 41, 21, 200
COST, START = 1.05, 1.3
PROCESSES = Grants.of({"processes": True})
PLUGIN = """
import socket, time
from app.services.plugin_service import PluginInterface


class Plugin(PluginInterface):
    def initialize(self):
        return True

    def listen(self, payload):
        return payload["id"]

    def connects(self, port, times):
        began = time.perf_counter()
        for _ in range(times):
            socket.create_connection(("127.0.0.1", port)).close()
        return (time.perf_counter() - began) / times
"""
_ids = itertools.count(1)


class Workers:
    """Starts the same plugin with and without a sandbox."""

    def __init__(self, folder, port):
        (folder / "code").mkdir()
        (folder / "data").mkdir()
        (folder / "code" / "measured.py").write_text(PLUGIN)
        confiner = Confiner(folder / "data", Enforcement.BEST_EFFORT, 1_879_048_192, lambda *_: None)
        self.runtime = WorkerRuntime(
            WorkerSettings(handshake_timeout=60), SystemClock(), lambda _: None, confiner=confiner
        )
        self.folder = folder / "code"
        self.grants = Grants.of({"network": [f"127.0.0.1:{port}"]})

    async def start(self, *, confined, grants=None):
        argv = (
            sys.executable,
            "-I",
            "-m",
            "isp_plugin_sdk.serve",
            "--path",
            str(self.folder),
            "measured:Plugin",
        )
        program = WorkerProgram(argv, self.folder, grants=(grants or self.grants) if confined else None)
        return await self.runtime.start(
            StartRequest(
                plugin_id=next(_ids), plugin_name="measured", generation=1, module_path="measured", entry_point="Plugin", config={},
                trusted_inline=False, logger=logging.getLogger("measured"), host=None, load_deadline_s=60, initialize_deadline_s=60,
                cleanup_deadline_s=60, program=program,
            )
        )  # fmt: skip


async def calls(workers, table, rounds):
    """The cost of the sandbox on a call."""
    plain, confined = await workers.start(confined=False), await workers.start(confined=True)
    table.add_note(f"level: {confined.sandbox['level']}")
    ratios, times = [], []
    try:
        both = [running.callee("listen").call for running in (plain, confined)]
        for _ in range(rounds):
            took = [await timed(call) for call in both]
            ratios.append(took[1] / took[0])
            times.append(took[1])
    finally:
        await plain.stop()
        await confined.stop()
    table.add(
        Row("a call into a sandboxed worker", statistics.median(ratios), "x unsandboxed", statistics.median(times) * 1e9, at_most=COST)
    )  # fmt: skip


async def timed(call):
    """Seconds of one call, of many in a row."""
    payload = {"id": 7}
    began = time.perf_counter()
    for _ in range(CALLS):
        await call(payload)
    return (time.perf_counter() - began) / CALLS


async def starts(workers, table, rounds):
    """The cost of the sandbox on a start."""
    kinds = {"start of a sandboxed worker": workers.grants, "the same with the grant `processes`": PROCESSES}
    took = {name: [] for name in (None, *kinds)}
    for _ in range(rounds):
        for name, times in took.items():
            began = time.perf_counter()
            running = await workers.start(confined=name is not None, grants=kinds.get(name))
            times.append(time.perf_counter() - began)
            await running.stop()
    for name in kinds:
        ratio = statistics.median(map(operator.truediv, took[name], took[None]))
        table.add(Row(name, ratio, "x unsandboxed", statistics.median(took[name]) * 1e9, at_most=START))


async def beside(workers, table):
    """The memory of the two processes that stand beside a worker in a namespace of processes."""
    running = await workers.start(confined=True, grants=PROCESSES)
    try:
        if "lineage" not in running.sandbox["holds"]:
            table.add_note("no namespace of processes to be had here")
            return
        (first,) = children_of(running.pid)
        for name, pid in (("the outer process", running.pid), ("the first process", first)):
            resident, share = (memory_of(pid, kind) for kind in ("Rss", "Pss"))
            table.add(Row(f"{name}, memory as the system counts it", resident, "MiB"))
            table.add(Row(f"{name}, its share", share, "MiB"))
    finally:
        await running.stop()


def children_of(pid):
    """Process ids, from outside."""
    return [int(each) for each in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def memory_of(pid, kind):
    """MiB of a process, of one line of its summary."""
    lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(f"{kind}:")) / 1024


async def connects(workers, table, port, times):
    """A connect by way of the host."""
    plain, confined = await workers.start(confined=False), await workers.start(confined=True)
    ratios, brokered = [], []
    try:
        for _ in range(5):
            took = [
                await running.execute("connects", {"port": port, "times": times}, 60)
                for running in (plain, confined)
            ]
            ratios.append(took[1] / took[0])
            brokered.append(took[1])
    finally:
        await plain.stop()
        await confined.stop()
    table.add(
        Row(
            "a connect by way of the host",
            statistics.median(ratios),
            "x direct",
            statistics.median(brokered) * 1e9,
        )
    )


async def measure(quick):
    table = NotedTable("The sandbox")
    table.start()
    compileall.compile_dir(Path(isp_plugin_sdk.__file__).parent, quiet=1)
    with (
        tempfile.TemporaryDirectory() as folder,
        socket.create_server(("127.0.0.1", 0), backlog=4096) as server,
    ):
        server.setblocking(False)
        loop = asyncio.get_running_loop()
        loop.add_reader(server.fileno(), _answer, server)
        port = server.getsockname()[1]
        workers = Workers(Path(folder), port)
        await calls(workers, table, 7 if quick else CALL_ROUNDS)
        await starts(workers, table, 5 if quick else STARTS)
        await beside(workers, table)
        await connects(workers, table, port, 50 if quick else CONNECTS)
        loop.remove_reader(server.fileno())
    return table


def _answer(server):
    server.accept()[0].close()


class NotedTable(Table):
    """A table with a line of text in between."""

    def add_note(self, text):
        print(f"  {text}", flush=True)


def main(argv=()):
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--quick", action="store_true", help="few rounds, to see that it works")
    return asyncio.run(measure(parser.parse_args(argv).quick)).failed


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
