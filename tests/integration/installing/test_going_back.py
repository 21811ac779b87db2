"""The way back from a version: over a restart, by each kind of harm, to each kept version, on either database, with other keys."""

import asyncio
import contextlib
import signal
import sqlite3
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest

from isp_plugins.configuration import ConfigChange, SetValue
from isp_plugins.configuration.schema import ConfigSchema
from isp_plugins.contracts.vocabulary import State
from isp_plugins.db.urls import sqlite_file
from isp_plugins.keyring import FILE_NAME, HEADING, new_key
from isp_plugins.lifecycle import passages
from isp_plugins.lifecycle.errors import ReleaseNotKeptError
from isp_plugins.operations import OperationState
from isp_plugins.settings import Settings
from isp_plugins.system import PluginSystem
from support.forked import AsyncForked
from support.installing import HOOK
from support.migrated import migrated
from support.packages import SCHEMA, FilePackages
from support.upgrading import V2, first, installed, rows, second, upgrade, welcome
from support.waiting import until

from .conftest import Bench

TESTS = Path(__file__).parents[2]
LONG_S = 60
ALONE = """
from app.services.plugin_service import PluginInterface


class Plugin(PluginInterface):
    def initialize(self):
        self.context.set("alive", (self.context.get("alive") or 0) + 1)
        self.alone = self.context.get("alive") == 1
        return True

    def welcome(self, customer):
        return {{"version": {version}, "alone": self.alone}}

    def keep(self, key, value):
        self.context.set(key, value)
        return True

    def cleanup(self):
        self.context.set("alive", self.context.get("alive") - 1)
"""


@contextlib.asynccontextmanager
async def opened(settings: Settings, folder: Path) -> AsyncIterator[Bench]:
    packages = FilePackages(settings)
    async with PluginSystem.open(settings, packages=packages) as system:
        yield Bench(system, packages, folder / "packages")


async def switched(bench: Bench, plugin_id: int, file: Path, **fields) -> None:
    ended = await upgrade(bench, plugin_id, file, **fields)
    assert ended.state is OperationState.SUCCEEDED, ended.error


async def rolled_back(bench: Bench, plugin_id: int, **named) -> None:
    ended = await bench.ended(await bench.system.upgrader.begin_rollback(plugin_id, bench.actor, **named))
    assert ended.state is OperationState.SUCCEEDED, ended.error


async def back_on(bench: Bench, plugin_id: int, version: str) -> str:
    """Wait until this version runs again; why the other one was left."""

    def is_back() -> bool:
        record = bench.system.directory.get(plugin_id)
        return record.version == version and record.state is State.ACTIVE

    await until(is_back, within=LONG_S)
    newest, *_ = await bench.system.upgrader.releases(plugin_id)
    return newest["left_because"]


async def test_watch_goes_on_after_a_restart(settings, tmp_path):
    async with opened(settings, tmp_path) as bench:
        plugin_id = await installed(bench)
        before = await rows(bench, plugin_id)
        await switched(bench, plugin_id, second(bench.folder), configuration={"fails": True})
    async with opened(settings, tmp_path) as bench:
        assert bench.system.directory.get(plugin_id).version == "2.0.0"
        while bench.system.directory.get(plugin_id).version == "2.0.0":
            await welcome(bench)
            await asyncio.sleep(0.005)
        assert "calls failed" in await back_on(bench, plugin_id, "1.0.0")
        assert await rows(bench, plugin_id) == before


async def test_host_killed_once_harm_is_stored_goes_back_at_its_next_start(tmp_path):
    settings = Settings(data_dir=migrated(tmp_path / "data"), sandbox="off")
    async with opened(settings, tmp_path) as bench:
        plugin_id = await installed(bench)
        before = await rows(bench, plugin_id)
        await switched(bench, plugin_id, second(bench.folder), configuration={"fails": True})
    child = await AsyncForked.start("support.breach_child", settings.data_dir)
    try:
        async with asyncio.timeout(LONG_S):
            assert (await child.stdout.readuntil(b"reached\n")).startswith(b"ready")
    finally:
        child.kill()
        assert await child.wait() == -signal.SIGKILL
    with contextlib.closing(sqlite3.connect(sqlite_file(settings.url))) as database:
        ((breach,),) = database.execute("SELECT breach FROM plugin_snapshots").fetchall()
    assert "calls failed" in breach
    async with opened(settings, tmp_path) as bench:
        why = await back_on(bench, plugin_id, "1.0.0")
        assert breach in why
        assert await rows(bench, plugin_id) == before
        assert (await welcome(bench))["value"] == {"version": 1, "greeting": "hi"}


