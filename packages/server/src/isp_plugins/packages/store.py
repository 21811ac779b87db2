"""Every step that turns a source into a kept artifact with its environment; each can be repeated, and killed in the middle.

1. What is unfinished lies in the staging folder that the caller gives, which is its to delete; what is finished is renamed into place.
2. Artifacts lie under `<data-dir>/artifacts/<sha256>/`, environments under `<data-dir>/environments/<key>/`.
"""

from pathlib import Path

from isp_plugin_sdk.manifest import Manifest
from isp_plugins.contracts.worker import WorkerLimits, WorkerProgram
from isp_plugins.packages.values import Artifact, Download, Environment, Freed, Lock, Source, Tree
from isp_plugins.settings import Settings


class PackageStore:
    """The packages of one data directory."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings

    async def fetch(self, source: Source, staging: Path) -> Download:
        """Bring the package into staging."""
        raise NotImplementedError

    async def unpack(self, download: Download, staging: Path) -> Tree:
        """Unpack and check what was fetched."""
        raise NotImplementedError

    async def build(self, tree: Tree, staging: Path) -> Path:
        """The wheel of an unpacked package."""
        raise NotImplementedError

    def read_manifest(self, wheel: Path) -> Manifest:
        """The manifest in a wheel."""
        raise NotImplementedError

    async def resolve(
        self, wheel: Path, manifest: Manifest, staging: Path, *, wheels: Path | None = None
    ) -> Lock:
        """What the plugin's environment will hold."""
        raise NotImplementedError

    async def build_environment(self, lock: Lock, staging: Path) -> Environment:
        """The environment of a lock."""
        raise NotImplementedError

    async def keep(self, wheel: Path, staging: Path) -> Artifact:
        """Put the wheel into its final place."""
        raise NotImplementedError

    def program(
        self, manifest: Manifest, artifact: Artifact, environment: Environment, limits: WorkerLimits
    ) -> WorkerProgram:
        """How the plugin's worker is started."""
        raise NotImplementedError

    def artifact(self, digest: str) -> Artifact:
        """A kept artifact."""
        raise NotImplementedError

    def environment(self, key: str) -> Environment:
        """A built environment."""
        raise NotImplementedError

    async def drop_unused(self, *, digests: frozenset[str], environments: frozenset[str]) -> Freed:
        """Delete every artifact and environment that is not named."""
        raise NotImplementedError
