"""Upkeep of a whole system: pruned at a quiet moment, audited, and the depot completed from what is here."""

import os
import time
from pathlib import Path

import pytest

from isp_plugins.actors import HOST
from isp_plugins.audit import AuditTag
from isp_plugins.lifecycle.upkeep import InstallationsUnderWayError
from isp_plugins.packages.depot import Depot
from support.packages import FilePackages


def old_entry(bench) -> Path:
    part = bench.packages.folders.bytecode / "entry"
    part.mkdir(parents=True)
    long_ago = time.time() - 10_000_000
    os.utime(part, (long_ago, long_ago))
    return part


async def test_operator_prunes_and_that_is_audited(bench):
    part = old_entry(bench)
    assert [one.name for one in await bench.system.upkeep.plan()] == ["entry"]
    assert [one.name for one in await bench.system.upkeep.prune(HOST)] == ["entry"]
    assert not part.exists()
    tags = [entry.tag for entry in (await bench.system.audit.page()).items]
    assert AuditTag.PACKAGES_PRUNED in tags


async def test_nothing_is_pruned_while_something_is_installed(bench):
    part = old_entry(bench)
    bench.packages.holds = {"resolve"}
    begun = await bench.begin()
    await bench.packages.reached.wait()
    with pytest.raises(InstallationsUnderWayError):
        await bench.system.upkeep.prune(HOST)
    await bench.system.upkeep.run()
    assert part.exists()
    bench.packages.go_on.set()
    await bench.ended(begun)
    await bench.system.upkeep.run()
    assert not part.exists()


async def test_depot_that_is_new_gets_what_is_here(bench):
    await bench.install()
    assert isinstance(bench.packages, FilePackages)
    depot = Depot(bench.system.database)
    await bench.packages.connect(depot)
    assert await bench.system.upkeep.complete_depot() == 1
    digest = bench.system.directory.by_name("sample").release.digest
    assert [one.digest for one in await depot.contents()] == [digest]
    assert await bench.system.upkeep.complete_depot() == 0
    usage = {one.folder: one.bytes for one in await bench.system.upkeep.usage()}
    assert usage["depot"] > 0
