"""Another version takes over with configuration, subscriptions and stored values, goes back by itself when it does harm, or by order."""

import asyncio
import contextlib
import json
import sqlite3
from importlib.metadata import version

import pytest

from isp_plugins.configuration import ConfigChange, SetValue
from isp_plugins.contracts.vocabulary import State
from isp_plugins.db.urls import sqlite_file
from isp_plugins.lifecycle.errors import ReleaseNotKeptError
from isp_plugins.lifecycle.upgrading import UpgradeOrder
from isp_plugins.operations import OperationState
from isp_plugins.system import PluginSystem
from support.installing import HOOK
from support.packages import FilePackages, files_of
from support.upgrading import STORES, V2, first, installed, rows, second, upgrade, welcome
from support.waiting import until

from .conftest import Bench


async def test_version_takes_over_with_its_configuration_migrated(bench):
    plugin_id = await installed(bench)
    ended = await upgrade(bench, plugin_id, second(bench.folder))
    assert ended.state is OperationState.SUCCEEDED, ended.error
    record = bench.system.directory.get(plugin_id)
    assert (record.version, record.state, record.release.version) == ("2.0.0", State.ACTIVE, "2.0.0")
    assert (await welcome(bench))["value"] == {"version": 2, "greeting": "HI"}
    held = await rows(bench, plugin_id)
    assert {row["key"]: row["is_encrypted"] for row in held["plugin_configurations"]} == {
        "salutation": False,
        "secret": True,
    }
    assert {row["key"] for row in held["plugin_storage"]} == {"key", "made_by"}
    assert "s3cret" not in json.dumps(ended.result)
    (entry,) = [one for one in (await bench.system.audit.page()).items if one.tag == "plugin.upgraded"]
    assert (entry.details["from"], entry.details["to"]) == ("1.0.0", "2.0.0")


async def test_dry_run_shows_what_would_change_and_leaves_nothing(bench):
    plugin_id = await installed(bench)
    before, files = await rows(bench, plugin_id), files_of(bench.system.settings.data_dir)
    ended = await upgrade(
        bench, plugin_id, second(bench.folder, grants={"secrets": ["password", "secret"]}), dry_run=True
    )
    assert ended.state is OperationState.SUCCEEDED, ended.error
    assert ended.result["configuration"] == [
        {"key": "greeting", "change": "removed", "before": "hi", "after": None},
        {"key": "password", "change": "removed", "before": "********", "after": None},
        {"key": "salutation", "change": "added", "before": None, "after": "HI"},
        {"key": "secret", "change": "added", "before": None, "after": "********"},
    ]
    assert ended.result["grants"]["less"]
    assert (await rows(bench, plugin_id), files_of(bench.system.settings.data_dir)) == (before, files)
    assert (await welcome(bench))["value"]["version"] == 1


async def test_upgrade_under_calls_loses_none(bench):
    plugin_id = await installed(bench)
    answers, stop = [], asyncio.Event()

    async def call():
        while not stop.is_set():
            answers.append(await welcome(bench))
            await asyncio.sleep(0)

    calling = asyncio.create_task(call())
    ended = await upgrade(bench, plugin_id, second(bench.folder))
    await until(lambda: answers and answers[-1]["value"]["version"] == 2)
    stop.set()
    await calling
    assert ended.state is OperationState.SUCCEEDED, ended.error
    assert {one["status"] for one in answers} == {"ok"}
    versions = [one["value"]["version"] for one in answers]
    assert versions == sorted(versions)


