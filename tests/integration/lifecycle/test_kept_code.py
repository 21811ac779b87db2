"""A plugin in a worker that is killed comes back with the code that ran, whatever lies on the disk by now; enable and reload take the disk's."""

import os
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from isp_plugins.contracts.vocabulary import RuntimeKind, State
from isp_plugins.lifecycle.errors import PluginReloadFailedError
from isp_plugins.lifecycle.records import PluginDraft, PluginRecord
from isp_plugins.settings import Settings
from isp_plugins.system import PluginSystem
from support.fakes_lifecycle import ADA, draft
from support.waiting import until

LONG_S = 60.0
MODULE = """
from app.services.plugin_service import PluginInterface

class Kept(PluginInterface):
    def ask(self):
        import os
        from pathlib import Path
        from {helper} import WORD
        data = Path(__file__).with_name("data.txt")
        return [{mark!r}, WORD, data.read_text() if data.exists() else "", os.getpid()]
"""
SHAPES = {
    "a file and a module beside it": (
        "plugins.kept",
        "plugins/kept.py",
        "plugins/helper.py",
        "plugins.helper",
    ),
    "a package": ("plugins.kept.main", "plugins/kept/main.py", "plugins/kept/helper.py", ".helper"),
    "a package on top": ("kept", "kept/__init__.py", "kept/helper.py", ".helper"),
}


@pytest.fixture
def quick(data_dir: Path) -> Settings:
    """A failed plugin is tried again soon; a worker may start as slowly as a busy machine starts it."""
    return Settings(
        data_dir=data_dir, recovery_backoff_min=0.05, worker_handshake_timeout=60.0, load_timeout=60.0
    )


class OnDisk:
    """The plugin's files."""

    def __init__(self, folder: Path, shape: str) -> None:
        self.module, main, helper, self._helper_name = SHAPES[shape]
        self.main, self.helper = folder / main, folder / helper
        self.main.parent.mkdir(parents=True, exist_ok=True)
        if shape == "a package":
            (self.main.parent / "__init__.py").touch()

    def write(self, mark: str, word: str, data: str = "") -> None:
        """Both modules, and a data file."""
        self.main.write_text(MODULE.format(mark=mark, helper=self._helper_name))
        self.helper.write_text(f"WORD = {word!r}\n")
        self.main.with_name("data.txt").write_text(data)


@pytest.fixture(params=SHAPES)
def disk(request: pytest.FixtureRequest, quick: Settings) -> OnDisk:
    """The first version of the plugin."""
    found = OnDisk(quick.plugin_folders[0], request.param)
    found.write("one", "first", "data")
    return found


@pytest.fixture
async def plugin(system: PluginSystem, disk: OnDisk) -> PluginRecord:
    """It, running in a worker."""
    described: PluginDraft = draft(
        "kept", module_path=disk.module, entry_point="Kept", runtime=RuntimeKind.PROCESS
    )
    registered = await system.manager.register(described, ADA)
    return await system.manager.enable(registered.id, ADA)


async def asked(system: PluginSystem, plugin: PluginRecord) -> list[Any]:
    """What it answers, its process id last."""
    answer: list[Any] = (await system.manager.execute(plugin.id, "ask", None, ADA)).value
    return answer


async def killed(system: PluginSystem, plugin: PluginRecord) -> None:
    """Kill its worker and wait until another one serves."""
    before = (await asked(system, plugin))[-1]
    os.kill(before, signal.SIGKILL)
    instances: Callable[[], Any] = lambda: system.manager._stage.instances.get(plugin.id)  # noqa: E731
    await until(lambda: (now := instances()) is not None and now.running.pid != before, within=LONG_S)
    await until(lambda: system.directory.get(plugin.id).state is State.ACTIVE, within=LONG_S)


async def test_killed_worker_runs_the_code_that_was_enabled_and_reload_the_disks(
    system: PluginSystem, plugin: PluginRecord, disk: OnDisk
) -> None:
    disk.write("two", "second", "new data")
    await killed(system, plugin)
    assert (await asked(system, plugin))[:3] == ["one", "first", "new data"]

    await system.manager.reload(plugin.id, ADA)
    assert (await asked(system, plugin))[:2] == ["two", "second"]
    disk.main.write_text("half a fi(")
    disk.helper.unlink()
    await killed(system, plugin)
    assert (await asked(system, plugin))[:2] == ["two", "second"]


IN_A_PACKAGE = pytest.mark.parametrize("disk", ["a package"], indirect=True)


@IN_A_PACKAGE
async def test_reload_that_fails_leaves_the_code_to_come_back_with(
    system: PluginSystem, plugin: PluginRecord, disk: OnDisk
) -> None:
    for _ in range(3):
        disk.main.write_text("half a fi(")
        with pytest.raises(PluginReloadFailedError):
            await system.manager.reload(plugin.id, ADA)
    await killed(system, plugin)
    assert (await asked(system, plugin))[:2] == ["one", "first"]


@IN_A_PACKAGE
async def test_enable_takes_the_disks_code_and_copies_are_dropped(
    system: PluginSystem, plugin: PluginRecord, disk: OnDisk, quick: Settings
) -> None:
    for mark in ("two", "three", "four"):
        await system.manager.disable(plugin.id, ADA)
        disk.write(mark, mark)
        await system.manager.enable(plugin.id, ADA)
        assert (await asked(system, plugin))[:2] == [mark, mark]
    assert len(list((quick.data_dir / "kept-code").iterdir())) == 1
