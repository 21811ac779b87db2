"""Plugins in workers: what an isolated call costs, how many there are in a second, and how fast a worker is up.

    python -m benchmarks isolation

1. One call, 200 bytes, one in flight: p50 against a blocking byte ping-pong of as many bytes between two processes on a socketpair, rounds
   in turn; with the standard library's JSON in the worker, and with orjson.
2. Calls a second with 32 in flight, against grpcio unary calls over a unix socket that carry the same JSON.
3. Enable to active of a plugin with only the SDK, against the bare start of the same interpreter that imports the same modules; on a
   whole plugin system with its database, and of the worker alone. The same of an installed package that imports httpx and pydantic, in the
   environment that its installation made: against that environment's own interpreter.
4. Idle workers: memory of each, and what they cost the host.
"""

import asyncio
import json
import logging
import os
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import replace
from pathlib import Path

import grpc
import uvloop

from benchmarks.harness import Row, Table
from isp_plugin_sdk.context import current_call
from isp_plugins.actors import SYSTEM
from isp_plugins.clock import SystemClock
from isp_plugins.contracts.runtime import StartRequest
from isp_plugins.lifecycle.orders import InstallOrder, SourceType
from isp_plugins.lifecycle.records import PluginDraft
from isp_plugins.operations import OperationState
from isp_plugins.packages.values import Source, SourceKind
from isp_plugins.runtime.worker import WorkerRuntime, WorkerSettings
from isp_plugins.runtime.worker.module_program import module_program
from isp_plugins.settings import Settings
from isp_plugins.system import PluginSystem

PAYLOAD = {"id": 7, "name": "Ada Lovelace", "email": "ada@example.org", "plan": {"name": "fiber", "speed": 500}, "tags": ["a", "b"],
    "note": "x" * 60}  # fmt: skip
BYTES = len(json.dumps(PAYLOAD, separators=(",", ":")))
ROUNDS = 31
CALLS = 200
IN_FLIGHT = 32
STARTS = 11
IDLE = 100
MIB_EACH = 40
"""What a worker is reckoned to need at most, in MiB: with less memory there are fewer."""
PLUGIN = """
from app.services.plugin_service import PluginInterface


class Plugin(PluginInterface):
    def echo(self, payload):
        return payload

    def modules(self):
        import sys
        return sorted(name for name in sys.modules if name != "__main__")
"""
ECHO = "import socket,sys\ns=socket.socket(fileno=int(sys.argv[1]))\nwhile 1:\n d=s.recv(65536)\n if not d: break\n s.sendall(d)\n"
GRPC = """
import grpc, json, sys
from concurrent.futures import ThreadPoolExecutor
def echo(request, context):
    return json.dumps(json.loads(request)).encode()
handler = grpc.method_handlers_generic_handler("plugin", {"echo": grpc.unary_unary_rpc_method_handler(echo)})
server = grpc.server(ThreadPoolExecutor(8))
server.add_generic_rpc_handlers((handler,))
server.add_insecure_port("unix:" + sys.argv[1])
server.start()
print("ready", flush=True)
server.wait_for_termination()
"""


class Nothing:
    """`HostCalls` and `CallInfo` of a benchmark."""

    request_id, hook, chain, context = "r" * 32, "customer_created", (), {}

    @property
    def deadline(self):
        return time.monotonic() + 5


def main():
    sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests"))
    table = Table(f"Isolation: calls of {BYTES} bytes into a worker")
    table.start()
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "plugins").mkdir()
        (Path(folder) / "plugins" / "bench.py").write_text(PLUGIN)
        uvloop.run(_calls(Path(folder), table))
    return table.failed


async def _calls(folder, table):

    logging.getLogger("bench").addHandler(logging.NullHandler())
    raw = _Raw()
    plain = await _started(folder, "--standard-json")
    fast = await _started(folder)
    _apart(plain.pid)
    _apart(fast.pid)
    current_call.set(Nothing())
    try:
        await _latency(table, raw, plain, fast)
        for pid in (0, plain.pid, fast.pid):
            _anywhere(pid or os.getpid())
        await _throughput(table, folder, plain, fast)
        modules = await plain.execute("modules", None, 10)
        await _start(table, folder, modules)
        await _start_with_packages(table, folder / "packaged")
        await _idle(table, folder)
    finally:
        raw.close()
        await plain.stop()
        await fast.stop()


def _anywhere(pid):
    """Let a process run on any CPU again."""
    for task in Path(f"/proc/{pid}/task").iterdir():
        os.sched_setaffinity(int(task.name), {FIRST, *REST})


