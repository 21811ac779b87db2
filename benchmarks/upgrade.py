"""What reloads, upgrades and a bad version cost those who call a plugin meanwhile.

    python -m benchmarks.upgrade [--quick] [--seconds 60] [--rate 500]

1. So many dispatches a second, each at its own moment whether or not the ones before have ended; a call's time counts from that moment.
2. Slices without and with changes alternate, so that a busy moment of the machine hits both; the changes are 10 reloads and 2 upgrades
   (real packages, built, locked and installed meanwhile), spread over the slices that have any.
3. The plugin runs in a worker in its sandbox, and writes the number of each call into a file: lost ones and those run twice are counted there.
4. Then a version comes of which one call in five fails, which also writes into its storage: how long after the switch the old one is back and serves,
   and whether configuration and storage are byte for byte what they were.
"""

import argparse
import asyncio
import collections
import contextlib
import itertools
import logging
import sqlite3
import statistics
import sys
import tempfile
import time
from pathlib import Path

from benchmarks.harness import Row, Table
from isp_plugins import PluginSystem, Settings
from isp_plugins.actors import HOST
from isp_plugins.db.urls import sqlite_file
from isp_plugins.lifecycle.orders import InstallOrder, SourceType
from isp_plugins.lifecycle.upgrading import UpgradeOrder
from isp_plugins.packages.values import Source, SourceKind

ROOT = Path(__file__).resolve().parents[1]
HOOK, NAME = "customer_created", "busy"
SECONDS, RATE, SLICES, RELOADS, UPGRADES = 60.0, 500, 6, 10, 2
QUICK = {"seconds": 6.0, "slices": 2, "reloads": 2, "upgrades": 1}
P99_AT_MOST, RETURNED_WITHIN_S, GIVE_UP_S = 2.0, 30.0, 120.0
BAD = "9.0.0"
MANIFEST = """
name = "busy"
version = "{version}"
plugin_type = "CUSTOM"
entry_point = "busy.plugin:Plugin"

[grants]
host_calls = ["storage"]
secrets = ["password"]

[grants.files]
write = ["{marks}"]

[config_schema]
greeting = {{ type = "string", default = "hello" }}
password = {{ type = "string", encrypted = true }}

[[hooks]]
hook_name = "customer_created"
hook_type = "action"
callback_method = "work"
"""
CODE = """
import os
from app.services.plugin_service import PluginInterface


class Plugin(PluginInterface):
    def initialize(self):
        self.file = os.open({marks!r} + "/marks", os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
        return True

    def keep(self, key, value):
        self.context.set(key, value)

    def migrate(self, from_version, config):
        return config | {{"greeting": {version!r}}}

    def work(self, payload):
        os.write(self.file, b"%d\\n" % payload["id"])
        if {bad} and payload["id"] % 5 == 0:
            if payload["id"] % 50 == 0:
                self.context.set("kept", payload["id"])
            raise ValueError("one in five")
        return payload["id"]
"""
TABLES = ("plugin_configurations", "configuration_versions", "plugin_storage", "plugin_hooks")


class Caller:
    """Calls at a steady rate, and keeps what became of it."""

    def __init__(self, system, rate):
        self._system = system
        self._rate = rate
        self._numbers = itertools.count(1)
        self._running = set()
        self.called = 0
        self.errors = []

    async def call(self, seconds, beside=None):
        """Call for so long, and until what is done beside it has ended; seconds of each call."""
        took, began = [], time.perf_counter()
        for index in itertools.count():
            if index >= seconds * self._rate and (beside is None or beside.done()):
                break
            due = began + index / self._rate
            if (early := due - time.perf_counter()) > 0:
                await asyncio.sleep(early)
            task = asyncio.create_task(self._one(next(self._numbers), due, took))
            self._running.add(task)
            task.add_done_callback(self._running.discard)
            self.called += 1
        while self._running:
            await asyncio.wait(self._running)
        return took

    async def _one(self, number, due, took):
        try:
            result = await self._system.dispatch(HOOK, {"id": number})
            (outcome,) = result.outcomes
            if outcome.status != "ok" or outcome.value != number:
                self.errors.append(outcome.error or outcome.status)
        except Exception as error:
            self.errors.append(error)
        took.append(time.perf_counter() - due)


class Contest:
    """One system with one plugin, and its packages."""

    def __init__(self, folder):
        self.folder = folder
        self.marks = folder / "marks"
        self.marks.mkdir()
        folder.chmod(0o755)
        self.marks.chmod(0o777)  # a root server's workers are other users
        self.settings = Settings(
            data_dir=folder / "data", package_offline="yes", worker_handshake_timeout=60.0, load_timeout=60.0
        )

    def wheel(self, version):
        from support.wheels import make_plugin_wheel

        manifest = MANIFEST.format(version=version, marks=self.marks)
        code = CODE.format(version=version, marks=str(self.marks), bad=version == BAD)
        return make_plugin_wheel(self.folder / version, NAME, version, manifest=manifest, code=code)

    def order(self, version, **fields):
        wheel = self.wheel(version)
        source = Source(SourceKind.UPLOAD, str(wheel), name=wheel.name)
        return InstallOrder(source_type=SourceType.UPLOAD, source=source, **fields)

    async def install(self, system):
        configuration = {"password": "s3cret"}
        order = self.order("1.0.0", accept_grants=True, auto_enable=True, configuration=configuration)
        await ended(system, await system.installer.begin(order, HOST))
        plugin_id = system.directory.by_name(NAME).id
        await system.manager.execute(plugin_id, "keep", ["kept", {"n": [1, 2.5, None]}], HOST)
        return plugin_id

    async def upgrade(self, system, plugin_id, version):
        order = await asyncio.to_thread(self.order, version)
        begun = await system.upgrader.begin(UpgradeOrder(plugin_id=plugin_id, package=order), HOST)
        await ended(system, begun)

    def held(self):
        """What the plugin holds, as the database has it."""
        with contextlib.closing(sqlite3.connect(sqlite_file(self.settings.url))) as database:
            return {name: sorted(map(repr, database.execute(f"SELECT * FROM {name}"))) for name in TABLES}

    def runs(self):
        """How often each call ran."""
        return collections.Counter(map(int, (self.marks / "marks").read_text().split()))