@pytest.mark.parametrize(
    ("more", "fields", "problem"),
    [
        ({"version": "1.0.0"}, {}, "same-version"),
        ({"version": "0.9.0"}, {}, "lower-version"),
        ({"grants": STORES | {"processes": True}}, {}, "grants-not-accepted"),
        ({"source": V2.replace("return {", "raise ValueError('no') or {", 1)}, {}, "migrate-failed"),
        ({"source": V2.replace('config["greeting"].upper()', "7")}, {}, "migrated-configuration-invalid"),
        ({"source": V2.replace("return True", "return False")}, {}, "upgrade-failed"),
        ({}, {"configuration": {"ill": True}}, "upgrade-failed"),
        ({"name": "other"}, {}, "package-name-mismatch"),
    ],
)
async def test_what_is_refused_changes_nothing(bench, more, fields, problem):
    plugin_id = await installed(bench)
    before, files = await rows(bench, plugin_id), files_of(bench.system.settings.data_dir)
    ended = await upgrade(bench, plugin_id, second(bench.folder, **more), **fields)
    assert ended.error is not None
    assert ended.error["problem"] == problem, ended.error
    assert await rows(bench, plugin_id) == before
    assert files_of(bench.system.settings.data_dir) == files
    assert (await welcome(bench))["value"]["version"] == 1


async def test_lower_version_is_taken_when_asked_for(bench):
    plugin_id = await installed(bench)
    ended = await upgrade(bench, plugin_id, first(bench.folder, version="0.9.0"), allow_downgrade=True)
    assert ended.state is OperationState.SUCCEEDED, ended.error
    assert bench.system.directory.get(plugin_id).version == "0.9.0"


async def test_disabled_plugin_is_upgraded_without_being_started(bench):
    plugin_id = await installed(bench)
    await bench.system.manager.disable(plugin_id, bench.actor)
    ended = await upgrade(bench, plugin_id, second(bench.folder))
    assert ended.state is OperationState.SUCCEEDED, ended.error
    record = bench.system.directory.get(plugin_id)
    assert (record.version, record.state) == ("2.0.0", State.DISABLED)
    await bench.system.manager.enable(plugin_id, bench.actor)
    assert (await welcome(bench))["value"] == {"version": 2, "greeting": "HI"}


async def test_version_that_fails_goes_back_by_itself_byte_for_byte(bench):
    plugin_id = await installed(bench)
    before = await rows(bench, plugin_id)
    ended = await upgrade(bench, plugin_id, second(bench.folder), configuration={"fails": True})
    assert ended.state is OperationState.SUCCEEDED, ended.error
    while bench.system.directory.get(plugin_id).version == "2.0.0":
        await welcome(bench)
        await asyncio.sleep(0.005)
    assert (await welcome(bench))["value"] == {"version": 1, "greeting": "hi"}
    assert await rows(bench, plugin_id) == before
    kept = await bench.system.upgrader.releases(plugin_id)
    assert [(one["version"], one["is_current"]) for one in kept] == [("2.0.0", False), ("1.0.0", True)]
    assert "went back by itself" in kept[0]["left_because"]
    (entry,) = [one for one in (await bench.system.audit.page()).items if one.tag == "plugin.rolled_back"]
    assert "calls failed" in entry.details["cause"]
    with pytest.raises(ReleaseNotKeptError):
        await bench.system.upgrader.begin_rollback(plugin_id, bench.actor)


async def test_version_that_dies_goes_back_by_itself(bench):
    plugin_id = await installed(bench)
    before = await rows(bench, plugin_id)
    dies = V2.replace('if self.config["fails"]', "import os; os._exit(3)\n        if 0")
    await upgrade(bench, plugin_id, second(bench.folder, source=dies))
    await welcome(bench)
    await until(lambda: bench.system.directory.get(plugin_id).version == "1.0.0")
    await until(lambda: bench.system.directory.get(plugin_id).state is State.ACTIVE)
    assert await rows(bench, plugin_id) == before
    assert (await welcome(bench))["value"]["version"] == 1


