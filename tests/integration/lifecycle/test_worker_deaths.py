"""Real child processes under a real system: one that dies is skipped, named, restarted and in the end left alone; others are not touched."""

import asyncio
import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import replace
from pathlib import Path

import httpx
import pytest
import uvicorn

from isp_plugins.access.bootstrap import ensure_admin_key
from isp_plugins.actors import HOST
from isp_plugins.api.factory import create_app
from isp_plugins.contracts.vocabulary import HealthStatus, State
from isp_plugins.contracts.worker import DeathReason, WorkerLimits
from isp_plugins.settings import Settings
from isp_plugins.system import PluginSystem
from support.child_runtime import ChildRuntime
from support.commands import run
from support.fakes_lifecycle import draft
from support.waiting import until
from support.workers import BURN, IDLE, LEAK

HOOK = "customer_created"
CRASH = "print('ready', flush=True)\nimport sys\nsys.exit(7)"
Cli = Callable[..., Awaitable[subprocess.CompletedProcess[str]]]
CODES = {"good": IDLE, "crashing": CRASH, "leaking": LEAK, "burning": BURN, "victim": IDLE}


@pytest.fixture
def runtime() -> ChildRuntime:
    return ChildRuntime(CODES)


@pytest.fixture
async def system(quick: Settings, runtime: ChildRuntime) -> AsyncIterator[PluginSystem]:
    """The system with children for plugins, and every pause short."""
    settings = replace(
        quick,
        recovery_backoff_max=0.1,
        restart_limit=2,
        worker_sample_interval=0.1,
        health_interval=60.0,
    )
    async with PluginSystem.open(settings) as system:
        runtime.serve(system.manager)
        yield system


@pytest.fixture
async def cli(system: PluginSystem, tmp_path: Path) -> AsyncIterator[Cli]:
    """The command line against the system, over real HTTP."""
    token = await ensure_admin_key(system.keys, system.data_directory.path)
    listening = socket.create_server(("127.0.0.1", 0))
    server = uvicorn.Server(uvicorn.Config(create_app(system), log_level="critical", lifespan="off"))
    serving = asyncio.create_task(server.serve(sockets=[listening]))
    url = f"http://127.0.0.1:{listening.getsockname()[1]}"

    async def call(*words: str) -> subprocess.CompletedProcess[str]:
        settings = {"ISP_PLUGINS_URL": url, "ISP_PLUGINS_API_KEY": str(token)}
        return await asyncio.to_thread(lambda: run(*words, cwd=tmp_path, **settings))

    yield call
    server.should_exit = True
    await serving


async def enabled(system: PluginSystem, name: str) -> int:
    plugin = await system.manager.register(draft(name), HOST)
    return (await system.manager.enable(plugin.id, HOST)).id


def state_of(system: PluginSystem, plugin_id: int) -> State:
    return system.directory.get(plugin_id).state


def pid_of(runtime: ChildRuntime, plugin_id: int) -> int:
    (found,) = [pid for pid, plugin in runtime.plugins.items() if plugin.request.plugin_id == plugin_id]
    return found


async def said(system: PluginSystem) -> list[str]:
    result = await system.dispatch(HOOK, {"id": 7})
    return [f"{one.plugin}: {one.skip_reason or one.status}" for one in result.outcomes]


async def test_crash_loop_ends_in_quarantine_with_the_cause_kept(
    system: PluginSystem, runtime: ChildRuntime, api: httpx.AsyncClient
) -> None:
    good, crashing = await enabled(system, "good"), await enabled(system, "crashing")
    pid = pid_of(runtime, good)
    await until(lambda: state_of(system, crashing) is State.QUARANTINED, within=60)
    record = system.directory.get(crashing)
    assert "exit code 7" in str(record.cause)
    answer = (await api.get(f"/plugins/{crashing}/deaths")).json()
    assert answer["total"] == 3
    assert {(death["reason"], death["exit_code"]) for death in answer["items"]} == {("exited", 7)}
    assert (state_of(system, good), pid_of(runtime, good)) == (State.ACTIVE, pid)
    shown = (await api.get(f"/plugins/{crashing}")).json()
    assert "exit code 7" in shown["health"]["reasons"][0]


async def test_killed_one_is_skipped_at_once_and_comes_back(
    system: PluginSystem, runtime: ChildRuntime, api: httpx.AsyncClient
) -> None:
    await enabled(system, "good")
    victim = await enabled(system, "victim")
    assert await said(system) == ["good: ok", "victim: ok"]
    async with system.manager._stage.locks.of(victim):  # it cannot come back yet
        os.kill(pid_of(runtime, victim), signal.SIGKILL)
        await until(
            lambda: not [pid for pid, one in runtime.plugins.items() if one.request.plugin_id == victim]
        )
        assert await said(system) == ["good: ok", "victim: worker_down"]
    await until(lambda: state_of(system, victim) is State.ACTIVE and runtime.starts == 3, within=60)
    assert await said(system) == ["good: ok", "victim: ok"]
    shown = (await api.get(f"/plugins/{victim}")).json()
    await system.manager._stage.supervisor.look()
    shown = (await api.get(f"/plugins/{victim}/health")).json()
    assert shown["status"] == "degraded"
    assert "crashed once" in shown["message"]
    assert shown["worker"]["deaths"] == {"signalled": 1}


