"""A host that is killed (-9) in any step of an upgrade or a rollback finds the old or the new version whole at its next start."""

import asyncio
import random
import shutil
from dataclasses import replace
from pathlib import Path

import pytest
from sqlalchemy import select

from isp_plugins.actors import HOST
from isp_plugins.configuration.schema import ConfigSchema
from isp_plugins.contracts.vocabulary import State
from isp_plugins.db.tables import PluginStorageItem
from isp_plugins.lifecycle import upgrading
from isp_plugins.lifecycle.orders import InstallOrder, SourceType
from isp_plugins.lifecycle.upgrading import UpgradeOrder
from isp_plugins.operations import OperationState
from isp_plugins.operations.store import OperationFilters
from isp_plugins.packages.values import Source, SourceKind
from isp_plugins.settings import Settings
from isp_plugins.system import PluginSystem
from support.forked import AsyncForked
from support.installing import HOOK
from support.killing import killed
from support.packages import SCHEMA, FilePackages, files_of, package

UPGRADE_STEPS = ("fetch", "unpack", "manifest", "resolve", "build_environment", "keep", "migrate", "switch")
ROLLBACK_STEPS = ("find", "switch")
LONGEST_LIFE_S = 2.5
LONGEST_SWITCH_S = 0.8
"""About what the switch takes: the new version starts, takes over, and the old one ends."""
HOOKS = {"1.0.0": [HOOK], "2.0.0": [HOOK, HOOK | {"hook_name": "customer_updated"}]}
SOURCE = """
from app.services.plugin_service import PluginInterface


class Plugin(PluginInterface):
    def initialize(self):
        self.context.set("started", "{version}")
        return True

    def migrate(self, from_version, config):
        return config | {{"greeting": "hi {version}"}}

    def welcome(self, customer):
        self.context.set("last", "{version}")
        return self.config["greeting"]
"""


