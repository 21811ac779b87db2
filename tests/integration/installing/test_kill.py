"""A host that is killed (-9) in any step of an installation finishes it at the next start, or has dropped every trace of it."""

import random
from pathlib import Path

import pytest

from isp_plugins.configuration.schema import ConfigSchema
from isp_plugins.contracts.vocabulary import State
from isp_plugins.operations import OperationState
from isp_plugins.operations.store import OperationFilters
from isp_plugins.settings import Settings
from isp_plugins.system import PluginSystem
from support.forked import AsyncForked
from support.killing import killed
from support.migrated import migrated
from support.packages import FilePackages, files_of, package

UNDONE = ("fetch", "unpack", "build", "resolve", "build_environment", "keep")
FINISHED = ("register", "enable")
NOTHING = {"staging": [], "artifacts": [], "environments": []}
LONGEST_LIFE_S = 3.0
"""A whole installation, and the start of a worker, on a busy machine."""
SOURCE = """
import pathlib
import time

from app.services.plugin_service import PluginInterface


class Plugin(PluginInterface):
    def initialize(self):
        marker = pathlib.Path({marker!r})
        if not marker.exists() and {slow}:
            marker.touch()
            time.sleep(300)
        return True

    def welcome(self, customer):
        return self.config["greeting"]
"""


@pytest.mark.parametrize("step", UNDONE)
async def test_killed_before_it_is_registered_leaves_no_trace(step: str, tmp_path: Path) -> None:
    await kill_in(tmp_path, step)
    async with reopened(tmp_path) as system:
        assert files_of(system.settings.data_dir) == NOTHING
        ended = await only_operation(system)
        assert ended.state is OperationState.INTERRUPTED
        assert ended.error is not None
        assert "The server was stopped" in ended.error["detail"]
        assert len(system.directory) == 0
        assert (await system.audit.verify()).ok


@pytest.mark.parametrize("step", FINISHED)
async def test_killed_once_it_is_registered_is_finished(step: str, tmp_path: Path) -> None:
    await kill_in(tmp_path, step)
    async with reopened(tmp_path) as system:
        ended = await only_operation(system)
        assert (ended.state, ended.error) == (OperationState.SUCCEEDED, None)
        await assert_installed(system)


@pytest.mark.timeout(300)
async def test_killed_at_any_moment_is_whole_or_nothing(tmp_path: Path) -> None:
    await assert_whole_or_nothing_when_killed(tmp_path, times=5)


@pytest.mark.soak
@pytest.mark.timeout(3600)
async def test_killed_fifty_times_is_whole_or_nothing(tmp_path: Path) -> None:
    await assert_whole_or_nothing_when_killed(tmp_path, times=50)


async def assert_whole_or_nothing_when_killed(folder: Path, *, times: int) -> None:
    for number in range(times):
        place = folder / str(number)
        await kill_in(place, "-", life_s=random.uniform(0, LONGEST_LIFE_S))
        async with reopened(place) as system:
            for operation in (await system.operations.page(OperationFilters())).items:
                ended = await system.operations.wait(operation.id, 60)
                assert ended.is_ended
                if ended.state is OperationState.SUCCEEDED:
                    await assert_installed(system)
                else:
                    assert (len(system.directory), files_of(system.settings.data_dir)) == (0, NOTHING)
            assert (await system.audit.verify()).ok


def reopened(folder: Path):
    settings = Settings(data_dir=folder / "data", sandbox="off")
    return PluginSystem.open(settings, packages=FilePackages(settings))


async def only_operation(system: PluginSystem):
    (found,) = (await system.operations.page(OperationFilters())).items
    ended = await system.operations.wait(found.id, 60)
    assert ended.is_ended
    return ended


async def assert_installed(system: PluginSystem) -> None:
    record = system.directory.by_name("sample")
    assert record.state is State.ACTIVE
    resolved = await system.configuration.resolved(record.id, ConfigSchema.of(record.config_schema))
    assert (resolved["greeting"], resolved["password"]) == ("hi", "s3cret")
    files = files_of(system.settings.data_dir)
    assert (len(files["artifacts"]), len(files["environments"]), files["staging"]) == (1, 1, [])


async def kill_in(folder: Path, step: str, *, life_s: float | None = None) -> None:
    """Run a child until it has reached the step, or so long after it was ready, and kill it."""
    marker = migrated(folder / "data") / "initializing"
    source = SOURCE.format(marker=str(marker), slow=step == "enable")
    file = package(folder / "packages", source=source)
    child = await AsyncForked.start("support.install_child", folder / "data", file, step)
    words = ("ready", "reached") if life_s is None else ("ready",)
    await killed(child, *words, pause_s=life_s or 0.0)
