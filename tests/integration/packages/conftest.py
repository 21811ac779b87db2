"""A package store that reaches no network, with a folder of small wheels."""

import itertools
from dataclasses import dataclass

import pytest

from isp_plugins.contracts.worker import WorkerLimits
from isp_plugins.packages.store import PackageStore
from isp_plugins.settings import Settings
from support.wheels import make_wheel


@dataclass
class Installed:
    """What all steps gave."""

    download: object
    wheel: object
    manifest: object
    lock: object
    environment: object
    artifact: object
    program: object


class Installer:
    """Runs the steps of an installation, each attempt in a staging folder of its own."""

    def __init__(self, store):
        self.store = store
        self._numbers = itertools.count(1)

    def staging(self):
        return self.store.folders.data_dir / "staging" / str(next(self._numbers))

    async def wheel_of(self, source):
        staging = self.staging()
        download = await self.store.fetch(source, staging)
        tree = await self.store.unpack(download, staging)
        return download, tree, await self.store.build(tree, staging), staging

    async def install(self, source):
        download, tree, wheel, staging = await self.wheel_of(source)
        store = self.store
        manifest = store.read_manifest(wheel)
        lock = await store.resolve(wheel, manifest, staging, wheels=tree.wheels)
        environment = await store.build_environment(lock, staging)
        artifact = await store.keep(wheel, staging)
        program = store.program(manifest, artifact, environment, WorkerLimits())
        return Installed(download, wheel, manifest, lock, environment, artifact, program)


@pytest.fixture(scope="session")
def links(tmp_path_factory):
    """A folder of wheels: `dep` 1.0 and 2.0."""
    place = tmp_path_factory.mktemp("links")
    make_wheel(place, "dep", "1.0")
    make_wheel(place, "dep", "2.0")
    return place


@pytest.fixture
def make_installer(tmp_path):
    """Installers on data directories of their own."""
    numbers = itertools.count(1)

    def make(*, data=None, check=None, **settings):
        chosen = Settings(data_dir=data or tmp_path / f"data{next(numbers)}", **settings)
        return Installer(PackageStore(chosen, check=check) if check else PackageStore(chosen))

    return make


@pytest.fixture
def installer(make_installer, links):
    """An installer that finds its wheels in the folder, and goes nowhere else."""
    return make_installer(package_find_links=str(links), package_offline="yes")
