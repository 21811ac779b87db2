"""Pruning on a real data directory: what goes is gone, what a release needs can still be built without a network."""

import os
import shutil
import time

from isp_plugins.packages.pruning import DAY_S, Kind
from support.sources import upload
from support.wheels import make_plugin_wheel

OLD = time.time() - 100 * DAY_S


def age(*folders):
    for folder in folders:
        os.utime(folder, (OLD, OLD))


async def test_caches_lose_what_is_old_and_what_a_release_needs_stays(installer, tmp_path):
    installed = await installer.install(upload(make_plugin_wheel(tmp_path / "one", requires=["dep<2"])))
    await installer.install(upload(make_plugin_wheel(tmp_path / "two", "other", requires=["dep<2"])))
    folders, lock = installer.store.folders, installed.lock
    age(*folders.cache.glob("archive-v*/*"), *folders.bytecode.iterdir())
    old_sdk = folders.sdk / ("0" * 64)
    old_sdk.mkdir()
    (old_sdk / "isp_plugin_sdk-0.0.1-py3-none-any.whl").write_bytes(b"old")
    plan = await installer.store.plan_pruning(names=lock.names, wheels=lock.hashes)
    gone = {(one.kind, one.name) for one in plan}
    assert {name for kind, name in gone if kind is Kind.PACKAGE_CACHE} == {"isp-greeter", "isp-other"}
    assert (Kind.SDK, "0" * 64) in gone
    assert sum(kind is Kind.BYTECODE_CACHE for kind, _ in gone) == 2
    await installer.store.pruner.prune(plan)
    assert not old_sdk.exists()
    assert not list(folders.bytecode.iterdir())
    assert await installer.store.plan_pruning(names=lock.names, wheels=lock.hashes) == ()
    shutil.rmtree(folders.environments)
    shutil.rmtree(folders.wheelhouse)
    await installer.store.build_environment(lock, installer.staging())


async def test_plan_deletes_nothing(installer):
    folders = installer.store.folders
    part = folders.bytecode / "entry"
    part.mkdir(parents=True)
    age(part)
    (planned,) = await installer.store.plan_pruning(names=frozenset(), wheels=frozenset())
    assert planned.kind is Kind.BYTECODE_CACHE
    assert part.is_dir()


async def test_left_over_work_goes_after_a_day(installer):
    folders = installer.store.folders
    old, new = folders.data_dir / "staging" / "upload-1", folders.fetching / "2"
    for folder in (old, new):
        folder.mkdir(parents=True)
    age(old)
    plan = await installer.store.plan_pruning(names=frozenset(), wheels=frozenset())
    assert [(one.kind, one.name) for one in plan] == [(Kind.LEFT_OVER, "staging/upload-1")]
    await installer.store.pruner.prune(plan)
    assert not old.exists()
    assert new.exists()


async def test_bytecode_that_is_used_again_is_young_again(installer, tmp_path):
    for name in ("one", "two"):
        wheel = make_plugin_wheel(tmp_path / name, name, requires=[f"dep{'<2' if name == 'one' else '>=2'}"])
        await installer.install(upload(wheel))
        if name == "one":
            age(*installer.store.folders.bytecode.iterdir())
    ages = sorted(
        time.time() - path.stat().st_mtime > DAY_S for path in installer.store.folders.bytecode.iterdir()
    )
    assert ages == [False, False, True], "the SDK was used again, dep 2.0 is new, dep 1.0 is old"
