"""Every step that turns a source into a kept artifact with its environment; each can be repeated, and killed in the middle.

1. What is unfinished lies in the staging folder that the caller gives, which is its to delete; what is finished is renamed into place.
2. Artifacts lie under `<data-dir>/artifacts/<sha256>/`, environments under `<data-dir>/environments/<key>/`.
3. What nodes share lies in the depot, if there is one (`connect`); `ensure` brings it to this machine, `share` puts it there.
4. `drop_unused` must not run beside an installation: what that has made and not yet registered would be dropped.
"""

import re
import shutil
from pathlib import Path

from isp_plugin_sdk.manifest import Manifest
from isp_plugin_sdk.sandbox.policy import Enforcement
from isp_plugins.contracts.worker import WorkerLimits, WorkerProgram
from isp_plugins.packages import artifacts, environments, locking, manifests
from isp_plugins.packages.build_policy import BuildSandbox
from isp_plugins.packages.building import build_distribution, pack_command
from isp_plugins.packages.depot import Depot
from isp_plugins.packages.dropping import drop_unused
from isp_plugins.packages.ensuring import Ensurer, Tell, files_to_share
from isp_plugins.packages.git import fetch_git
from isp_plugins.packages.in_thread import in_thread
from isp_plugins.packages.limits import PackageFolders, PackageLimits
from isp_plugins.packages.moving import telling_full_disk
from isp_plugins.packages.program import program
from isp_plugins.packages.pruning import Prunable, PruneLimits, Pruner
from isp_plugins.packages.sdk_wheel import SdkWheel, pack_sdk
from isp_plugins.packages.sources import fetch_file, fetch_folder
from isp_plugins.packages.unpacking import unpack
from isp_plugins.packages.uv_tool import Uv
from isp_plugins.packages.values import (
    Artifact,
    Download,
    Environment,
    Freed,
    Lock,
    Source,
    SourceKind,
    Tree,
    TreeKind,
)
from isp_plugins.settings import Settings

_DIGEST = re.compile(r"[0-9a-f]{64}")