async def test_operator_returns_to_a_named_version_and_forth(bench):
    plugin_id = await installed(bench)
    before = await rows(bench, plugin_id)
    await upgrade(bench, plugin_id, second(bench.folder))
    after = await rows(bench, plugin_id)
    back = await bench.ended(await bench.system.upgrader.begin_rollback(plugin_id, bench.actor))
    assert back.state is OperationState.SUCCEEDED, back.error
    assert await rows(bench, plugin_id) == before
    assert (await welcome(bench))["value"] == {"version": 1, "greeting": "hi"}
    forth = await bench.system.upgrader.begin_rollback(plugin_id, bench.actor, to="2.0.0")
    assert (await bench.ended(forth)).state is OperationState.SUCCEEDED
    assert await rows(bench, plugin_id) | {"plugin_storage": []} == after | {"plugin_storage": []}
    assert (await welcome(bench))["value"]["version"] == 2


async def test_only_so_many_releases_are_kept(bench):
    plugin_id = await installed(bench)
    for number in range(2, 7):
        file = first(bench.folder, version=f"{number}.0.0", description=str(number))
        ended = await upgrade(bench, plugin_id, file)
        assert ended.state is OperationState.SUCCEEDED, ended.error
    kept = [one["version"] for one in await bench.system.upgrader.releases(plugin_id)]
    assert kept == ["6.0.0", "5.0.0", "4.0.0", "3.0.0"]
    assert len(files_of(bench.system.settings.data_dir)["artifacts"]) == 4
    with pytest.raises(ReleaseNotKeptError, match=r"5\.0\.0, 4\.0\.0, 3\.0\.0"):
        await bench.system.upgrader.begin_rollback(plugin_id, bench.actor, to="1.0.0")


async def test_manifest_that_drops_and_adds_a_subscription_changes_it(bench):
    plugin_id = await installed(bench)
    other = HOOK | {"hook_name": "customer_updated"}
    ended = await upgrade(bench, plugin_id, second(bench.folder, hooks=[other]))
    assert ended.state is OperationState.SUCCEEDED, ended.error
    assert [view.hook_name for view in await bench.system.manager.subscriptions.of(plugin_id)] == [
        "customer_updated"
    ]
    result = await bench.system.dispatch("customer_updated", {"id": 7, "name": "Ada"})
    assert result.to_dict()["subscriptions"][0]["value"]["version"] == 2
    await bench.ended(await bench.system.upgrader.begin_rollback(plugin_id, bench.actor))
    assert (await welcome(bench))["value"]["version"] == 1


async def test_configuration_changed_meanwhile_is_not_lost(bench):
    plugin_id = await installed(bench)
    bench.packages.holds.add("keep")
    order = UpgradeOrder(plugin_id=plugin_id, package=bench.order(second(bench.folder)))
    operation = await bench.system.upgrader.begin(order, bench.actor)
    await bench.packages.reached.wait()
    change = ConfigChange(set={"greeting": SetValue("later")})
    await bench.system.manager.configure(plugin_id, change, bench.actor)
    bench.packages.go_on.set()
    assert (await bench.ended(operation)).state is OperationState.SUCCEEDED
    assert (await welcome(bench))["value"]["greeting"] == "LATER"


async def test_plugin_that_the_host_has_outgrown_is_failed_with_the_cause(settings, tmp_path):
    packages = FilePackages(settings)
    async with PluginSystem.open(settings, packages=packages) as system:
        bench = Bench(system, packages, tmp_path / "packages")
        await installed(bench)
    statement = "UPDATE plugin_releases SET manifest = json_set(manifest, '$.requires.host', '<0.0.1')"
    with contextlib.closing(sqlite3.connect(sqlite_file(settings.url))) as database, database:
        database.execute(statement)
    async with PluginSystem.open(settings, packages=packages) as system:
        record = system.directory.by_name("sample")
        assert record.state is State.FAILED
        assert "requires isp-plugins <0.0.1" in record.cause
        report = (await system.check_against(version("isp-plugins"))).to_dict()
        assert [reason["kind"] for reason in report["items"][0]["reasons"]] == ["host"]
