"""Starts the hostile worker and a well-behaved one beside it, and measures what the host holds meanwhile."""

import asyncio
import logging
import sys
import time
from contextlib import asynccontextmanager
from pathlib import Path

from isp_plugins.contracts.worker import WorkerProgram
from support.runtime import WorkerFolder
from support.waiting import until

SCRIPT = Path(__file__).with_name("hostile_worker.py")
LONG_S = 60
"""A deadline that no test waits for."""
MIB = 1024 * 1024


class OneRuntime(WorkerFolder):
    """A folder whose workers share one runtime, and are ended with the test whatever became of it."""

    _shared = None

    def runtime(self):
        self._shared = self._shared or super().runtime()
        return self._shared

    async def end(self):
        for worker in self._shared.living() if self._shared else ():
            await worker.abandon()


def hostile_program(folder):
    """The command line of the hostile worker."""
    argv = (sys.executable, "-I", str(SCRIPT))
    return WorkerProgram(argv, folder=folder, speaks_over_stdio=True, version="1.0")


async def hostile(workers, **changes):
    """A hostile worker, ready to be called."""
    if not (workers.folder / "plugins" / "sample.py").exists():
        workers.plugin("pass")  # what the registration names; the command is run in its place
    fields = {"program": hostile_program(workers.folder), "plugin_name": "hostile", "logger": silent_logger()}
    return await workers.start(**{**fields, **changes})


def silent_logger():
    """A logger that takes everything from INFO on, and keeps nothing."""
    logger = logging.Logger("hostile", logging.INFO)  # noqa: LOG001  not of the process's tree, as plugins' loggers are
    logger.addHandler(logging.NullHandler())
    return logger


@asynccontextmanager
async def neighbour(workers):
    """A plugin that has nothing to do with it; it was not touched and still answers at the end."""
    plugin = await workers.started("def echo(self, value):\n    return value")
    pid = plugin.pid
    yield plugin
    assert await plugin.execute("echo", ["fine"], LONG_S) == "fine"
    assert (plugin.pid, plugin.death) == (pid, None)
    await plugin.stop()


def memory():
    """Resident memory of this process, in bytes."""
    fields = Path("/proc/self/statm").read_text().split()
    return int(fields[1]) * 4096


class Watch:
    """How far this process's memory grew above what it was in the beginning."""

    def __init__(self):
        self.began = memory()
        self.most = 0

    def look(self):
        self.most = max(self.most, memory() - self.began)


async def serves_during(seconds, *plugins):
    """Every plugin answers again and again, so long; how much this process grew meanwhile."""
    watch = Watch()
    ends = time.monotonic() + seconds  # a flood has no end that could be awaited

    async def answered():
        values = await asyncio.gather(*(plugin.execute("echo", ["here"], LONG_S) for plugin in plugins))
        assert values in ([["here"], "here"], ["here"])
        watch.look()
        return time.monotonic() >= ends

    await until(answered, within=seconds + LONG_S)
    return watch.most