def _request(folder, *options):
    program = module_program("plugins.bench", "Plugin", folders=[folder])
    *front, last = program.argv
    program = replace(program, argv=(*front, *options, last))
    return StartRequest(
        plugin_id=1, plugin_name="bench", generation=1, module_path="plugins.bench", entry_point="Plugin", config={}, trusted_inline=False,
        logger=logging.getLogger("bench"), host=Nothing(), load_deadline_s=60.0, initialize_deadline_s=60.0, cleanup_deadline_s=10.0,
        program=program,
    )  # fmt: skip


async def _started(folder, *options):
    runtime = WorkerRuntime(WorkerSettings(handshake_timeout=60.0), SystemClock(), print)
    return await runtime.start(_request(folder, *options))


FIRST, *REST = sorted(os.sched_getaffinity(0))


def _apart(pid):
    """Keep the other process off this one's CPU, where there are two, so that the same distance is measured for all."""
    if REST:
        os.sched_setaffinity(0, {FIRST})
        for task in Path(f"/proc/{pid}/task").iterdir():
            os.sched_setaffinity(int(task.name), REST)


class _Raw:
    """The bare limit: bytes to another process and back, blocking."""

    def __init__(self):
        self.end, theirs = socket.socketpair()
        self.child = subprocess.Popen(
            [sys.executable, "-I", "-c", ECHO, str(theirs.fileno())], pass_fds=[theirs.fileno()]
        )
        theirs.close()
        _apart(self.child.pid)
        self.data = json.dumps(PAYLOAD, separators=(",", ":")).encode()

    def p50(self, calls):
        took = []
        for _ in range(calls):
            began = time.perf_counter()
            self.end.sendall(self.data)
            self.end.recv(65536)
            took.append(time.perf_counter() - began)
        return statistics.median(took)

    def close(self):
        self.end.close()
        self.child.wait()


async def _p50(call, calls):
    took = []
    for _ in range(calls):
        began = time.perf_counter()
        await call(PAYLOAD)
        took.append(time.perf_counter() - began)
    return statistics.median(took)


async def _latency(table, raw, plain, fast):
    json_call, orjson_call = plain.callee("echo").call, fast.callee("echo").call
    rounds = [
        (raw.p50(CALLS), await _p50(json_call, CALLS), await _p50(orjson_call, CALLS))
        for _ in range(ROUNDS + 2)
    ][2:]
    for at, what, bar in ((1, "the standard library's JSON", 2.0), (2, "orjson", 1.5)):
        ratio = statistics.median(one[at] / one[0] for one in rounds)
        nanoseconds = statistics.median(one[at] for one in rounds) * 1e9
        table.add(
            Row(f"one call, p50, {what} in the worker", ratio, "x raw ping-pong", nanoseconds, at_most=bar)
        )


async def _flood(call, seconds):
    """Calls a second with so many in flight."""
    done = 0
    until = time.perf_counter() + seconds

    async def caller():
        nonlocal done
        while time.perf_counter() < until:
            await call(PAYLOAD)
            done += 1

    began = time.perf_counter()
    await asyncio.gather(*(caller() for _ in range(IN_FLIGHT)))
    return done / (time.perf_counter() - began)


async def _throughput(table, folder, plain, fast):
    path = str(folder / "grpc.sock")
    server = subprocess.Popen([sys.executable, "-c", GRPC, path], stdout=subprocess.PIPE)
    server.stdout.readline()
    loop = asyncio.get_running_loop()
    try:
        rounds = []
        for _ in range(5):
            peer = await loop.run_in_executor(None, lambda: asyncio.run(_grpc(path, 1.0)))
            rounds.append(
                (
                    peer,
                    await _flood(plain.callee("echo").call, 1.0),
                    await _flood(fast.callee("echo").call, 1.0),
                )
            )
    finally:
        server.kill()
        server.wait()
        server.stdout.close()
    for at, what in ((1, "the standard library's JSON"), (2, "orjson")):
        ratio = statistics.median(one[at] / one[0] for one in rounds)
        calls = statistics.median(one[at] for one in rounds)
        table.add(
            Row(f"{IN_FLIGHT} in flight, {what}: {calls:,.0f} calls/s", ratio, "x grpcio unary", at_least=5.0)
        )


async def _grpc(path, seconds):
    async with grpc.aio.insecure_channel("unix:" + path) as channel:
        unary = channel.unary_unary("/plugin/echo")

        async def call(payload):
            return json.loads(await unary(json.dumps(payload).encode()))

        await _flood(call, 0.2)
        return await _flood(call, seconds)