async def test_one_above_its_limit_is_restarted_with_the_limit_named(
    system: PluginSystem, runtime: ChildRuntime, api: httpx.AsyncClient
) -> None:
    good = await enabled(system, "good")
    pid = pid_of(runtime, good)
    runtime.limits = WorkerLimits(memory_mb=40)
    leaking = await enabled(system, "leaking")
    await until(lambda: sum(system.manager._stage.deaths.of(leaking).values()) > 0, within=60)
    await until(lambda: state_of(system, leaking) is not State.ACTIVE or runtime.starts > 2, within=60)
    (newest, *_) = (await api.get(f"/plugins/{leaking}/deaths")).json()["items"]
    assert newest["reason"] == DeathReason.LIMIT
    assert "40 MiB of memory are allowed (its manifest's limit)" in newest["detail"]
    assert newest["memory_bytes"] > 40 * 1024 * 1024
    assert pid_of(runtime, good) == pid


async def test_culprit_is_named_in_the_api_although_it_breaches_no_limit(
    system: PluginSystem, api: httpx.AsyncClient
) -> None:
    system.manager._stage.supervisor._thresholds = replace(
        system.manager._stage.supervisor._thresholds, busy_percent=10.0
    )
    good, burning = await enabled(system, "good"), await enabled(system, "burning")
    await until(lambda: system.directory.get(burning).health.status is HealthStatus.DEGRADED, within=60)
    shown = {one["name"]: one for one in (await api.get("/plugins/workers")).json()["items"]}
    assert any("% of a core" in warning for warning in shown["burning"]["warnings"])
    assert shown["good"]["warnings"] == []
    assert shown["good"]["pid"]
    assert shown["good"]["sample"]["memory_bytes"] > 1_000_000
    assert {limit["source"] for limit in shown["good"]["limits"]} == {"operator"}
    history = (await api.get(f"/plugins/{burning}/health/history")).json()["items"]
    assert "strained" in {entry["event"] for entry in history}
    assert (await api.get(f"/plugins/{good}/health")).json()["status"] == "healthy"
    metrics = (await api.get("http://host/metrics")).text
    assert 'isp_plugins_worker_up{plugin="burning"} 1.0' in metrics
    report = (await api.get(f"/plugins/{burning}/doctor")).json()
    assert {"worker", "resources", "deaths"} <= {finding["check"] for finding in report["findings"]}


async def test_strangers_live_whatever_happens_to_workers(
    system: PluginSystem, runtime: ChildRuntime
) -> None:
    stranger = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
    try:
        crashing = await enabled(system, "crashing")
        runtime.limits = WorkerLimits(memory_mb=1)
        await enabled(system, "victim")
        await until(lambda: state_of(system, crashing) is State.QUARANTINED, within=60)
        assert stranger.poll() is None
    finally:
        stranger.kill()
        stranger.wait()


async def test_plugin_in_process_has_no_worker(system: PluginSystem, api: httpx.AsyncClient) -> None:
    plugin = await system.manager.register(draft("good"), HOST)
    answer = await api.get(f"/plugins/{plugin.id}/worker")
    assert (answer.status_code, answer.json()["type"]) == (404, "/problems/workerless")
    assert (await api.get("/plugins/workers")).json()["items"] == []


async def test_command_line_shows_workers_and_deaths(system: PluginSystem, cli: Cli) -> None:
    nobody = await cli("workers")
    assert "No plugin has a worker" in nobody.stdout
    await enabled(system, "good")
    crashing = await enabled(system, "crashing")
    assert "No worker of good died" in (await cli("deaths", "good")).stdout
    await until(lambda: state_of(system, crashing) is State.QUARANTINED, within=60)
    await system.manager._stage.supervisor.look()
    shown = await cli("workers")
    (line,) = [line for line in shown.stdout.splitlines() if line.startswith("good")]
    assert "/512 MiB" in line
    answer = json.loads((await cli("workers", "--json")).stdout)
    assert [one["name"] for one in answer["items"]] == ["crashing", "good"]
    deaths = await cli("deaths", "crashing", "--log")
    assert deaths.stdout.count("exited") == 3
    assert "The last lines of process" in deaths.stdout
    health = await cli("health", "good")
    assert "worker" in health.stdout
    assert health.returncode == 0
