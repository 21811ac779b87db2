"""How a plugin's worker is started, from its registration; behind `lifecycle.launching.ProgramOf`.

Code of the plugin path is copied first, so that a worker that comes back after a crash runs what it ran before (`runtime.worker.kept_code`).
What is installed needs no copy: an artifact never changes.
"""

import asyncio
from collections.abc import Callable, Collection, Sequence
from dataclasses import replace
from importlib.metadata import version
from pathlib import Path

from isp_plugin_sdk.manifest import Manifest
from isp_plugin_sdk.sandbox.grants import Grants
from isp_plugins.contracts.vocabulary import RuntimeKind
from isp_plugins.contracts.worker import WorkerLimits, WorkerProgram
from isp_plugins.errors import PluginSystemError
from isp_plugins.lifecycle.errors import HostOutgrownError, InstallationMissingError
from isp_plugins.lifecycle.launching import cause_of
from isp_plugins.lifecycle.records import PluginRecord
from isp_plugins.lifecycle.releases import Release
from isp_plugins.lifecycle.suitability import host_mistake
from isp_plugins.packages.manifests import HOST
from isp_plugins.packages.store import PackageStore
from isp_plugins.packages.values import Lock
from isp_plugins.runtime import search
from isp_plugins.runtime.worker.kept_code import KeptCode
from isp_plugins.runtime.worker.module_program import kept_of, module_program


class Programs:
    """Knows the modules of the plugin path, and what is installed."""

    def __init__(self, folders: Sequence[Path], packages: PackageStore, kept: KeptCode) -> None:
        self._folders = tuple(folders)
        self._kept = kept
        self._packages = packages

    async def __call__(self, record: PluginRecord, tell: Callable[[str], None]) -> WorkerProgram | None:
        """The program of a plugin that runs in a process of its own."""
        if record.runtime is not RuntimeKind.PROCESS:
            return None
        if record.release is not None:
            return await self._installed(record, record.release, tell)
        return await asyncio.to_thread(self._on_path, record, tell)

    async def settled(self, plugin_id: int, needed: Collection[WorkerProgram]) -> None:
        """Drop the copies of the plugin's code that none of these programs runs."""
        copies = frozenset(copy for program in needed if (copy := kept_of(program)) is not None)
        await asyncio.to_thread(self._kept.settle, plugin_id, copies)

    def _on_path(self, record: PluginRecord, tell: Callable[[str], None]) -> WorkerProgram:
        """The program of a plugin on the plugin path; where its code cannot be copied, it runs from the disk, and that is told."""
        module, entry = record.module_path, record.entry_point
        program = module_program(module, entry, folders=self._folders, version=record.version)
        try:
            copy = self._kept.take(record.id, module, search.real_folders(self._folders))
        except OSError as error:
            tell(
                f"Its code cannot be kept, so a restart after a crash would run what lies on the disk then: {error}"
            )
            return program
        return module_program(module, entry, folders=self._folders, version=record.version, kept=copy)

    async def _installed(
        self, record: PluginRecord, release: Release, tell: Callable[[str], None]
    ) -> WorkerProgram:
        """The program of an installed plugin: its own environment's interpreter, or the command of its manifest, with the grants that were accepted."""
        manifest = Manifest.of(release.manifest)
        if (wanted := host_mistake(manifest, version(HOST))) is not None:
            raise HostOutgrownError(
                name=record.name, version=release.version, wanted=wanted, present=version(HOST)
            )
        try:
            artifact, environment = await self._packages.ensure(release.digest, Lock.of(release.lock), tell)
        except (PluginSystemError, OSError) as error:
            raise InstallationMissingError(name=record.name, cause=cause_of(error)) from error
        program = self._packages.program(manifest, artifact, environment, WorkerLimits())
        return replace(program, grants=Grants.of_manifest(release.manifest))