async def test_failed_health_check_leads_back(settings, tmp_path):
    ill = V2.replace('self.config.get("ill", False)', 'self.context.get("ill")')
    ill += "\n    def keep(self, key, value):\n        self.context.set(key, value)\n        return True\n"
    async with opened(replace(settings, health_interval=0.1), tmp_path) as bench:
        plugin_id = await installed(bench)
        before = await rows(bench, plugin_id)
        await switched(bench, plugin_id, second(bench.folder, source=ill))
        await bench.system.manager.execute(plugin_id, "keep", ["ill", True], bench.actor)
        assert "Its health checks say: own: as configured" in await back_on(bench, plugin_id, "1.0.0")
        assert await rows(bench, plugin_id) == before


async def test_open_circuit_breaker_leads_back(settings, tmp_path):
    fails = V2.replace("Plugin.calls % 5 == 0", "True")
    async with opened(replace(settings, upgrade_min_calls=1_000_000), tmp_path) as bench:
        plugin_id = await installed(bench)
        before = await rows(bench, plugin_id)
        await switched(bench, plugin_id, second(bench.folder, source=fails), configuration={"fails": True})
        for _ in range(bench.system.settings.breaker_failures):
            await welcome(bench)
        assert "Its circuit breaker opened" in await back_on(bench, plugin_id, "1.0.0")
        await until(lambda: bench.system.directory.get(plugin_id).tripped is None, within=LONG_S)
        assert await rows(bench, plugin_id) == before
        assert (await welcome(bench))["status"] == "ok"


async def test_exclusive_plugin_is_never_there_twice_and_its_calls_wait(bench):
    more = {"hooks": [HOOK | {"timeout_ms": 60_000}]}  # a busy machine is slow to start a worker, not wrong
    more |= {"exclusive": True, "config_schema": SCHEMA, "grants": {"host_calls": ["storage"]}}
    plugin_id = await installed(bench, first(bench.folder, source=ALONE.format(version=1), **more))
    answers, stop = [], asyncio.Event()

    async def call():
        while not stop.is_set():
            answers.append(await welcome(bench))
            await asyncio.sleep(0)

    calling = [asyncio.create_task(call()) for _ in range(4)]
    await switched(bench, plugin_id, second(bench.folder, ALONE.format(version=2), **more))
    await until(lambda: answers and answers[-1]["value"] == {"version": 2, "alone": True}, within=LONG_S)
    await rolled_back(bench, plugin_id)
    await until(lambda: answers and answers[-1]["value"]["version"] == 1, within=LONG_S)
    stop.set()
    await asyncio.gather(*calling)
    assert {one["status"] for one in answers} == {"ok"}
    assert [
        one["value"] for one in answers if one["value"]["version"] == 2 and not one["value"]["alone"]
    ] == []


async def test_what_a_version_stores_at_its_start_is_part_of_the_switch(bench):
    too_large = V2.replace('set("made_by", 2)', 'set("made_by", "x" * 300_000)')
    plugin_id = await installed(bench)
    before = await rows(bench, plugin_id)
    ended = await upgrade(bench, plugin_id, second(bench.folder, source=too_large))
    assert ended.error["problem"] == "storage-value-too-large", ended.error
    assert await rows(bench, plugin_id) == before
    assert (await welcome(bench))["value"]["version"] == 1