async def ended(system, operation):
    found = await system.operations.wait(operation.id, GIVE_UP_S)
    assert found.state == "succeeded", found.error


async def measure(table, options):
    with tempfile.TemporaryDirectory() as folder:
        contest = Contest(Path(folder))
        async with PluginSystem.open(contest.settings) as system:
            plugin_id = await contest.install(system)
            caller = Caller(system, options.rate)
            await caller.call(1.0)
            calm, changing = await slices(contest, system, plugin_id, caller, options)
            tell_changes(table, contest, caller, calm, changing, options)
            await tell_return(table, contest, system, plugin_id, options)


async def slices(contest, system, plugin_id, caller, options):
    """Seconds of each call, slice by slice, without changes and with."""
    each, count = options.seconds / options.slices, options.slices
    changes = [[] for _ in range(count)]
    for number in range(options.reloads):
        changes[number % count].append("reload")
    for number in range(options.upgrades):
        changes[(2 * number + 1) * count // (2 * options.upgrades)].append(f"{number + 2}.0.0")
    calm, changing = [], []
    for wanted in changes:
        calm.append(await caller.call(each))
        beside = asyncio.create_task(change(contest, system, plugin_id, wanted, each))
        changing.append(await caller.call(each, beside))
        await beside
    return calm, changing


async def change(contest, system, plugin_id, wanted, seconds):
    """Do what is wanted of one slice, spread over it."""
    for one in wanted:
        await asyncio.sleep(seconds / (len(wanted) + 1))
        if one == "reload":
            await system.manager.reload(plugin_id, HOST)
        else:
            await contest.upgrade(system, plugin_id, one)


def tell_changes(table, contest, caller, calm, changing, options):
    runs = contest.runs()
    lost = caller.called - len(runs)
    twice = sum(count - 1 for count in runs.values())
    for error in caller.errors[:3]:
        print(f"  {error!r}")
    what = (
        f"{options.rate}/s for {options.seconds:g} s, {options.reloads} reloads, {options.upgrades} upgrades"
    )
    table.add(Row(f"{what}: errors", len(caller.errors), f"of {caller.called}", at_most=0))
    table.add(Row("calls that did not run", lost, "calls", at_most=0))
    table.add(Row("calls that ran twice", twice, "calls", at_most=0))
    for name, share in (("median", 0.5), ("p99", 0.99), ("p99.9", 0.999)):
        before, after = (at(share, itertools.chain(*took)) for took in (calm, changing))
        bar = P99_AT_MOST if name == "p99" else None
        table.add(Row(f"{name} with changes, to without ({before * 1e6:,.0f} us)", after / before, "x", after * 1e9, at_most=bar))  # fmt: skip
    ratios = [at(0.99, after) / at(0.99, before) for before, after in zip(calm, changing, strict=True)]
    table.add(Row("p99, median of the slices' ratios", statistics.median(ratios), "x"))
    for what, took in (("with changes", changing), ("without", calm)):
        table.add(Row(f"slowest call {what}", max(map(max, took)) * 1e3, "ms"))


def at(share, took):
    """The time that such a share of the calls did not exceed."""
    ordered = sorted(took)
    return ordered[min(int(share * len(ordered)), len(ordered) - 1)]


async def tell_return(table, contest, system, plugin_id, options):
    """A version of which one call in five fails."""
    before, version = contest.held(), system.directory.get(plugin_id).version
    caller = Caller(system, options.rate)
    await contest.upgrade(system, plugin_id, BAD)
    began, seconds = time.perf_counter(), GIVE_UP_S
    while time.perf_counter() - began < GIVE_UP_S:
        await caller.call(0.1)
        if system.directory.get(plugin_id).version == version:
            seconds = time.perf_counter() - began
            break
    failed = len(caller.errors)
    caller.errors.clear()
    await caller.call(0.2)
    same = contest.held() == before and not caller.errors
    table.add(Row(f"20 % errors: on the old version again after ({failed} calls failed)", seconds, "s", at_most=RETURNED_WITHIN_S))  # fmt: skip
    table.add(Row("configuration, subscriptions and storage as before", int(same), "1: yes", at_least=1))


def parse(arguments):
    """What to measure."""
    parser = argparse.ArgumentParser(description="Measure what changes of a plugin cost its callers.")
    parser.add_argument("--quick", action="store_true", help="a few seconds, to see that it works")
    parser.add_argument("--seconds", type=float, default=SECONDS, help="of calls with changes")
    parser.add_argument("--rate", type=int, default=RATE, help="calls a second")
    parser.add_argument("--slices", type=int, default=SLICES)
    parser.add_argument("--reloads", type=int, default=RELOADS)
    parser.add_argument("--upgrades", type=int, default=UPGRADES)
    options = parser.parse_args(arguments)
    if options.quick:
        vars(options).update(QUICK)
    return options


def main(arguments=()):
    """Run it; 1 if a bar was missed."""
    options = parse(arguments)
    sys.path.insert(0, str(ROOT / "tests"))
    table = Table("Reloads, upgrades and a bad version, under calls")
    table.start()
    logging.disable(logging.CRITICAL)
    asyncio.run(measure(table, options))
    return int(table.failed)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
