"""Logs under trouble, on a real server: a flood, a full disk, a kill in the middle of a batch."""

import contextlib
import os
import resource
import subprocess
import time
from pathlib import Path

import pytest

from support.log_stream import CHATTY, execute, following, records
from support.server import api_server
from support.waiting import wait_until

MIB = 1024 * 1024
LOST_S = 1.0
"""What a kill may cost."""
LEEWAY_S = 2.0
"""What a busy machine may add."""
WRITTEN = 60_000
"""So many bytes of the witness, of some 18 a line: several batches; when in one the kill comes is left to chance."""
STEADY = """
import threading
import time

from app.services.plugin_service import PluginInterface


class Plugin(PluginInterface):
    def initialize(self):
        return True

    def write(self, path):
        threading.Thread(target=self._write, args=(path,), daemon=True).start()

    def _write(self, path):
        with open(path, "a") as file:
            for number in range(1_000_000):
                self.logger.info("%d", number)
                file.write(f"{time.time()}\\n")
                file.flush()
                time.sleep(0.0005)
"""


def pid_of(server):
    return server.process._process.pid


def rss_of(server):
    (line,) = (
        one for one in Path(f"/proc/{pid_of(server)}/status").read_text().splitlines() if "VmRSS" in one
    )
    return int(line.split()[1]) * 1024


def usage_of(server, plugin):
    items = server.admin.get("/plugins/logs/usage").raise_for_status().json()["items"]
    return next(item for item in items if item["plugin_id"] == plugin["id"])


def test_a_flood_leaves_memory_bounded_the_host_answering_and_the_others_heard(tmp_path):
    with api_server(tmp_path, ISP_PLUGINS_LOG_QUEUE_SIZE="1000") as server:
        flooder = server.plugin(CHATTY, enabled=True)
        quiet = server.plugin(CHATTY, enabled=True)
        before, slowest = rss_of(server), 0.0
        with following(server.admin, plugin_id=quiet["id"], q="round") as events:
            next(events)
            execute(server, flooder, "flood", 5.0)
            for number in range(20):
                began = time.monotonic()
                execute(server, quiet, "say", f"round {number}")
                slowest = max(slowest, time.monotonic() - began)
            written = execute(server, flooder, "flooded")
            assert [it["message"] for it in records(events, 20)] == [
                f"round {number} 0" for number in range(20)
            ]
        server.admin.get("/plugins/logs").raise_for_status()
        assert slowest < 30, "a busy machine is slow, a host that is held up hangs"
        assert rss_of(server) - before < 300 * MIB
        usage = usage_of(server, flooder)
        assert 0 < usage["dropped"] < written
        assert usage_of(server, quiet)["dropped"] == 0


@contextlib.contextmanager
def full_by_limit(server):
    """No file of the server's may grow any more: what a quota does. Nobody else notices."""
    _, hard = resource.prlimit(pid_of(server), resource.RLIMIT_FSIZE)
    resource.prlimit(pid_of(server), resource.RLIMIT_FSIZE, (1, hard))
    yield
    resource.prlimit(pid_of(server), resource.RLIMIT_FSIZE, (hard, hard))


@contextlib.contextmanager
def full_by_filling(server):
    """The data directory's own small file system is filled up."""
    filler = server.process.folder / "var" / "filler"
    with filler.open("wb", buffering=0) as file, contextlib.suppress(OSError):
        while True:
            file.write(bytes(MIB // 16))
    yield
    filler.unlink()


@pytest.fixture
def small_disk(tmp_path):
    """A folder whose `var` is a file system of 24 MiB, where this user may mount one."""
    (tmp_path / "var").mkdir(mode=0o700)
    mount = ["mount", "-t", "tmpfs", "-o", "size=24m,mode=0700", "isp-plugins-test", str(tmp_path / "var")]
    if os.geteuid() != 0 or subprocess.run(mount, check=False, capture_output=True).returncode != 0:
        pytest.skip("only root may mount a small file system")
    yield tmp_path
    subprocess.run(["umount", str(tmp_path / "var")], check=True)


def dispatch(server, count):
    for _ in range(count):
        answer = server.admin.post("/hooks/customer_created/dispatch", json={"payload": {"id": 1}})
        assert answer.raise_for_status().json()["status"] == "completed"


def assert_only_logs_are_lost_and_counted(folder, full):
    """Every invocation is logged before, during and after; all are stored or counted, and the host works on."""
    with api_server(folder, ISP_PLUGINS_LOG_QUEUE_SIZE="100") as server:
        plugin = server.plugin(CHATTY, enabled=True, log_level="DEBUG")
        server.hook(plugin, "customer_created", "plain")
        invoked = {"plugin_id": plugin["id"], "hook": "customer_created", "size": 1}
        dispatch(server, 50)
        assert server.admin.get("/plugins/logs", params=invoked).json()["total"] == 50
        with full(server):
            dispatch(server, 300)
            assert server.admin.get("/plugins/").is_success
            page = server.admin.get("/plugins/logs", params=invoked)
            assert page.raise_for_status().json()["total"] == 50
            assert server.admin.get("/plugins/logs/usage").json()["dropped"] > 0
        wait_until(lambda: usage_of(server, plugin)["dropped"], seen=server.process.log.read_text)
        dispatch(server, 50)
        stored = server.admin.get("/plugins/logs", params=invoked).json()["total"]
        assert stored + usage_of(server, plugin)["dropped"] == 400
        told = server.admin.get(
            "/plugins/logs", params={"plugin_id": plugin["id"], "level": "WARNING"}
        ).json()
        assert "were dropped" in told["items"][0]["message"]


def test_a_disk_that_is_full_loses_only_logs_and_counts_them(small_disk):
    assert_only_logs_are_lost_and_counted(small_disk, full_by_filling)


def test_a_quota_that_is_used_up_loses_only_logs_and_counts_them(tmp_path):
    assert_only_logs_are_lost_and_counted(tmp_path, full_by_limit)


def test_a_kill_in_the_middle_of_a_batch_costs_at_most_the_last_second(tmp_path):
    witness = tmp_path / "written.txt"
    with api_server(tmp_path) as server:
        plugin = server.plugin(STEADY, enabled=True)
        execute(server, plugin, "write", str(witness))
        wait_until(lambda: witness.exists() and witness.stat().st_size >= WRITTEN)
        server.process.kill()
        written = [float(line) for line in witness.read_text().splitlines() if "." in line]
        server.process.start()
        rows = server.admin.get(
            "/plugins/logs", params={"plugin_id": plugin["id"], "method": "_write", "size": 1}
        )
        last = int(rows.json()["items"][0]["message"])
        assert rows.json()["total"] == last + 1
    lost = written[last + 1 :]
    assert not lost or lost[0] >= written[-1] - LOST_S - LEEWAY_S