async def _start(table, folder, modules):
    """Starts in turn: the bare interpreter with the same imports, a worker, and a whole enable."""
    script = _importing(modules, "plugins")
    settings = Settings(data_dir=folder, worker_handshake_timeout=60.0)
    draft = PluginDraft.of({"name": "bench", "version": "1.0.0", "plugin_type": "CUSTOM", "module_path": "plugins.bench", "entry_point": "Plugin",
        "runtime": "process"})  # fmt: skip
    rounds = []
    async with PluginSystem.open(settings) as system:
        plugin = await system.manager.register(draft, SYSTEM)
        for _ in range(STARTS):
            began = time.perf_counter()
            subprocess.run([sys.executable, "-I", "-c", script], check=True)
            bare = time.perf_counter() - began
            began = time.perf_counter()
            worker = await _started(folder)
            alone = time.perf_counter() - began
            await worker.stop()
            began = time.perf_counter()
            await system.manager.enable(plugin.id, SYSTEM)
            whole = time.perf_counter() - began
            await system.manager.disable(plugin.id, SYSTEM)
            rounds.append((bare, alone, whole))
    for at, what, bar in (
        (1, "a worker from start to initialised", None),
        (2, "enable to active, SDK only", 3.0),
    ):
        ratio = statistics.median(one[at] / one[0] for one in rounds)
        nanoseconds = statistics.median(one[at] for one in rounds) * 1e9
        table.add(Row(what, ratio, "x bare start", nanoseconds, at_most=bar))


def _importing(modules, own):
    """A script that imports the same modules, the plugin's own apart."""
    names = [name for name in modules if not name.startswith((own, "isp_plugin_sdk.serve.__main__"))]
    return (
        f"import importlib\nfor n in {names!r}:\n try: importlib.import_module(n)\n except Exception: pass\n"
    )


async def _start_with_packages(table, folder):
    """The same for an installed plugin that needs httpx and pydantic; the wheels are made of what is installed here."""
    from support.wheels import make_plugin_wheel, repacked_with_needs

    code = PLUGIN.replace("\n\n", "\nimport httpx\nimport pydantic\n\n", 1)
    links = repacked_with_needs(["httpx", "pydantic"], folder / "links")
    wheel = make_plugin_wheel(folder, "heavy", requires=["httpx", "pydantic", "isp-plugin-sdk"], code=code)
    settings = Settings(
        data_dir=folder / "data", package_find_links=str(links), package_offline="yes",
        worker_handshake_timeout=60.0, load_timeout=60.0,
    )  # fmt: skip
    order = InstallOrder(
        source_type=SourceType.UPLOAD,
        source=Source(SourceKind.UPLOAD, str(wheel), name=wheel.name),
        accept_grants=True,
    )
    rounds = []
    async with PluginSystem.open(settings) as system:
        operation = await system.operations.wait((await system.installer.begin(order, SYSTEM)).id, 300)
        assert operation.state is OperationState.SUCCEEDED, operation
        plugin = system.directory.by_name("heavy")
        await system.manager.enable(plugin.id, SYSTEM)
        modules = (await system.manager.execute(plugin.id, "modules", None, SYSTEM)).value
        assert {"httpx", "pydantic"} <= set(modules)
        script, python = _importing(modules, "heavy"), _interpreter(settings.data_dir)
        for _ in range(STARTS):
            await system.manager.disable(plugin.id, SYSTEM)
            began = time.perf_counter()
            subprocess.run([python, "-I", "-c", script], check=True)
            bare = time.perf_counter() - began
            began = time.perf_counter()
            await system.manager.enable(plugin.id, SYSTEM)
            rounds.append((bare, time.perf_counter() - began))
    ratio = statistics.median(whole / bare for bare, whole in rounds)
    nanoseconds = statistics.median(whole for _, whole in rounds) * 1e9
    what = "enable to active, httpx and pydantic"
    table.add(Row(what, ratio, "x bare start", nanoseconds, at_most=3.0))


def _interpreter(data_dir):
    """The one environment's."""
    (found,) = (data_dir / "environments").glob("*/bin/python")
    return found


async def _idle(table, folder):
    """What workers cost that nobody calls."""
    count = min(IDLE, _available_mib() // 2 // MIB_EACH)
    if count < IDLE:
        print(f"  {count} idle workers instead of {IDLE}: there is no memory for more", flush=True)
    workers = []
    try:
        while len(workers) < count:
            workers.append(await _started(folder))
        began, used = time.perf_counter(), time.process_time()
        await asyncio.sleep(3)
        host = (time.process_time() - used) / (time.perf_counter() - began) * 100
        memory = statistics.mean(_private_mib(worker.pid) for worker in workers)
        table.add(Row(f"{count} idle workers: memory of each, not shared", memory, "MiB"))
        table.add(Row(f"{count} idle workers: processor time of the host", host, "% of a core", at_most=5.0))
    finally:
        await asyncio.gather(*(worker.stop() for worker in workers))


def _available_mib():
    """Memory that may be taken without pushing anything out."""
    lines = Path("/proc/meminfo").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("MemAvailable:")) // 1024


def _private_mib(pid):
    """Memory that only this process has."""
    lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    kib = sum(int(line.split()[1]) for line in lines if line.startswith("Private_"))
    return kib / 1024


if __name__ == "__main__":
    sys.exit(main())
