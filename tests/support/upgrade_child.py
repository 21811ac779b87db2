"""A host in a process of its own that upgrades a plugin, or rolls it back, and is killed while it does.

    python -m support.upgrade_child DATA_DIR PACKAGE STEP

PACKAGE `-` is a rollback. Prints `ready`, then `reached` once it is in the step: one of the store's methods (its files are written by then),
`manifest`, `migrate`, `switch` or `find` (begun); with `-` it never holds. Then it prints `done`.
"""

import asyncio
import sys
from pathlib import Path

from isp_plugins.actors import HOST
from isp_plugins.lifecycle.orders import InstallOrder, SourceType
from isp_plugins.lifecycle.upgrading import UpgradeOrder
from isp_plugins.operations import Operation
from isp_plugins.packages.values import Source, SourceKind
from isp_plugins.settings import Settings
from isp_plugins.system import PluginSystem
from support.packages import FilePackages


def say(word: str) -> None:
    """One line that is out before anything else happens."""
    print(word, flush=True)


async def told(packages: FilePackages, system: PluginSystem, operation_id: int, step: str) -> None:
    """Say when the step is reached."""
    if step in {"manifest", "migrate", "switch", "find"}:
        while not (await system.operations.get(operation_id)).reached(step):
            await asyncio.sleep(0.001)
    else:
        await packages.reached.wait()
    say("reached")


async def begun(system: PluginSystem, package: str) -> Operation:
    """The operation that is to be killed."""
    plugin_id = system.directory.by_name("sample").id
    if package == "-":
        return await system.upgrader.begin_rollback(plugin_id, HOST)
    source = Source(SourceKind.UPLOAD, package, name=Path(package).name)
    order = InstallOrder(source_type=SourceType.UPLOAD, source=source)
    return await system.upgrader.begin(UpgradeOrder(plugin_id=plugin_id, package=order), HOST)


async def main(data_dir: Path, package: str, step: str) -> None:
    """Open a system, and begin."""
    settings = Settings(data_dir=data_dir, sandbox="off")
    packages = FilePackages(settings)
    packages.holds.add(step)
    async with PluginSystem.open(settings, packages=packages) as system:
        say("ready")
        operation = await begun(system, package)
        telling = asyncio.create_task(told(packages, system, operation.id, step)) if step != "-" else None
        await system.operations.wait(operation.id, 300)
        say("done")
        await (telling or asyncio.sleep(0))
        await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1]), sys.argv[2], sys.argv[3]))
