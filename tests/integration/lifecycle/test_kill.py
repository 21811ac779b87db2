"""A host that is killed (-9) at a random moment of any lifecycle operation starts again with every plugin whole, as last asked for."""

import asyncio
import contextlib
import os
import random
import signal
from pathlib import Path

import pytest

from isp_plugins.contracts.vocabulary import Desired, State
from isp_plugins.db.tables import Base
from isp_plugins.settings import Settings
from isp_plugins.system import PluginSystem
from support.forked import AsyncForked
from support.lifecycle_child import SCHEMA
from support.migrated import migrated
from support.waiting import until

TESTS = Path(__file__).parents[2]
OPERATIONS = ("register", "enable", "disable", "reload", "configure", "delete")
WITH_WORKERS = ("enable", "disable", "reload", "configure", "delete")
LONGEST_LIFE_S = 0.4
"""A child lives at most so long once it performs: several operations, and a random part of one."""
LONGEST_LIFE_WITH_WORKERS_S = 2.0
"""The same where each operation starts a process."""


@pytest.mark.parametrize("operation", OPERATIONS)
async def test_killed_host_finds_every_plugin_whole(operation: str, tmp_path: Path) -> None:
    await assert_whole_when_killed(operation, tmp_path, times=5)


@pytest.mark.soak
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("operation", OPERATIONS)
async def test_host_killed_fifty_times_finds_every_plugin_whole(operation: str, tmp_path: Path) -> None:
    await assert_whole_when_killed(operation, tmp_path, times=50)


@pytest.mark.timeout(600)
async def test_killed_host_leaves_no_worker_and_finds_every_plugin_whole(tmp_path: Path) -> None:
    for number, operation in enumerate(WITH_WORKERS):
        await assert_whole_and_workerless_when_killed(operation, tmp_path / str(number))


@pytest.mark.soak
@pytest.mark.timeout(3600)
async def test_host_killed_fifty_times_leaves_no_worker_and_finds_every_plugin_whole(tmp_path: Path) -> None:
    for number in range(50):
        await assert_whole_and_workerless_when_killed(
            WITH_WORKERS[number % len(WITH_WORKERS)], tmp_path / str(number)
        )


async def assert_whole_when_killed(operation: str, folder: Path, *, times: int) -> None:
    for number in range(times):
        data_dir = folder / str(number)
        said = await lines_until_killed(data_dir, operation, random.uniform(0, LONGEST_LIFE_S))
        async with PluginSystem.open(Settings(data_dir=data_dir)) as system:
            await assert_as_asked_for(system, operation, said)


async def assert_whole_and_workerless_when_killed(operation: str, data_dir: Path) -> None:
    """The same with plugins in workers, called all the while: none outlives its host, and the next start has one for each that is enabled."""
    life_s = random.uniform(0, LONGEST_LIFE_WITH_WORKERS_S)
    said = await lines_until_killed(data_dir, operation, life_s, runtime="process")
    await until(lambda: not working_in(data_dir), within=60)
    settings = Settings(data_dir=data_dir, load_timeout=60.0, worker_handshake_timeout=60.0)
    async with PluginSystem.open(settings) as system:
        await assert_as_asked_for(system, operation, said)
        active = [record for record in system.directory if record.state is State.ACTIVE]
        workers = [system.manager.workers.of(record.id).pid for record in active]
        assert sorted(working_in(data_dir)) == sorted(workers)
    await until(lambda: not working_in(data_dir), within=60)


def working_in(folder: Path) -> list[int]:
    """Processes beside this one whose working directory is in there, zombies apart."""
    found = []
    for place in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            if (place / "cwd").readlink().is_relative_to(folder) and int(place.name) != os.getpid():
                found.append(int(place.name))
    return found


