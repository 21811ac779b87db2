"""What supervision costs, and what a plugin that does harm costs the others. Run as `python -m benchmarks.supervision [--workers N]`.

1. Idle: so many workers that do nothing; the memory of each, and the host's CPU time over a while, supervision included.
2. Harm: dispatches to a well-behaved worker, alone and beside one that burns a core, one that leaks 10 MiB/s and one that crashes every
   second; the 99th percentile of each round of dispatches, medians over the rounds. The bar counts only where a core is free beside the burner's.
3. Named: how long it takes until the API's own snapshot names each culprit with its cause, from the moment it does harm.
"""

import argparse
import asyncio
import os
import re
import statistics
import sys
import tempfile
import time
from pathlib import Path

from benchmarks.harness import Row, Table
from benchmarks.workers import enable, system_of_workers

HOOK = "customer_created"
PAYLOAD = {"id": 7, "name": "Ada Lovelace", "emails": ["ada@example.org"], "note": "x" * 100}
WORK = "def work(self, payload):\n    return payload['id']\n"
CULPRITS = {
    "burning": (
        "import threading\n\ndef activate(self):\n    self.threading.Thread(target=self.burn, daemon=True).start()\n\n"
        "def burn(self):\n    while True:\n        pass\n"
    ),
    "leaking": (
        "import threading, time\nkept = []\n\ndef activate(self):\n    self.threading.Thread(target=self.leak, daemon=True).start()\n\n"
        "def leak(self):\n    while True:\n        self.kept.append(bytearray(b'x' * (1 << 20)))\n        self.time.sleep(0.1)\n"
    ),
    "crashing": "import os, threading\n\ndef activate(self):\n    self.threading.Timer(1.0, self.os._exit, (3,)).start()\n",
}
NAMED = {"burning": r"% of a core", "leaking": r"memory grows by", "crashing": r"crashed|with code 3"}
"""What the health's reasons of each culprit have to say."""
NAME_WITHIN_S = 10.0
GIVE_UP_S = 60.0


def main(arguments=()):
    """Measure and print; whether a bar was missed."""
    options = parse(arguments)
    idle = asyncio.run(measure_idle(options))
    harm = asyncio.run(measure_harm(options))
    return idle.failed or harm.failed


def parse(arguments):
    """What to measure."""
    parser = argparse.ArgumentParser(description="Measure what supervision costs.")
    parser.add_argument("--workers", type=int, default=100, help="how many idle workers")
    parser.add_argument("--seconds", type=float, default=20.0, help="how long the idle host is watched")
    parser.add_argument("--rounds", type=int, default=15, help="rounds of dispatches, before and beside harm")
    parser.add_argument("--calls", type=int, default=1000, help="dispatches in a round")
    return parser.parse_args(arguments)


async def measure_idle(options):
    """Many workers that do nothing."""
    table = Table(f"{options.workers} active workers, idle for {options.seconds:g} s")
    with tempfile.TemporaryDirectory() as folder:
        async with system_of_workers(Path(folder) / "var") as system:
            names = [f"idle_{number}" for number in range(options.workers)]
            for start in range(0, len(names), 4):
                await asyncio.gather(*(enable(system, name, WORK, HOOK) for name in names[start : start + 4]))
            await asyncio.sleep(3)
            began, cpu = time.perf_counter(), time.process_time()
            await asyncio.sleep(options.seconds)
            percent = (time.process_time() - cpu) / (time.perf_counter() - began) * 100
            views = system.manager.workers.all()
            table.start()
            assert sum(view.pid is not None for view in views) == options.workers
            table.add(Row("host CPU", percent, "% of a core", at_most=5.0))
            resident = [view.sample.use.memory_bytes for view in views if view.sample]
            table.add(Row("resident memory of a worker", statistics.median(resident) / 2**20, "MiB"))
            private = [size for view in views if (size := private_bytes(view.pid)) is not None]
            if private:
                table.add(Row("of it, shared with no other", statistics.median(private) / 2**20, "MiB"))
            table.add(Row("CPU of all workers together", sum(view.sample.cpu_percent or 0 for view in views if view.sample), "% of a core"))  # fmt: skip
    return table


async def measure_harm(options):
    """Dispatches to a good worker, alone and beside three that do harm."""
    table = Table(f"dispatches to a good worker while others do harm, {os.cpu_count()} CPUs")
    settings = {"recovery_backoff_min": 1.0, "recovery_backoff_max": 1.0, "restart_limit": 100_000, "worker_memory_mb": 4096}  # fmt: skip
    with tempfile.TemporaryDirectory() as folder:
        async with system_of_workers(Path(folder) / "var", **settings) as system:
            await enable(system, "good", WORK, HOOK)
            await rounds(system, options, 2)
            alone = await rounds(system, options, options.rounds)
            began = {}
            ids = {}
            for name, body in CULPRITS.items():
                ids[name] = await enable(system, name, body)
                began[name] = time.monotonic()
            named = await asyncio.gather(*(until_named(system, name, ids[name], began[name]) for name in ids))
            beside = await rounds(system, options, options.rounds)
            table.start()
            for name, seconds in zip(ids, named, strict=True):
                table.add(Row(f"{name}: named with its cause after", seconds, "s", at_most=NAME_WITHIN_S))
            for name, what in (("p50", 0), ("p99", 1)):
                before, after = (statistics.median(one[what] for one in found) for found in (alone, beside))
                is_bar = what == 1 and (os.cpu_count() or 1) > 1
                table.add(Row(f"{name} beside harm, to alone ({before * 1e6:.0f} us)", after / before, "times", after * 1e9, at_most=1.25 if is_bar else None))  # fmt: skip
    return table


async def rounds(system, options, count):
    """The median and the 99th percentile of each round's dispatches, in seconds."""
    found = []
    for _ in range(count):
        took = []
        for _ in range(options.calls):
            began = time.perf_counter()
            result = await system.dispatch(HOOK, PAYLOAD)
            took.append(time.perf_counter() - began)
            assert result.outcomes[0].value == PAYLOAD["id"], result.to_dict()
        cuts = statistics.quantiles(took, n=100)
        found.append((cuts[49], cuts[98]))
    return found


async def until_named(system, name, plugin_id, began):
    """Seconds until the plugin's health names what it does."""
    while time.monotonic() - began < GIVE_UP_S:
        reasons = "; ".join(system.directory.get(plugin_id).health.reasons)
        if re.search(NAMED[name], reasons):
            return time.monotonic() - began
        await asyncio.sleep(0.05)
    return GIVE_UP_S


def private_bytes(pid):
    """Memory that a process shares with no other; None where that is not told."""
    try:
        lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    except OSError:
        return None
    return sum(int(line.split()[1]) for line in lines if line.startswith("Private_")) * 1024


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
