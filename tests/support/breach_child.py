"""A host in a process of its own whose watched version does harm, and which is killed when that is stored, before anything is done about it.

    python -m support.breach_child DATA_DIR

Prints `ready`, then `reached` when the old version is about to be asked back.
"""

import asyncio
import sys
from pathlib import Path

from isp_plugins.settings import Settings
from isp_plugins.system import PluginSystem
from support.packages import FilePackages


async def main(data_dir: Path) -> None:
    """Open a system, and call until its watch has had enough."""
    settings = Settings(data_dir=data_dir, sandbox="off")
    async with PluginSystem.open(settings, packages=FilePackages(settings)) as system:

        async def held(*_arguments: object, **_options: object) -> None:
            print("reached", flush=True)
            await asyncio.Event().wait()

        system.upgrader.begin_rollback = held  # type: ignore[method-assign,assignment]  # where the kill comes
        print("ready", flush=True)
        while True:
            await system.dispatch("customer_created", {"id": 7, "name": "Ada"})
            await asyncio.sleep(0.005)


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1])))
