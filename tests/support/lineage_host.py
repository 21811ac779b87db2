"""A host that starts one worker, tells what was started in it, and waits to be killed: `lineage_host.py KIND FOLDER`."""

import asyncio
import json
import sys
from dataclasses import replace
from pathlib import Path

from isp_plugin_sdk.sandbox.grants import Grants
from isp_plugin_sdk.sandbox.policy import Enforcement
from isp_plugins.clock import SystemClock
from isp_plugins.runtime.worker import WorkerRuntime
from isp_plugins.runtime.worker.confining import Confiner
from isp_plugins.runtime.worker.leftovers import Leftovers
from support.lineage import FIRST_UID, HEAD, SPAWN
from support.runtime import WorkerFolder


class Folder(WorkerFolder):
    """Workers with a brand of the data directory."""

    def __init__(self, folder: Path, data_dir: Path) -> None:
        super().__init__(folder)
        self.data_dir = data_dir

    def runtime(self) -> WorkerRuntime:
        confiner = Confiner(self.data_dir, Enforcement.BEST_EFFORT, FIRST_UID, print)
        leftovers = Leftovers.taken_over(self.data_dir)
        return WorkerRuntime(
            self.settings, SystemClock(), self.deaths.append, confiner=confiner, leftovers=leftovers
        )


async def main(kind: str, where: Path) -> None:
    folder = Folder(where / "code", where / "data")
    folder.plugin(SPAWN, head=HEAD)
    request = folder.request()
    if kind == "granted":
        grants = Grants.of({"processes": True})
        request = replace(request, program=replace(request.program, grants=grants))
    running = await folder.runtime().start(request)
    told = await running.execute("spawn", {"token": str(where)}, 60)
    print(json.dumps({"worker": running.pid, "told": told, "sandbox": running.sandbox}), flush=True)
    await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], Path(sys.argv[2])))