async def lines_until_killed(
    data_dir: Path, operation: str, life_s: float, *, runtime: str = "in_process"
) -> list[str]:
    """What a child said until it was killed, so long after it was ready."""
    process = await AsyncForked.start("support.lifecycle_child", migrated(data_dir), operation, runtime)
    said: list[str] = []
    reading = asyncio.create_task(read_into(said, process))
    try:
        async with asyncio.timeout(60):
            while "ready" not in said:
                assert not reading.done(), said
                await asyncio.sleep(0.005)
        await asyncio.sleep(life_s)
    finally:
        process.kill()
        await reading
    assert await process.wait() == -signal.SIGKILL
    return said


async def read_into(said: list[str], process: AsyncForked) -> None:
    while line := await process.stdout.readline():
        said.append(line.decode().strip())


async def assert_as_asked_for(system: PluginSystem, operation: str, said: list[str]) -> None:
    """Everything is whole, and as it was asked for."""
    await look_at_every_plugin(system)
    assert (await system.audit.verify()).ok
    begun = [line.removeprefix("begin ") for line in said if line.startswith("begin ")]
    done = [line.removeprefix("done ") for line in said if line.startswith("done ")]
    {
        "register": looks_registered,
        "enable": looks_toggled,
        "disable": looks_toggled,
        "reload": looks_active,
        "configure": looks_configured,
        "delete": looks_deleted,
    }[operation](system, begun, done)
    if operation == "configure":
        await greets_with(system, begun, done)


async def look_at_every_plugin(system: PluginSystem) -> None:
    for record in system.directory:
        wanted = {Desired.ENABLED: {State.ACTIVE}, Desired.DISABLED: {State.REGISTERED, State.DISABLED}}
        assert record.state in wanted[record.desired], record
        hooks = {(view.hook_name, view.declared) for view in await system.manager.subscriptions.of(record.id)}
        assert ("customer_updated", False) in hooks or ("customer_updated", True) in hooks
        assert record.config_schema == SCHEMA
    subscribed = {entry.plugin_id for entry in system.engine.describe("customer_updated")}
    assert subscribed == {record.id for record in system.directory if record.state is State.ACTIVE}


def looks_registered(system: PluginSystem, begun: list[str], done: list[str]) -> None:
    names = {record.name for record in system.directory}
    assert set(done) <= names <= set(begun)


def looks_toggled(system: PluginSystem, begun: list[str], done: list[str]) -> None:
    meant = {"enable": Desired.ENABLED, "disable": Desired.DISABLED}
    allowed = {meant[word] for word in [*(done[-1:] or ["disable"]), *begun[-1:]]}
    assert system.directory.by_name("sample").desired in allowed


def looks_active(system: PluginSystem, begun: list[str], done: list[str]) -> None:
    assert system.directory.by_name("sample").state is State.ACTIVE


def looks_configured(system: PluginSystem, begun: list[str], done: list[str]) -> None:
    looks_active(system, begun, done)


def looks_deleted(system: PluginSystem, begun: list[str], done: list[str]) -> None:
    names = {record.name for record in system.directory}
    assert names.isdisjoint(done)
    assert set(begun) - set(done) - names <= set(begun[-1:])


async def greets_with(system: PluginSystem, begun: list[str], done: list[str]) -> None:
    """Greeting and password belong to one change: the last that was answered, or the one after it."""
    result = await system.dispatch("customer_created", {"id": 1})
    (value,) = [outcome.value for outcome in result.outcomes]
    number = int(value["greeting"].removeprefix("hello "))
    assert value["password"] == f"secret {number}"
    assert number in {int(word) for word in [*(done[-1:] or ["0"]), *begun[-1:]]}


def test_every_table_of_a_plugin_goes_with_it() -> None:
    """What a delete must drop hangs on `plugins` by a cascading key; logs and audit hang on nothing."""
    keys = [
        key
        for table in Base.metadata.sorted_tables
        for key in table.foreign_keys
        if key.column.table.name == "plugins"
    ]
    assert keys
    assert all(key.ondelete == "CASCADE" for key in keys)
