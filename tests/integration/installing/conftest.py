"""A whole plugin system whose packages are plain files, and orders for it."""

from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from isp_plugins.actors import Actor, ActorType
from isp_plugins.lifecycle.orders import InstallOrder, SourceType
from isp_plugins.operations import Operation
from isp_plugins.packages.values import Source, SourceKind
from isp_plugins.settings import Settings
from isp_plugins.system import PluginSystem
from support.migrated import migrated
from support.packages import FilePackages, package

ADA = Actor(ActorType.API_KEY, "7", "ada")


class Bench:
    """One system, its packages, and what a test does with them."""

    actor = ADA

    def __init__(self, system: PluginSystem, packages: FilePackages, folder: Path) -> None:
        self.system = system
        self.packages = packages
        self.folder = folder

    def order(self, file: Path | None = None, **fields: Any) -> InstallOrder:
        file = file or package(self.folder)
        source = Source(SourceKind.UPLOAD, str(file), name=file.name)
        return replace(InstallOrder(source_type=SourceType.UPLOAD, source=source), **fields)

    async def begin(self, file: Path | None = None, **fields: Any) -> Operation:
        return await self.system.installer.begin(self.order(file, **fields), ADA)

    async def ended(self, operation: Operation) -> Operation:
        ended = await self.system.operations.wait(operation.id, 60)
        assert ended.is_ended
        return ended

    async def install(self, file: Path | None = None, **fields: Any) -> Operation:
        return await self.ended(await self.begin(file, **fields))

    async def uninstall(self, name: str = "sample", **fields: Any) -> None:
        record = self.system.directory.by_name(name)
        await self.system.uninstaller.uninstall(record.id, ADA, **fields)


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    """Settings with short deadlines."""
    return Settings(
        data_dir=migrated(tmp_path / "data"),
        load_timeout=10.0,
        initialize_timeout=10.0,
        drain_timeout=2.0,
        worker_handshake_timeout=60.0,
    )


@pytest.fixture
async def bench(settings: Settings, tmp_path: Path) -> AsyncIterator[Bench]:
    """A running system."""
    packages = FilePackages(settings)
    async with PluginSystem.open(settings, packages=packages) as system:
        yield Bench(system, packages, tmp_path / "packages")
