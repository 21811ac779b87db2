"""A host in a process of its own that installs one plugin and is killed while it does.

    python -m support.install_child DATA_DIR PACKAGE STEP

Prints `reached` once it is in the step: one of the store's methods (its files are written by then), `register` (committed) or `enable`;
with `-` it never holds. Then it prints `done`.
"""

import asyncio
import sys
from pathlib import Path

from isp_plugins.actors import HOST
from isp_plugins.lifecycle.orders import InstallOrder, SourceType
from isp_plugins.packages.values import Source, SourceKind
from isp_plugins.settings import Settings
from isp_plugins.system import PluginSystem
from support.packages import FilePackages


def say(word: str) -> None:
    """One line that is out before anything else happens."""
    print(word, flush=True)


async def told(packages: FilePackages, system: PluginSystem, operation_id: int, step: str) -> None:
    """Say when the step is reached."""
    if step in {"register", "enable"}:
        while not (await system.operations.get(operation_id)).reached(step):
            await asyncio.sleep(0.001)
        while step == "register" and not len(system.directory):
            await asyncio.sleep(0)
        while step == "enable" and not (system.settings.data_dir / "initializing").exists():
            await asyncio.sleep(0.001)
    else:
        await packages.reached.wait()
    say("reached")


async def main(data_dir: Path, package: Path, step: str) -> None:
    """Open a system and install."""
    settings = Settings(
        data_dir=data_dir, sandbox="off"
    )  # the tests' plugins leave marks outside their folders
    packages = FilePackages(settings)
    packages.holds.add(step)
    async with PluginSystem.open(settings, packages=packages) as system:
        source = Source(SourceKind.UPLOAD, str(package), name=package.name)
        order = InstallOrder(
            source_type=SourceType.UPLOAD,
            source=source,
            configuration={"greeting": "hi", "password": "s3cret"},
            auto_enable=True,
        )
        say("ready")
        operation = await system.installer.begin(order, HOST)
        telling = asyncio.create_task(told(packages, system, operation.id, step)) if step != "-" else None
        await system.operations.wait(operation.id, 300)
        say("done")
        await (telling or asyncio.sleep(0))
        await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3]))
