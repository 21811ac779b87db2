"""Installs a package step by step in a process that the test kills; says each step as it begins.

python package_child.py DATA_DIR LINKS SOURCE STAGING
"""

import asyncio
import sys
from pathlib import Path

from isp_plugins.packages.store import PackageStore
from isp_plugins.packages.values import Source, SourceKind
from isp_plugins.settings import Settings


def say(step):
    print(step, flush=True)


async def main(data, links, source, staging):
    store = PackageStore(Settings(data_dir=Path(data), package_find_links=links, package_offline="yes"))
    place = store.folders.data_dir / "staging" / staging
    say("fetch")
    download = await store.fetch(Source(SourceKind.DIRECTORY, source), place)
    say("unpack")
    tree = await store.unpack(download, place)
    say("build")
    wheel = await store.build(tree, place)
    say("manifest")
    manifest = store.read_manifest(wheel)
    say("resolve")
    lock = await store.resolve(wheel, manifest, place)
    say("environment")
    environment = await store.build_environment(lock, place)
    say("keep")
    artifact = await store.keep(wheel, place)
    say(f"done {environment.key} {artifact.digest}")


asyncio.run(main(*sys.argv[1:]))