@pytest.fixture(scope="module")
def first(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data directory with version 1, active, as it is before an upgrade."""
    folder = tmp_path_factory.mktemp("first")
    asyncio.run(install(folder))
    return folder


@pytest.fixture(scope="module")
def second(first: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same, upgraded to version 2."""
    folder = tmp_path_factory.mktemp("second") / "it"
    shutil.copytree(first, folder)
    asyncio.run(upgrade(folder))
    return folder


async def install(folder: Path) -> None:
    async with opened(folder) as system:
        order = ordered(folder, "1.0.0")
        configuration = {"greeting": "hi 1.0.0", "password": "s3cret"}
        order = replace(order, configuration=configuration, auto_enable=True, accept_grants=True)
        await succeeded(system, await system.installer.begin(order, HOST))
        await system.dispatch("customer_created", {"id": 7})


async def upgrade(folder: Path) -> None:
    async with opened(folder) as system:
        plugin_id = system.directory.by_name("sample").id
        order = UpgradeOrder(plugin_id=plugin_id, package=ordered(folder, "2.0.0"))
        await succeeded(system, await system.upgrader.begin(order, HOST))


def ordered(folder: Path, version: str) -> InstallOrder:
    file = made(folder, version)
    source = Source(SourceKind.UPLOAD, str(file), name=file.name)
    return InstallOrder(source_type=SourceType.UPLOAD, source=source)


@pytest.mark.timeout(300)
@pytest.mark.parametrize("step", UPGRADE_STEPS)
async def test_killed_in_a_step_of_an_upgrade_is_old_or_new_as_a_whole(
    step: str, first: Path, tmp_path: Path
) -> None:
    await assert_whole_when_killed_in_step(first, tmp_path, "2.0.0", step, times=5)


@pytest.mark.timeout(300)
@pytest.mark.parametrize("step", ROLLBACK_STEPS)
async def test_killed_in_a_step_of_a_rollback_is_old_or_new_as_a_whole(
    step: str, second: Path, tmp_path: Path
) -> None:
    await assert_whole_when_killed_in_step(second, tmp_path, "-", step, times=5)


@pytest.mark.timeout(300)
async def test_killed_at_any_moment_is_old_or_new_as_a_whole(
    first: Path, second: Path, tmp_path: Path
) -> None:
    await assert_whole_when_killed_at_random(first, second, tmp_path, times=2)


@pytest.mark.soak
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("step", UPGRADE_STEPS)
async def test_killed_fifty_times_in_a_step_of_an_upgrade_is_old_or_new_as_a_whole(
    step: str, first: Path, tmp_path: Path
) -> None:
    await assert_whole_when_killed_in_step(first, tmp_path, "2.0.0", step, times=50)


@pytest.mark.soak
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("step", ROLLBACK_STEPS)
async def test_killed_fifty_times_in_a_step_of_a_rollback_is_old_or_new_as_a_whole(
    step: str, second: Path, tmp_path: Path
) -> None:
    await assert_whole_when_killed_in_step(second, tmp_path, "-", step, times=50)


@pytest.mark.soak
@pytest.mark.timeout(3600)
async def test_killed_fifty_times_is_old_or_new_as_a_whole(first: Path, second: Path, tmp_path: Path) -> None:
    await assert_whole_when_killed_at_random(first, second, tmp_path, times=50)


def test_no_step_is_left_out() -> None:
    """`verify` is of packages that are signed; `environment` has two steps in the store, each with files of its own."""
    assert {*UPGRADE_STEPS, "verify", "environment"} == {
        *upgrading.UPGRADE_STEPS,
        "build_environment",
        "keep",
    }
    assert ROLLBACK_STEPS == upgrading.ROLLBACK_STEPS


async def assert_whole_when_killed_at_random(first: Path, second: Path, folder: Path, *, times: int) -> None:
    for number in range(times):
        life_s = random.uniform(0, LONGEST_LIFE_S)
        await assert_whole_after_kill(first, folder / f"up{number}", "2.0.0", "-", life_s)
        await assert_whole_after_kill(second, folder / f"back{number}", "-", "-", life_s / 2)


async def assert_whole_when_killed_in_step(
    origin: Path, folder: Path, target: str, step: str, *, times: int
) -> None:
    """Killed as soon as the step is reached, and then at any moment of what a switch takes: nothing else holds the switch."""
    for number in range(times):
        more_s = random.uniform(0, LONGEST_SWITCH_S) if step == "switch" and number else 0.0
        await assert_whole_after_kill(origin, folder / str(number), target, step, more_s=more_s)


async def assert_whole_after_kill(
    origin: Path, folder: Path, target: str, step: str, life_s: float | None = None, *, more_s: float = 0.0
) -> None:
    """Kill it once it is in the step and so much later, or so long after it began; then it must be whole."""
    await asyncio.to_thread(shutil.copytree, origin, folder)
    file = "-" if target == "-" else str(made(folder, target))
    await kill_in(folder, file, step, life_s, more_s)
    async with opened(folder) as system:
        for operation in (await system.operations.page(OperationFilters())).items:
            assert (await system.operations.wait(operation.id, 60)).is_ended
        await assert_whole(system)
    await asyncio.to_thread(shutil.rmtree, folder)


async def assert_whole(system: PluginSystem) -> None:
    """Version, release, configuration, subscriptions, storage, code, environment and files all belong to one version, and that works."""
    record = system.directory.by_name("sample")
    assert record.state is State.ACTIVE
    assert record.release is not None
    assert record.version == record.release.version
    resolved = await system.configuration.resolved(record.id, ConfigSchema.of(record.config_schema))
    assert (resolved["greeting"], resolved["password"]) == (f"hi {record.version}", "s3cret")
    async with system.database.reading() as session:
        found = await session.execute(select(PluginStorageItem.key, PluginStorageItem.value))
        assert dict(row for row in found.all()) == {"last": "1.0.0", "started": record.version}
    hooks = {view.hook_name for view in await system.manager.subscriptions.of(record.id)}
    assert hooks == {hook["hook_name"] for hook in HOOKS[record.version]}
    (newest, *_) = (await system.operations.page(OperationFilters())).items
    if newest.state is OperationState.SUCCEEDED:
        assert newest.result is not None
        assert newest.result["version"] == record.version
    kept = await system.upgrader.releases(record.id)
    files = files_of(system.settings.data_dir)
    assert set(files["artifacts"]) == {one["digest"].removeprefix("sha256:") for one in kept}
    assert set(files["environments"]) == {one["environment"] for one in kept}
    assert files["staging"] == []
    result = (await system.dispatch("customer_created", {"id": 7})).to_dict()
    assert [one["value"] for one in result["subscriptions"]] == [f"hi {record.version}"]
    assert (await system.audit.verify()).ok


def made(folder: Path, version: str) -> Path:
    return package(
        folder / "packages",
        version=version,
        source=SOURCE.format(version=version),
        config_schema=SCHEMA,
        hooks=HOOKS[version],
        needs=(f"dep=={version}",),
        grants={"host_calls": ["storage"], "secrets": ["password"]},
    )


def opened(folder: Path):
    settings = Settings(data_dir=folder / "data", sandbox="off")
    return PluginSystem.open(settings, packages=FilePackages(settings))


async def succeeded(system: PluginSystem, operation) -> None:
    ended = await system.operations.wait(operation.id, 60)
    assert ended.state is OperationState.SUCCEEDED, ended.error


async def kill_in(folder: Path, file: str, step: str, life_s: float | None, more_s: float) -> None:
    """Run a child until it has reached the step and so much longer, or so long after it was ready, and kill it."""
    child = await AsyncForked.start("support.upgrade_child", folder / "data", file, step)
    words = ("ready", "reached") if life_s is None else ("ready",)
    await killed(child, *words, pause_s=life_s or more_s)