class PackageStore:
    """The packages of one data directory; `check` tells what is wrong with a registration, beyond the manifest's own rules."""

    def __init__(
        self, settings: Settings, *, check: manifests.RegistrationCheck = manifests.nothing_more
    ) -> None:
        self.limits = PackageLimits.of(settings)
        self.folders = PackageFolders(settings.data_dir.absolute())
        self._uv = Uv(settings, self.folders, self.limits)
        self._builds = BuildSandbox(
            self.folders.data_dir, Enforcement(settings.sandbox), settings.sandbox_first_uid
        )
        self._check = check
        self._sdk: SdkWheel | None = None
        self.depot: Depot | None = None
        """Where nodes share their files; None: nowhere."""
        self._ensurer = Ensurer(self)
        self.pruner = Pruner(self.folders, self._uv, PruneLimits.of(settings))

    async def connect(self, depot: Depot | None) -> None:
        """Share files there from now on; what a killed host had begun to fetch is dropped."""
        self.depot = depot
        await in_thread(shutil.rmtree, self.folders.fetching, ignore_errors=True)

    async def ensure(self, digest: str, lock: Lock, tell: Tell) -> tuple[Artifact, Environment]:
        """What a release needs, on this machine; `tell` is told where it has to be made.

        `ArtifactNowhereError`, `DepotUnreachableError`, `DepotFileDamagedError`, `EnvironmentFailedError`, `LockOutdatedError`, `DiskFullError`.
        """
        with telling_full_disk(self.folders.data_dir):
            artifact = await self._ensurer.artifact(digest, tell)
            return artifact, await self._ensurer.environment(lock, tell)

    async def share(self, artifact: Artifact, lock: Lock) -> tuple[int, ...]:
        """Put into the depot what other nodes need for a release, and hold it for an hour; the ids to hold it on. `DepotUnreachableError`."""
        if self.depot is None:
            return ()
        await self._ensurer.gather(self._uv, lock)
        files = await in_thread(files_to_share, self.folders, artifact, lock)
        return tuple([await self.depot.put(digest, file) for digest, file in files])

    async def fetch(self, source: Source, staging: Path) -> Download:
        """A copy of the package in staging; `SourceUnusableError`, `SourceUnreachableError`, `PackageTooLargeError`."""
        staging = _made(staging)
        if source.kind is SourceKind.GIT:
            with telling_full_disk(staging):
                return await fetch_git(source, staging, self.limits)
        copy = fetch_folder if source.kind is SourceKind.DIRECTORY else fetch_file
        return await in_thread(copy, source, staging, self.limits)

    async def unpack(self, download: Download, staging: Path) -> Tree:
        """What was fetched, unpacked and checked; `ArchiveUnsafeError`, `WheelInvalidError`, `PackageShapeError`, `PackageTooLargeError`."""
        return await in_thread(unpack, download, _made(staging), self.limits)

    async def build(self, tree: Tree, staging: Path) -> Path:
        """The wheel; a wheel is its own. `BuildFailedError`, and for a command `ManifestInvalidError`."""
        if tree.kind is TreeKind.WHEEL:
            return tree.path
        if tree.kind is TreeKind.COMMAND:
            return await in_thread(pack_command, tree.path, _made(staging), self.limits)
        return await build_distribution(self._uv, tree.path, _made(staging), self.limits, self._builds)

    def read_manifest(self, wheel: Path) -> Manifest:
        """The manifest, held against the wheel and this host; `ManifestInvalidError`, `PackageShapeError`, `HostUnsuitableError`."""
        return manifests.read_manifest(wheel, self._check)

    async def resolve(
        self, wheel: Path, manifest: Manifest, staging: Path, *, wheels: Path | None = None
    ) -> Lock:
        """What the environment will hold; `ResolutionImpossibleError`, `PackageIndexUnreachableError`."""
        with telling_full_disk(staging):
            sdk = await self._packed_sdk()
            return await locking.resolve(self._uv, wheel, manifest, sdk, _made(staging), wheels=wheels)

    async def build_environment(self, lock: Lock, staging: Path) -> Environment:
        """The environment of a lock, new or an equal one's; `EnvironmentFailedError`, `LockOutdatedError`."""
        with telling_full_disk(staging):
            await self._packed_sdk()
            return await environments.build_environment(
                self._uv, self.folders, self.limits, lock, _made(staging)
            )

    async def keep(self, wheel: Path, staging: Path) -> Artifact:
        """The wheel in its final place, packed and unpacked; `WheelInvalidError` where its `.data` folder cannot be laid out."""
        with telling_full_disk(staging):
            return await artifacts.keep(self.folders, wheel, _made(staging), self.limits)

    def program(
        self, manifest: Manifest, artifact: Artifact, environment: Environment, limits: WorkerLimits
    ) -> WorkerProgram:
        """How the plugin's worker is started; `limits` are the operator's, the smaller of each pair holds."""
        return program(manifest, artifact, environment, limits)

    def artifact(self, digest: str) -> Artifact | None:
        """A kept artifact; None where it is not on this machine."""
        there = _DIGEST.fullmatch(digest) and (self.folders.artifacts / digest).is_dir()
        return artifacts.kept(self.folders, digest) if there else None

    def environment(self, key: str) -> Environment | None:
        """A built environment; None where it is not on this machine."""
        path = self.folders.environments / key
        return Environment(key, path, made=False) if _DIGEST.fullmatch(key) and path.is_dir() else None

    async def drop_unused(
        self,
        *,
        digests: frozenset[str],
        environments: frozenset[str],
        wheels: frozenset[str] = frozenset(),
    ) -> Freed:
        """Delete every artifact, environment and wheel that is not named, and what the named ones do not need."""
        fresh = self._ensurer.fresh()
        return await in_thread(
            drop_unused,
            self.folders,
            digests=digests | fresh,
            environments=environments | fresh,
            wheels=wheels,
        )

    async def plan_pruning(self, *, names: frozenset[str], wheels: frozenset[str]) -> tuple[Prunable, ...]:
        """What can be pruned, where releases need these distributions and wheels; this host's own SDK stays."""
        own = {self._sdk.digest} if self._sdk else set()
        return await self.pruner.plan(names=names, wheels=wheels | own)

    async def pack_own_sdk(self) -> None:
        """See that the SDK's wheel of this host is there."""
        await self._packed_sdk()

    async def _packed_sdk(self) -> SdkWheel:
        if self._sdk is None or not self._sdk.path.is_file():
            self._sdk = await in_thread(pack_sdk, self.folders.sdk)
        return self._sdk


def _made(staging: Path) -> Path:
    with telling_full_disk(staging):
        staging.mkdir(mode=0o700, parents=True, exist_ok=True)
    return staging.absolute()
