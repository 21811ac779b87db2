"""A killed host loses at most the last flush interval of its plugins' logs."""

import signal
import subprocess

from isp_plugins.db.engine import Database
from isp_plugins.telemetry import LogFilters, PluginLogs
from support.forked import Forked

WRITER = """
import asyncio, sys, time
from isp_plugins.clock import SystemClock
from isp_plugins.contracts.vocabulary import LogLevel
from isp_plugins.db.engine import Database
from isp_plugins.telemetry import PluginLogs

async def main():
    database = await Database.open(sys.argv[1])
    logs = PluginLogs(database, node="n1", clock=SystemClock(), queue_size=50_000, flush_interval=0.1)
    await logs.open()
    logger = logs.logger_for(1, "p", LogLevel.INFO)
    while True:
        logger.info("tick")
        print(time.time(), flush=True)
        await asyncio.sleep(0.001)

asyncio.run(main())
"""
LEEWAY_S = 2.0
"""What a busy machine may add to the interval."""


async def test_a_killed_host_loses_at_most_the_last_interval(sqlite_url, clock):
    process = Forked("-c", WRITER, sqlite_url, stdout=subprocess.PIPE)
    written = [float(process.stdout.readline()) for _ in range(500)]
    process.send_signal(signal.SIGKILL)
    written += [float(line) for line in process.stdout if line.endswith("\n")]
    process.wait()
    process.stdout.close()
    database = await Database.open(sqlite_url)
    logs = PluginLogs(database, node="n2", clock=clock, queue_size=100, flush_interval=1)
    stored = (await logs.page(LogFilters(), 1, 1)).total
    await database.close()
    assert stored >= sum(moment < written[-1] - 0.1 - LEEWAY_S for moment in written)
    assert stored > 0