async def test_operator_returns_to_each_kept_version_with_what_it_had(bench):
    plugin_id = await installed(bench)
    for number in range(2, 6):
        change = ConfigChange(set={"greeting": SetValue(f"of {number - 1}")})
        await bench.system.manager.configure(plugin_id, change, bench.actor)
        await switched(bench, plugin_id, first(bench.folder, version=f"{number}.0.0"))
    for number in (2, 4, 3):
        await rolled_back(bench, plugin_id, to=f"{number}.0.0")
        assert (await welcome(bench))["value"]["greeting"] == f"of {number}"
        kept = [one["version"] for one in await bench.system.upgrader.releases(plugin_id)]
        assert kept == ["5.0.0", "4.0.0", "3.0.0", "2.0.0"]
    with pytest.raises(ReleaseNotKeptError):
        await bench.system.upgrader.begin_rollback(plugin_id, bench.actor, to="1.0.0")


async def test_version_that_was_just_left_is_kept_though_others_are_newer(bench):
    plugin_id = await installed(bench)
    for number in range(2, 5):
        await switched(bench, plugin_id, first(bench.folder, version=f"{number}.0.0"))
    await rolled_back(bench, plugin_id, to="1.0.0")
    before = await rows(bench, plugin_id)
    await switched(bench, plugin_id, second(bench.folder, version="5.0.0"), configuration={"fails": True})
    kept = [one["version"] for one in await bench.system.upgrader.releases(plugin_id)]
    assert kept == ["5.0.0", "4.0.0", "3.0.0", "1.0.0"]
    while bench.system.directory.get(plugin_id).version == "5.0.0":
        await welcome(bench)
        await asyncio.sleep(0.005)
    assert "calls failed" in await back_on(bench, plugin_id, "1.0.0")
    assert await rows(bench, plugin_id) == before


async def test_rotated_keys_open_what_is_kept_and_old_ones_are_not_needed(settings, tmp_path):
    no_secrets = V2.replace('"secret": config["password"]', '"fails": False')
    async with opened(settings, tmp_path) as bench:
        plugin_id = await installed(bench)
        await switched(bench, plugin_id, second(bench.folder, source=no_secrets))
        assert await passages.hold_ciphertext(bench.system.database)
        done = await bench.system.rotate_secrets(bench.actor)
        assert (done["unreadable"], bench.system.keyring.newest_id) == (0, done["key_id"])
    file = settings.data_dir / FILE_NAME
    newest = next(line for line in file.read_text().splitlines() if not line.startswith("#"))
    file.write_text(f"{HEADING}{newest}\n")
    async with opened(settings, tmp_path) as bench:
        await rolled_back(bench, plugin_id)
        record = bench.system.directory.get(plugin_id)
        values = await bench.system.configuration.resolved(plugin_id, ConfigSchema.of(record.config_schema))
        assert (values["password"], record.state) == ("s3cret", State.ACTIVE)
        assert (await welcome(bench))["value"] == {"version": 1, "greeting": "hi"}


@pytest.mark.postgres
async def test_postgresql_goes_forth_and_back_byte_for_byte(settings, postgres_url, tmp_path):
    settings = replace(settings, database_url=postgres_url, secret_keys=new_key())
    async with opened(settings, tmp_path) as bench:
        plugin_id = await installed(bench)
        before = await rows(bench, plugin_id)
        await switched(bench, plugin_id, second(bench.folder))
        after = await rows(bench, plugin_id)
        assert {row["key"] for row in after["plugin_storage"]} == {"key", "made_by"}
        await rolled_back(bench, plugin_id)
        assert await rows(bench, plugin_id) == before
        await bench.system.rotate_secrets(bench.actor)
        await rolled_back(bench, plugin_id, to="2.0.0")
        assert (await welcome(bench))["value"] == {"version": 2, "greeting": "HI"}
    async with opened(settings, tmp_path) as bench:
        assert (await welcome(bench))["value"] == {"version": 2, "greeting": "HI"}
        await rolled_back(bench, plugin_id)
        await switched(bench, plugin_id, second(bench.folder, version="3.0.0"), configuration={"fails": True})
        while bench.system.directory.get(plugin_id).version == "3.0.0":
            await welcome(bench)
            await asyncio.sleep(0.005)
        assert "calls failed" in await back_on(bench, plugin_id, "1.0.0")
