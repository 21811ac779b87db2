"""Plugins with grants in real workers, through the runtime: what holds, what is denied and told, and what still works."""

import os
import socket
import stat
from dataclasses import replace
from pathlib import Path

import pytest

from isp_plugin_sdk.sandbox.grants import Grants
from isp_plugin_sdk.sandbox.policy import Enforcement
from isp_plugin_sdk.sandbox.privileges import exists_here
from isp_plugins.clock import SystemClock
from isp_plugins.contracts.grants import DenialKind
from isp_plugins.contracts.worker import WorkerProgram
from isp_plugins.runtime.errors import ExecutionFailedError
from isp_plugins.runtime.worker import WorkerRuntime, WorkerSettings
from isp_plugins.runtime.worker.confining import Confiner, own_folder
from isp_plugins.runtime.worker.errors import WorkerNotStartedError
from support.runtime import WorkerFolder
from support.sandbox import IS_ROOT

FIRST_UID = 1_879_048_192 if exists_here(1_879_048_192 + 10_000) else 65_000
BODY = """
    def read(self, path): return pathlib.Path(path).read_text()
    def own(self):
        pathlib.Path(os.environ["HOME"], "kept").write_text("x")
        with tempfile.TemporaryFile() as file: file.write(b"x")
        return os.environ["HOME"], os.getuid(), os.getcwd()
    def keep(self, value): self.context.set("k", value); return self.context.get("k")
    def run(self, hook): return self.context.dispatch(hook, {})
    def connect(self, host, port): socket.create_connection((host, port), 5).close(); return True
    def seen(self): return self.config
    def signal(self): os.kill(os.getppid(), 0)
    def by_hand(self, port):
        for number in range(3, 64):
            try: channel = socket.socket(fileno=os.dup(number))
            except OSError: continue
            if channel.type == socket.SOCK_SEQPACKET:
                question = {"id": 99, "connect": {"host": "127.0.0.1", "port": port, "family": 0, "timeout_ms": 1000}}
                channel.send(json.dumps(question).encode())
                return json.loads(channel.recv(65536))
"""


class Confined(WorkerFolder):
    """Workers with grants."""

    def __init__(self, folder, data_dir):
        super().__init__(folder)
        self.settings = WorkerSettings(handshake_timeout=60)
        self.data_dir = data_dir
        self.denials = []
        self.grants = Grants()
        self.enforcement = Enforcement.REQUIRE
        self.first_uid = FIRST_UID
        self.plugin(BODY, head="import json, os, socket, pathlib, tempfile")

    def runtime(self):
        confiner = Confiner(
            self.data_dir, self.enforcement, self.first_uid, lambda *denial: self.denials.append(denial)
        )
        return WorkerRuntime(self.settings, SystemClock(), self.deaths.append, confiner=confiner)

    def request(self, **changes):
        request = super().request(**changes)
        return replace(request, program=replace(request.program, grants=self.grants))


@pytest.fixture
def workers(tmp_path):
    (tmp_path / "code").mkdir()
    (tmp_path / "data").mkdir(mode=0o700)
    (tmp_path / "data" / "secrets.key").write_text("the-key")
    return Confined(tmp_path / "code", tmp_path / "data")


@pytest.fixture
async def start(workers):
    started = []

    async def start(grants=None, **changes):
        workers.grants = Grants.of(grants or {})
        running = await workers.start(**changes)
        started.append(running)
        return running

    yield start
    for running in started:
        await running.stop()


async def failure_of(running, method, parameters=None):
    with pytest.raises(ExecutionFailedError) as caught:
        await running.execute(method, parameters, 10)
    return str(caught.value)


async def test_worker_with_grants_has_the_full_sandbox(start):
    running = await start()
    assert running.sandbox["level"] == "full"
    assert {"files", "network", "signals", "system calls", "limits", "privileges"} <= set(
        running.sandbox["holds"]
    )


async def test_worker_without_grants_is_trusted(workers):
    request = WorkerFolder.request(workers)
    running = await workers.runtime().start(request)
    assert running.sandbox is None
    await running.stop()


async def test_host_is_out_of_reach(start, workers):
    running = await start()
    assert "Permission" in await failure_of(running, "read", {"path": str(workers.data_dir / "secrets.key")})
    assert "not permitted" in await failure_of(running, "signal")


async def test_own_folder_is_the_plugins_alone_and_survives(start, workers):
    running = await start()
    home, uid, folder = await running.execute("own", None, 10)
    assert Path(home) == own_folder(workers.data_dir, workers.id)
    assert Path(folder) == workers.folder
    assert uid == (FIRST_UID + workers.id if IS_ROOT else os.getuid())
    assert stat.S_IMODE(Path(home).stat().st_mode) == 0o700
    await running.stop()
    again = await start()
    assert await again.execute("read", {"path": f"{home}/kept"}, 10) == "x"


async def test_other_plugins_folder_is_out_of_reach(start, workers):
    running = await start()
    other = own_folder(workers.data_dir, workers.id + 1)
    other.mkdir(parents=True)
    (other / "secret").write_text("x")
    other.chmod(0o755)
    assert "Permission" in await failure_of(running, "read", {"path": str(other / "secret")})


async def test_host_calls_that_are_not_granted_are_refused_and_told(start, workers):
    running = await start({"host_calls": ["dispatch:invoice_*"]})
    assert 'host_calls = ["storage"]' in await failure_of(running, "keep", {"value": 1})
    assert "dispatch:customer_created" in await failure_of(running, "run", {"hook": "customer_created"})
    told = [(plugin, name, denial.kind, denial.what) for plugin, name, denial in workers.denials]
    assert told == [
        (workers.id, "sample", DenialKind.HOST_CALL, "storage"),
        (workers.id, "sample", DenialKind.HOST_CALL, "dispatch:customer_created"),
    ]


async def test_host_calls_that_are_granted_are_served(start):
    running = await start({"host_calls": ["storage"]})
    assert await running.execute("keep", {"value": 7}, 10) == 7


async def test_peer_that_is_granted_is_reached_and_no_other(start, workers):
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        running = await start({"network": [f"127.0.0.1:{port}"]})
        assert await running.execute("connect", {"host": "127.0.0.1", "port": port}, 10) is True
        assert "192.0.2.1:25" in await failure_of(running, "connect", {"host": "192.0.2.1", "port": 25})
        assert [denial.what for _, _, denial in workers.denials] == ["192.0.2.1:25"]


async def test_broker_that_is_asked_behind_the_sdks_back_gives_the_same_answer(start, workers):
    running = await start({"network": ["127.0.0.1:1"]})
    answer = await running.execute("by_hand", {"port": 22}, 10)
    assert answer["error"]["kind"] == "not_granted"
    assert [denial.what for _, _, denial in workers.denials] == ["127.0.0.1:22"]


async def test_secrets_that_are_not_granted_are_not_handed_over(start, workers):
    config = {"url": "u", "api_key": "s1", "other": "s2"}
    running = await start(
        {"secrets": ["api_key"]}, config=config, secret_keys=frozenset({"api_key", "other"})
    )
    assert await running.execute("seen", None, 10) == {"url": "u", "api_key": "s1"}
    assert [(denial.kind, denial.what) for _, _, denial in workers.denials] == [(DenialKind.SECRET, "other")]


async def test_grant_that_reaches_the_data_directory_is_not_started(start, workers):
    with pytest.raises(WorkerNotStartedError, match="data directory"):
        await start({"files": {"read": [str(workers.data_dir)]}})


@pytest.mark.skipif(not IS_ROOT, reason="only root has something to give up that it may not be able to")
async def test_worker_that_cannot_have_what_is_required_says_what_is_lacking(start, workers):
    """Whoever reads the plugin's cause learns it, not only that a process ended with some code."""
    workers.first_uid = 0
    with pytest.raises(
        WorkerNotStartedError, match=r"sandbox is required.*user \(it runs as root.*best-effort"
    ):
        await start()


async def test_switched_off_sandbox_is_told(start, workers):
    workers.enforcement = Enforcement.OFF
    running = await start()
    assert running.sandbox["level"] == "none"


COMMAND = r"""
import json, os, sys
try:
    stolen = open(sys.argv[1]).read()
except OSError as error:
    stolen = type(error).__name__
try:
    os.fork()
    forked = "yes"
except OSError as error:
    forked = type(error).__name__
for line in sys.stdin:
    message = json.loads(line)
    results = {"handshake": {"protocol": 1}, "initialize": {"hooks": [], "methods": [], "capabilities": []}, "info": {"stolen": stolen, "forked": forked}}
    if "id" in message:
        print(json.dumps({"jsonrpc": "2.0", "id": message["id"], "result": results.get(message["method"], {})}), flush=True)
    elif message.get("method") == "exit":
        break
"""


async def test_program_in_another_language_is_confined_too(workers):
    """Python stands for it: started by a command, it knows nothing of the SDK."""
    (workers.folder / "plugin.py").write_text(COMMAND)
    program = WorkerProgram(
        ("/usr/bin/python3", "-I", "plugin.py", str(workers.data_dir / "secrets.key")),
        workers.folder,
        speaks_over_stdio=True,
        grants=Grants(),
    )
    if not Path(program.argv[0]).exists():
        pytest.skip("no interpreter of the system")
    request = replace(WorkerFolder.request(workers), program=program)
    running = await workers.runtime().start(request)
    try:
        assert running.sandbox["level"] == "full"
        assert await running.info() == {"stolen": "PermissionError", "forked": "PermissionError"}
    finally:
        await running.stop()


def test_user_numbers_of_a_container_are_known():
    assert exists_here(5, "         0     100000      65536\n")
    assert not exists_here(70_000, "         0     100000      65536\n")
